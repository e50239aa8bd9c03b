"""Azure Storage's failures, as the hub's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from hub_core.errors import Broken, Transient

PASSING_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})

CONNECT_SECONDS = 5
READ_SECONDS = 30

OPTIONS: dict[str, Any] = {
    "retry_total": 3,
    "retry_backoff_factor": 0.3,
    "connection_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
}
"""For every client: the SDK's own retries mend a blink; longer faults are the caller's to wait out."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise Transient for what may pass and Broken for what needs an operator, both naming `what`."""
    try:
        yield
    except ClientAuthenticationError as error:
        raise Broken("STORAGE_DENIED", f"{what}: sign-in to storage was refused; check the role assignments") from error
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or error.status_code
        if error.status_code in (401, 403):
            raise Broken("STORAGE_DENIED", f"{what}: {code}; check the identity's role assignments") from error
        if error.status_code is None or error.status_code in PASSING_STATUSES:
            raise Transient("STORAGE_UNAVAILABLE", f"{what}: {code}", retry_after=_retry_after(error)) from error
        raise Broken("STORAGE_REFUSED", f"{what}: {code}") from error
    except AzureError as error:
        # Neither an answer nor a refusal: the connection was not made, or broke.
        raise Transient("STORAGE_UNAVAILABLE", f"{what}: {type(error).__name__}") from error


def _retry_after(error: HttpResponseError) -> float | None:
    headers = getattr(error.response, "headers", None) or {}
    text = str(headers.get("Retry-After", ""))
    return float(text) if text.isdigit() else None
