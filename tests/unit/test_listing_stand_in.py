"""The benchmark's stand-in for List Blobs, as the storage SDK sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from benchmarks.listing import ETAG, MODIFIED, SIZE, Listing
from local_stack.azurite import Azurite
from local_stack.proxy import Proxy

NAMES = [f"raw/x/2026/03/{day:02}/f_{number} & <{number}>.csv" for day in range(1, 4) for number in range(30)]


@pytest.fixture
def listing() -> Listing:
    return Listing("raw/x/", reversed(NAMES))


@pytest.fixture
def container(listing: Listing) -> Iterator[ContainerClient]:
    with Proxy(1, listing.answer) as proxy:
        connection = Azurite(proxy.port, 0, 0, Path()).connection_string
        with BlobServiceClient.from_connection_string(connection, retry_total=0) as service:
            yield service.get_container_client("landing")


def test_pages_hold_every_blob_once_and_in_order(container: ContainerClient, listing: Listing) -> None:
    found = list(container.list_blobs(name_starts_with="raw/x/", results_per_page=25))
    assert [blob.name for blob in found] == sorted(NAMES)
    assert listing.calls == 4
    assert (found[0].size, found[0].etag, found[0].last_modified) == (SIZE, ETAG, MODIFIED)


def test_a_delimiter_makes_folders(container: ContainerClient, listing: Listing) -> None:
    folders = [one.name for one in container.walk_blobs(name_starts_with="raw/x/2026/03/", delimiter="/")]
    assert folders == ["raw/x/2026/03/01/", "raw/x/2026/03/02/", "raw/x/2026/03/03/"]
    assert listing.calls == 1


def test_a_prefix_lists_its_own_only(container: ContainerClient) -> None:
    found = list(container.list_blobs(name_starts_with="raw/x/2026/03/02/"))
    assert [blob.name for blob in found] == sorted(name for name in NAMES if "/02/" in name)
