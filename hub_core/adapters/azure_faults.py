"""Azure Storage's failures, as the hub's; and how long the SDK tries by itself."""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, DecodeError, HttpResponseError
from azure.core.pipeline.policies import RetryPolicy
from azure.storage.blob import ExponentialRetry

from hub_core.errors import Broken, Transient

PASSING_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})

CONNECT_SECONDS = 5
READ_SECONDS = 20
FIRST_PAUSE_SECONDS = 0.3
LONGEST_WAIT_SECONDS = 5.0
"""A Retry-After up to this is waited out within a call; a longer one is the caller's to wait out."""

OPTIONS: dict[str, Any] = {
    "retry_total": 3,
    "retry_read": 1,
    "retry_backoff_factor": FIRST_PAUSE_SECONDS,
    "connection_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
}
"""For every client: the SDK's own retries mend a blink; longer faults are the caller's to wait out. Of answers that do
not come only two are waited for, as each takes the whole timeout."""


class Patience(ExponentialRetry):
    """The retries of blobs and queues. The SDK's own first pause is 15 seconds, whatever the service asks for."""

    def __init__(self) -> None:
        super().__init__(retry_total=OPTIONS["retry_total"], retry_read=OPTIONS["retry_read"])

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Seconds until the next try: growing, jittered, and never less than the service's Retry-After."""
        tries: int = settings["count"]
        pause = FIRST_PAUSE_SECONDS * 2.0 ** max(0, tries - 1) * random.uniform(0.5, 1.0)  # noqa: S311 — jitter
        refused = settings["history"][-1].http_response if settings["history"] else None
        asked = retry_after(refused.headers) if refused is not None else None
        return max(pause, asked or 0.0)

    def sleep(self, settings: dict[str, Any], transport: Any) -> None:  # noqa: ARG002 — the SDK's signature
        """Wait for the next try; Transient where that is too long."""
        seconds = self.get_backoff_time(settings)
        refuse_to_wait(seconds)
        time.sleep(seconds)


def refuse_to_wait(seconds: float) -> None:
    """Transient where storage asks for a longer wait than a caller should be kept in."""
    if seconds > LONGEST_WAIT_SECONDS:
        raise Transient("STORAGE_UNAVAILABLE", f"storage asks to wait {seconds:.0f} s", retry_after=seconds)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise Transient for what may pass and Broken for what needs an operator, both naming `what`."""
    try:
        yield
    except ClientAuthenticationError as error:
        if not is_refusal(error):
            raise Transient("STORAGE_UNAVAILABLE", f"{what}: {no_token(error)}") from error
        raise Broken("STORAGE_DENIED", f"{what}: sign-in to storage was refused; check the role assignments") from error
    except DecodeError as error:
        # Half an answer, or a page of something in between.
        raise Transient("STORAGE_UNAVAILABLE", f"{what}: an answer that cannot be read") from error
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or error.status_code
        if error.status_code in (401, 403):
            raise Broken("STORAGE_DENIED", f"{what}: {code}; check the identity's role assignments") from error
        if error.status_code is None or error.status_code in PASSING_STATUSES:
            asked = retry_after(getattr(error.response, "headers", None) or {})
            raise Transient("STORAGE_UNAVAILABLE", f"{what}: {code}", retry_after=asked) from error
        raise Broken("STORAGE_REFUSED", f"{what}: {code}") from error
    except AzureError as error:
        # Neither an answer nor a refusal: the connection was not made, or broke.
        raise Transient("STORAGE_UNAVAILABLE", f"{what}: {type(error).__name__}") from error


def is_refusal(error: AzureError) -> bool:
    """Whether Entra ID, asked for a token, said no. Else it, or the endpoint of managed identities, is away.

    What that endpoint itself refuses (an identity that the app has not) azure-identity tells apart by its text alone:
    that counts as away, for the hour that passing faults have.
    """
    return isinstance(error, ClientAuthenticationError) and error.status_code in (400, 401, 403)


def no_token(error: AzureError) -> str:
    """What is said of signing in that failed: azure-identity tells what it tried, in a line each."""
    return f"no token for the service's identity: {' '.join(error.message.split()) or type(error).__name__}"[:1000]


_POLICY: RetryPolicy[Any, Any] = RetryPolicy()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that an answer asks to wait, in either form that HTTP has for it; None if it does not."""
    try:
        return _POLICY.parse_retry_after(headers["Retry-After"])
    except (KeyError, ValueError):
        return None
