"""The real Python worker library, in this process: init, indexing, invocations.

azure_functions_runtime keeps its state in module globals, so a process serves one app.
"""

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

from local_stack.functions_host import protos
from local_stack.functions_host.errors import StartFailed
from local_stack.functions_host.index import Function, index_functions

log = logging.getLogger(__name__)

type SendOutputs = Callable[[Function, Mapping[str, protos.TypedData]], Awaitable[None]]

_NO_RETRY = SimpleNamespace(retry_count=0, max_retry_count=0, exception=None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended: `returned` is the function's result, `error` its exception's one line."""

    ok: bool
    returned: protos.TypedData | None = None
    error: str = ""


async def start_worker(app: Path, settings: Mapping[str, str]) -> tuple[Function, ...]:
    """Have the worker import and index the app; fails with the worker's own exception."""
    runtime.start_threadpool_executor()
    request = SimpleNamespace(capabilities={}, function_app_directory=str(app))
    response = await runtime.worker_init_request(
        SimpleNamespace(
            request=SimpleNamespace(worker_init_request=request),
            properties={"host": "127.0.0.1", "protos": protos},
        )
    )
    if response.result.status != protos.StatusResult.Success:
        exception = response.result.exception
        raise StartFailed(f"the worker could not load the app: {exception.message}\n{exception.stack_trace}")
    metadata = await runtime.functions_metadata_request(None)
    return index_functions(metadata.function_metadata_results or [], settings)


class Worker:
    """Runs functions, counts what is running, and says one line about each."""

    def __init__(
        self, send_outputs: SendOutputs, function_timeout: float | None, on_timeout: Callable[[Function], None]
    ) -> None:
        self._send_outputs = send_outputs
        self._function_timeout = function_timeout
        self._on_timeout = on_timeout
        self._running: dict[str, str] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> Mapping[str, str]:
        """Function names by the ids of the invocations that are running."""
        return self._running

    async def drained(self, deadline: float) -> bool:
        """Whether all that was running ended within so many seconds."""
        try:
            await asyncio.wait_for(self._idle.wait(), deadline)
        except TimeoutError:
            return False
        return True

    async def invoke(
        self,
        function: Function,
        data: protos.TypedData,
        metadata: Mapping[str, protos.TypedData] | None = None,
        trace_parent: str = "",
    ) -> Outcome:
        """Run the function to its end, its outputs sent; never raises for what the function does."""
        invocation_id = str(uuid.uuid4())
        self._running[invocation_id] = function.name
        self._idle.clear()
        timeout = self._watch(function)
        began = time.perf_counter()
        try:
            outcome, trace = await self._run(invocation_id, function, data, metadata or {}, trace_parent)
        finally:
            if timeout:
                timeout.cancel()
            del self._running[invocation_id]
            if not self._running:
                self._idle.set()
        took = (time.perf_counter() - began) * 1000
        if outcome.ok:
            log.info("%s ok %.1f ms", function.name, took)
        else:
            log.error("%s failed %.1f ms %s\n%s", function.name, took, outcome.error, trace)
        return outcome

    async def _run(
        self,
        invocation_id: str,
        function: Function,
        data: protos.TypedData,
        metadata: Mapping[str, protos.TypedData],
        trace_parent: str,
    ) -> tuple[Outcome, str]:
        trace_parent = trace_parent or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
        request = SimpleNamespace(
            invocation_id=invocation_id,
            function_id=function.id,
            input_data=[protos.ParameterBinding(name=function.trigger.param, data=data)],
            trigger_metadata=metadata,
            trace_context=SimpleNamespace(trace_parent=trace_parent, trace_state="", attributes={}),
            retry_context=_NO_RETRY,
        )
        response = await runtime.invocation_request(
            SimpleNamespace(request=SimpleNamespace(invocation_request=request))
        )
        if response.result.status != protos.StatusResult.Success:
            exception = response.result.exception
            return Outcome(ok=False, error=exception.message), exception.stack_trace
        if function.outputs:
            try:
                await self._send_outputs(function, _outputs(response))
            except Exception as error:  # noqa: BLE001 - like the real host, whatever an output meets fails the invocation
                return Outcome(ok=False, error=f"output binding: {type(error).__name__}: {error}"), ""
        return Outcome(ok=True, returned=response.return_value), ""

    def _watch(self, function: Function) -> asyncio.TimerHandle | None:
        if self._function_timeout is None:
            return None
        return asyncio.get_running_loop().call_later(self._function_timeout, self._on_timeout, function)


def stop_worker() -> None:
    """End the worker's threads; waits for none that is still in a function."""
    pool = runtime.get_threadpool_executor()
    if pool is not None:
        pool.shutdown(wait=False, cancel_futures=True)


def _outputs(response: Any) -> dict[str, protos.TypedData]:
    outputs = {binding.name: binding.data for binding in response.output_data if binding.data is not None}
    if response.return_value is not None:
        outputs["$return"] = response.return_value
    return outputs
