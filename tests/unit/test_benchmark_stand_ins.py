"""The benchmarks' stand-ins for List Blobs and Query Entities, as the SDKs see them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient, ContainerClient

from benchmarks.listing import ETAG, MODIFIED, SIZE, Listing
from benchmarks.many_loads import Entities
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


def test_a_query_finds_the_range_of_row_keys_that_are_there() -> None:
    entities = Entities(
        [{"PartitionKey": "load", "RowKey": f"{n:03}", "lob": "ab"[n % 2], "settled": True} for n in range(50)]
    )
    entities.count = 40
    with Proxy(1, entities.answer) as proxy:
        connection = Azurite(0, 0, proxy.port, Path()).connection_string
        with TableServiceClient.from_connection_string(connection, retry_total=0) as service:
            found = service.get_table_client("loads").query_entities(
                "PartitionKey eq @p and RowKey ge @start and RowKey lt @end and lob eq @lob",
                parameters={"p": "load", "start": "010", "end": "~", "lob": "b"},
            )
            rows = list(found)
    assert [row["RowKey"] for row in rows] == [f"{n:03}" for n in range(11, 40, 2)]
    assert rows[0]["settled"] is True
