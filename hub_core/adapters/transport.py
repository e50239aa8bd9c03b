"""How the Azure SDK's small requests, to tables and queues, travel: urllib3 itself.

The SDK's own transport wraps urllib3 in requests, which takes half of the processor time of a small call; and accepting
a load is two of them.
"""

from types import TracebackType
from typing import Any, Self

import urllib3
from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError, ServiceResponseTimeoutError
from azure.core.pipeline.transport import HttpRequest, HttpResponse, HttpTransport
from urllib3 import exceptions

from hub_core.adapters.azure_faults import CONNECT_SECONDS, refuse_to_wait, retry_after

_CONNECTIONS = 32
READ_SECONDS = 10
"""Storage answers these within milliseconds, and somebody waits for a GET."""


class Answer(HttpResponse):
    """An answer that has been read to its end."""

    def __init__(self, request: HttpRequest, answer: urllib3.BaseHTTPResponse) -> None:
        super().__init__(request, answer)
        self.status_code = answer.status
        self.headers = answer.headers
        self.reason = answer.reason
        self.content_type = answer.headers.get("content-type")
        self._body = answer.data

    def body(self) -> bytes:
        """The whole body."""
        return self._body


class SmallRequests(HttpTransport[HttpRequest, HttpResponse]):
    """An SDK client's `transport`. Answers are read whole, so it is not for blobs; proxies are not looked for.

    Failures are the SDK's own, which its retry policy knows: ServiceRequestError where the request was not sent,
    ServiceResponseError where its answer did not come. Only a long Retry-After is the hub's Transient at once.
    """

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(maxsize=_CONNECTIONS)

    def open(self) -> None:
        """Nothing to do: connections are made as they are needed."""

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def send(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """The answer to `request`, whole even where `stream` is asked for, as the SDK does for a table's transactions.

        `connection_timeout` and `read_timeout` are in seconds.
        """
        timeout = urllib3.Timeout(
            connect=kwargs.get("connection_timeout") or CONNECT_SECONDS, read=kwargs.get("read_timeout") or READ_SECONDS
        )
        # The SDK has two classes of requests, of which the newer calls its body `content`.
        body = request.data if hasattr(request, "data") else getattr(request, "content", None)
        try:
            answer = self._pool.urlopen(
                request.method, request.url, body=body, headers=request.headers, timeout=timeout, retries=False,
                redirect=False,
            )  # fmt: skip
        except exceptions.HTTPError as error:
            raise _as_sdk(error) from error
        if answer.status >= 400:
            # The retries of tables would wait as long as they are told to.
            refuse_to_wait(retry_after(answer.headers) or 0.0)
        return Answer(request, answer)


def _as_sdk(error: exceptions.HTTPError) -> AzureError:
    if isinstance(error, exceptions.ReadTimeoutError):
        return ServiceResponseTimeoutError(str(error), error=error)
    # NewConnectionError and ConnectTimeoutError have this class in common, and little else.
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.NewConnectionError):
        return ServiceRequestError(str(error), error=error)
    return ServiceResponseError(str(error), error=error)
