"""The host's HTTP side: functions by route, the Event Grid webhook, the admin API."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local_stack.functions_host import eventgrid, protos
from local_stack.functions_host.errors import Unsupported
from local_stack.functions_host.http_trigger import response_of, rpc_request
from local_stack.functions_host.index import AuthLevel, EventGridTrigger, Function, HttpTrigger
from local_stack.functions_host.keys import Keys
from local_stack.functions_host.manual import BadInput, manual_input
from local_stack.functions_host.routes import RouteTable, Target, parse_route
from local_stack.functions_host.worker import Outcome, Worker

log = logging.getLogger(__name__)

# The real host's limit for a request body.
MAX_BODY_BYTES = 104_857_600
# Azure's front end gives up on a function app after 230 s.
HTTP_TIMEOUT_SECONDS = 230.0
HOST_VERSION = "4.0-local"
RESERVED_PREFIXES = ("admin", "runtime")

# Any path, one with line breaks in it too.
_REST = r"{tail:[\s\S]*}"
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")


def full_route(prefix: str, trigger: HttpTrigger) -> str:
    """The route with the app's prefix before it."""
    return f"{prefix}/{trigger.route}".strip("/")


def http_routes(functions: tuple[Function, ...], prefix: str) -> RouteTable[tuple[Function, HttpTrigger]]:
    """The enabled HTTP functions by route; refuses routes in the host's own places."""
    targets = []
    for function in functions:
        if isinstance(trigger := function.trigger, HttpTrigger):
            route = full_route(prefix, trigger)
            if route.split("/")[0].lower() in RESERVED_PREFIXES:
                raise Unsupported(f"function {function.name}: route {route!r} conflicts with the host's own routes")
            if not function.disabled:
                targets.append(Target(parse_route(route), trigger.methods, (function, trigger)))
    return RouteTable(targets)


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a body may be (bytes), and how long an HTTP call may take (seconds)."""

    body: int = MAX_BODY_BYTES
    http_timeout: float = HTTP_TIMEOUT_SECONDS


class HttpSide:
    """Answers HTTP until told to drain; then 503."""

    def __init__(
        self, functions: tuple[Function, ...], prefix: str, keys: Keys, worker: Worker, limits: Limits
    ) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._prefix = prefix
        self._routes = http_routes(functions, prefix)
        self._keys = keys
        self._worker = worker
        self._limits = limits
        self._began = time.monotonic()
        self._background: set[asyncio.Task[Any]] = set()
        self.draining = False

    def application(self) -> web.Application:
        """The aiohttp application with the host's own routes and everything else for functions."""
        application = web.Application(client_max_size=self._limits.body)
        application.router.add_get("/admin/host/status", self._status)
        application.router.add_get("/admin/host/ping", self._ping)
        application.router.add_get("/admin/functions", self._list)
        application.router.add_post("/admin/functions/{name}", self._run)
        application.router.add_route("*", f"/admin/{_REST}", self._refuse)
        application.router.add_route("OPTIONS", "/runtime/webhooks/eventgrid", self._preflight)
        application.router.add_post("/runtime/webhooks/eventgrid", self._deliver)
        application.router.add_route("*", f"/runtime/{_REST}", self._refuse)
        application.router.add_route("*", f"/{_REST}", self._call)
        return application

    async def _call(self, request: web.Request) -> web.StreamResponse:
        if self.draining:
            return web.Response(status=503)
        found = self._routes.find(request.method, request.rel_url.raw_path)
        if found is None:
            # The real host's home page, switched off, answers 204.
            return web.Response(status=204 if request.path == "/" else 404)
        (function, trigger), route_params = found
        if not self._allowed(request, trigger.auth_level):
            return web.Response(status=401)
        if (request.content_length or 0) > self._limits.body:
            return web.Response(status=413)
        body = await request.read()
        data = rpc_request(
            request.method,
            str(request.url),
            headers=request.headers,
            query=request.query,
            route_params=route_params,
            body=body,
        )
        outcome = await self._within_time(self._worker.invoke(function, data, trace_parent=_trace_parent(request)))
        if outcome is None:
            log.error("%s: no answer within %g s; the function runs on", function.name, self._limits.http_timeout)
            return web.Response(status=504)
        return response_of(outcome)

    async def _within_time(self, invocation: Coroutine[Any, Any, Outcome]) -> Outcome | None:
        """The outcome, or None when the caller is cut off; the function itself is not, as in Azure."""
        task = asyncio.create_task(invocation)
        await asyncio.wait((task,), timeout=self._limits.http_timeout)
        return task.result() if task.done() else None

    async def _preflight(self, request: web.Request) -> web.Response:
        """CloudEvents' handshake: the endpoint allows the asking origin."""
        if refused := self._webhook_refusal(request):
            return refused
        headers = eventgrid.preflight(request.headers)
        if headers is None:
            return web.Response(status=400, text="WebHook-Request-Origin is missing")
        return web.Response(headers=headers)

    async def _deliver(self, request: web.Request) -> web.Response:
        if refused := self._webhook_refusal(request):
            return refused
        function = self._functions[request.query["functionName"].lower()]
        try:
            delivery = eventgrid.read_delivery(request.headers, await request.read())
        except eventgrid.BadDelivery as error:
            return web.Response(status=400, text=str(error))
        except eventgrid.BinaryMode as error:
            return web.Response(status=501, text=str(error))
        match delivery:
            case eventgrid.Handshake(answer):
                return web.json_response(answer)
            case eventgrid.Unsubscribed():
                return web.Response(status=200)
            case eventgrid.Events(bodies):
                return await self._run_events(function, bodies)

    async def _run_events(self, function: Function, bodies: tuple[str, ...]) -> web.Response:
        """202 when all went well; 500 when one did not, and Event Grid delivers all of them again."""
        if isinstance(function.trigger, EventGridTrigger) and function.trigger.many:
            bodies = (f"[{','.join(bodies)}]",)
        outcomes = await asyncio.gather(
            *(self._worker.invoke(function, protos.TypedData(json=body)) for body in bodies)
        )
        return web.Response(status=202 if all(outcome.ok for outcome in outcomes) else 500)

    def _webhook_refusal(self, request: web.Request) -> web.Response | None:
        """Why the webhook won't listen: draining, key, or no such function. Key before name, so names don't leak."""
        if self.draining:
            return web.Response(status=503)
        if not self._allowed(request, AuthLevel.FUNCTION):
            return web.Response(status=401)
        name = request.query.get("functionName", "")
        function = self._functions.get(name.lower())
        if function is None or function.disabled or not isinstance(function.trigger, EventGridTrigger):
            return web.Response(status=404, text=f"cannot find function: {name!r}")
        return None

    async def _status(self, request: web.Request) -> web.Response:
        if not self._allowed(request, AuthLevel.ADMIN):
            return web.Response(status=401)
        return web.json_response(
            {
                "id": "local",
                "state": "Stopping" if self.draining else "Running",
                "version": HOST_VERSION,
                "versionDetails": "azure-functions-runtime",
                "processUptime": round((time.monotonic() - self._began) * 1000),
                "functionsRunning": len(self._worker.running),
            }
        )

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response(status=503 if self.draining else 200)

    async def _list(self, request: web.Request) -> web.Response:
        if not self._allowed(request, AuthLevel.ADMIN):
            return web.Response(status=401)
        origin = str(request.url.origin())
        return web.json_response([self._described(function, origin) for function in self._functions.values()])

    def _described(self, function: Function, origin: str) -> dict[str, object]:
        trigger = function.trigger
        url = f"{origin}/{full_route(self._prefix, trigger)}" if isinstance(trigger, HttpTrigger) else None
        return {
            "name": function.name,
            "language": "python",
            "isDisabled": function.disabled,
            "invoke_url_template": url,
            "config": {"name": function.name, "bindings": [json.loads(raw) for raw in function.raw_bindings]},
        }

    async def _run(self, request: web.Request) -> web.Response:
        """Run a function now: 202 at once; with ?wait=true (not the real host's) 200 or 500 at its end."""
        if not self._allowed(request, AuthLevel.ADMIN):
            return web.Response(status=401)
        if self.draining:
            return web.Response(status=503)
        function = self._functions.get(request.match_info["name"].lower())
        if function is None:
            return web.Response(status=404)
        try:
            data, metadata = manual_input(function, _admin_input(await request.read()))
        except Unsupported as error:
            return web.Response(status=501, text=str(error))
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        task = asyncio.create_task(self._worker.invoke(function, data, metadata))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        if request.query.get("wait", "").lower() != "true":
            return web.Response(status=202)
        outcome = await asyncio.shield(task)
        return web.json_response({"ok": outcome.ok, "error": outcome.error}, status=200 if outcome.ok else 500)

    async def _refuse(self, request: web.Request) -> web.Response:
        """The rest of the real host's own API."""
        if not self._allowed(request, AuthLevel.ADMIN):
            return web.Response(status=401)
        return web.Response(status=501, text=f"{request.method} {request.path} is not supported by this host")

    def _allowed(self, request: web.Request, level: AuthLevel) -> bool:
        return self._keys.allow(level, request.headers, request.query)


def _trace_parent(request: web.Request) -> str:
    given = request.headers.get("traceparent", "")
    return given if _TRACE_PARENT.match(given) else ""


def _admin_input(body: bytes) -> str:
    """The input text of `{"input": "..."}`; an empty body has none."""
    document: Mapping[str, object] = json.loads(body or b"{}")
    if not isinstance(document, dict):
        raise BadInput('the body must be {"input": "..."}')
    given = document.get("input")
    return given if isinstance(given, str) else "" if given is None else json.dumps(given)
