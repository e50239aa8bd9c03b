"""Signing in to Databricks: with a token where one is set, else with the service's Entra identity."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hub_core.adapters.storage_accounts import identity
from hub_core.settings import Settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

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


def workspace(settings: Settings) -> "WorkspaceClient":
    """A client of the workspace's REST APIs; it connects at its first call."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import Config
    from databricks.sdk.credentials_provider import CredentialsStrategy

    options: dict[str, Any] = {
        "host": settings.databricks_host,
        "http_timeout_seconds": 30,
        "retry_timeout_seconds": 30,
    }
    if settings.databricks_token:
        return WorkspaceClient(config=Config(token=settings.databricks_token, auth_type="pat", **options))

    class EntraIdentity(CredentialsStrategy):
        """databricks-sdk has no strategy for managed identities of its own."""

        def auth_type(self) -> str:
            return "entra-identity"

        def __call__(self, _cfg: Config) -> Callable[[], dict[str, str]]:
            return _headers

    return WorkspaceClient(config=Config(credentials_strategy=EntraIdentity(), **options))
