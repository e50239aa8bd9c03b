"""How storage accounts are reached: by identity, or by a connection string where a setting has one."""

import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from hub_core.adapters.azure_faults import OPTIONS, Patience
from hub_core.adapters.transport import SmallRequests
from hub_core.errors import Broken

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

HOST_STORAGE = "AzureWebJobsStorage"


@cache
def identity() -> "TokenCredential":
    """The service's identity; `AZURE_CLIENT_ID` picks a user-assigned one."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(exclude_interactive_browser_credential=True)


class Accounts:
    """The accounts that feeds and configs lie in."""

    def __init__(self, connections: Mapping[str, str]) -> None:
        self._connections = connections
        self._clients: dict[str, BlobServiceClient] = {}

    def blobs(self, host: str) -> BlobServiceClient:
        """The blob client of `account.dfs.…`."""
        if host not in self._clients:
            if host in self._connections:
                client = BlobServiceClient.from_connection_string(self._connections[host], **_blobs())
            else:
                url = f"https://{blob_host(host)}"
                client = BlobServiceClient(url, credential=identity(), **_blobs())
            self._clients[host] = client
        return self._clients[host]

    def endpoints(self, hosts: Iterable[str]) -> dict[str, str]:
        """For `hub_core.events.path_of`: how blob URLs of these accounts begin."""
        found = {}
        for host in hosts:
            # Events of Data Lake calls (FlushWithClose, renames) name the dfs endpoint, those of Blob calls the other.
            found[f"{host}/"] = found[f"{blob_host(host)}/"] = host
            if host in self._connections:
                url = self.blobs(host).url.rstrip("/") + "/"
                found[re.sub(r"^https?://", "", url)] = host
        return found


def blob_host(dfs_host: str) -> str:
    """`acct.dfs.core.windows.net` → `acct.blob.core.windows.net`: one account, two endpoints."""
    return dfs_host.replace(".dfs.", ".blob.", 1)


# Transport and retry policy are one client's own: the SDK chains its policies to each other.


def _blobs() -> dict[str, Any]:
    return {"retry_policy": Patience(), **OPTIONS}


def _queues() -> dict[str, Any]:
    return {"transport": SmallRequests(), "retry_policy": Patience(), **OPTIONS}


def _tables() -> dict[str, Any]:
    return {"transport": SmallRequests(), **OPTIONS}


class HostStorage:
    """The Functions host's own storage, found the way the host finds it.

    `AzureWebJobsStorage` is a connection string, or `AzureWebJobsStorage__accountName` (or `__blobServiceUri`, …) names
    the account and the identity signs in.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        env = os.environ if environment is None else environment
        self._connection = env.get(HOST_STORAGE, "")
        self._account = env.get(f"{HOST_STORAGE}__accountName", "")
        self._uris = {kind: env.get(f"{HOST_STORAGE}__{kind}ServiceUri", "") for kind in ("blob", "queue", "table")}
        if not self._connection and not self._account and not all(self._uris.values()):
            raise Broken("BAD_SETTING", f"{HOST_STORAGE} is not set, nor {HOST_STORAGE}__accountName (e.g. stdeltahub)")

    def _uri(self, kind: str) -> str:
        return self._uris[kind] or f"https://{self._account}.{kind}.core.windows.net"

    def blobs(self) -> BlobServiceClient:
        """A blob client."""
        if self._connection:
            return BlobServiceClient.from_connection_string(self._connection, **_blobs())
        return BlobServiceClient(self._uri("blob"), credential=identity(), **_blobs())

    def queues(self) -> QueueServiceClient:
        """A queue client."""
        if self._connection:
            return QueueServiceClient.from_connection_string(self._connection, **_queues())
        return QueueServiceClient(self._uri("queue"), credential=identity(), **_queues())

    def tables(self) -> TableServiceClient:
        """A table client."""
        if self._connection:
            return TableServiceClient.from_connection_string(self._connection, **_tables())
        return TableServiceClient(self._uri("table"), credential=identity(), **_tables())
