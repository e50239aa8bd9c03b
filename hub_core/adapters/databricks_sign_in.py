"""Signing in to Databricks: with a token where one is set, else with the service's Entra identity."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from hub_core.adapters.storage_accounts import identity
from hub_core.errors import Transient
from hub_core.settings import Settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import ConfigAttribute

# The Entra application of Azure Databricks, the same in every tenant.
# https://learn.microsoft.com/azure/databricks/dev-tools/auth/
SCOPE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"


def _headers() -> dict[str, str]:
    # azure-identity caches the token, and renews it before it ends.
    return {"Authorization": f"Bearer {identity().get_token(SCOPE).token}"}


def for_connector(settings: Settings) -> dict[str, Any]:
    """Arguments for `databricks.sql.connect`."""
    if settings.databricks_token:
        return {"access_token": settings.databricks_token}
    return {"credentials_provider": lambda: _headers}


LONGEST_WAIT_SECONDS = 10.0
"""Between two tries of the SDK's own, whose growing pauses end at this; a longer Retry-After is the caller's."""


def workspace(settings: Settings) -> "WorkspaceClient":
    """A client of the workspace's REST APIs; it connects at its first call: a status question needs no workspace.

    A call ends within a minute: the SDK tries for half of one, and an answer takes at most as long. It would wait for
    any Retry-After, if that were an hour: here a long one is Transient, with the seconds.
    """
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.clock import RealClock
    from databricks.sdk.core import Config
    from databricks.sdk.credentials_provider import CredentialsStrategy

    class Impatient(RealClock):
        """Time as the SDK's retries spend it."""

        def sleep(self, seconds: float) -> None:
            if seconds > LONGEST_WAIT_SECONDS + 1:  # the SDK adds up to a second of jitter
                raise Transient("JOBS_UNAVAILABLE", f"the workspace asks to wait {seconds:.0f} s", retry_after=seconds)
            super().sleep(seconds)

    class Explicit(Config):
        """All that is needed is given. The SDK would ask the host for more, and take half a minute where it is away."""

        @classmethod
        def attributes(cls) -> "Iterable[ConfigAttribute]":
            """Of the SDK's class, which looks for them in this one."""
            return Config.attributes()

        def _resolve_host_metadata(self) -> None:
            return

    options: dict[str, Any] = {
        "host": settings.databricks_host,
        "http_timeout_seconds": 30,
        "retry_timeout_seconds": 30,
        "clock": Impatient(),
    }
    if settings.databricks_token:
        return WorkspaceClient(config=Explicit(token=settings.databricks_token, auth_type="pat", **options))

    class EntraIdentity(CredentialsStrategy):
        """databricks-sdk has no strategy for managed identities of its own."""

        def auth_type(self) -> str:
            return "entra-identity"

        def __call__(self, _cfg: Config) -> Callable[[], dict[str, str]]:
            return _headers

    return WorkspaceClient(config=Explicit(credentials_strategy=EntraIdentity(), **options))
