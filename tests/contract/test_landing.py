"""`Landing`: what a listing brings, and that days outside the window cost no call."""

from datetime import date

import pytest

from hub_core.adapters.blob import BlobLanding
from hub_core.adapters.storage_accounts import Accounts
from hub_core.model import Feed, FileFormat
from hub_core.request import Window
from hub_core.resolve import folders_ruled_out
from local_stack.azurite import Azurite
from local_stack.stack import Stack
from tests.conftest import Folder

pytestmark = pytest.mark.stack
MARCH = Window(date(2026, 3, 1), date(2026, 3, 31))


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of List Blobs calls."""
    from azure.core.pipeline.transport import RequestsTransport

    asked: list[str] = []
    send = RequestsTransport.send

    def counted(self: object, request: object, **options: object) -> object:
        if "comp=list" in request.url:
            asked.append(request.url)
        return send(self, request, **options)

    monkeypatch.setattr(RequestsTransport, "send", counted)
    return asked


@pytest.fixture
def accounts(parts: Stack, azurite: Azurite) -> Accounts:
    return Accounts({parts.account_host: azurite.connection_string})


def _feed(landing: Folder) -> Feed:
    return Feed(
        lob="falcon", category="c", subcategory="s", file_pattern="*", source_path=f"{landing.url}/",
        file_format=FileFormat.DELIMITED, delimiter=",", has_header=True, dest_catalog="main", dest_schema="falcon_x",
        dest_table="t",
    )  # fmt: skip


def _listed(accounts: Accounts, landing: Folder) -> list[str]:
    skip = folders_ruled_out([_feed(landing)], MARCH)
    return sorted(file.path[len(landing.url) + 1 :] for file in BlobLanding(accounts).list(f"{landing.url}/", skip))


def test_a_window_lists_its_days_only(accounts: Accounts, landing: Folder, listings: list[str]) -> None:
    for name in (
        "2026/03/01/a.csv", "2026/03/31/deep/er/b.csv", "2026/03/c.csv", "2026/d.csv", "e.csv", "eu/2026/02/01/f.csv",
        "2026/02/28/out.csv", "2026/02/27/out.csv", "20260401/out.csv", "20260302/g.csv",
    ):  # fmt: skip
        landing.put(name, "x")
    assert _listed(accounts, landing) == [
        "2026/03/01/a.csv", "2026/03/31/deep/er/b.csv", "2026/03/c.csv", "2026/d.csv", "20260302/g.csv", "e.csv",
        "eu/2026/02/01/f.csv",
    ]  # fmt: skip
    # The root, the year, February, all of March at once, 20260302 and eu.
    assert len(listings) == 6


def test_days_that_are_ruled_out_cost_no_call(accounts: Accounts, landing: Folder, listings: list[str]) -> None:
    landing.put("2026/03/05/a.csv", "x")
    for day in range(1, 29):
        landing.put(f"2026/02/{day:02}/x.csv", "x")
    assert _listed(accounts, landing) == ["2026/03/05/a.csv"]
    assert len(listings) == 4
    listings.clear()
    assert len(list(BlobLanding(accounts).list(f"{landing.url}/"))) == 29
    assert len(listings) == 1


def test_a_month_of_which_a_day_is_in_is_walked(accounts: Accounts, landing: Folder, listings: list[str]) -> None:
    for day in range(1, 29):
        landing.put(f"2026/02/{day:02}/x.csv", "x")
    skip = folders_ruled_out([_feed(landing)], Window(date(2026, 2, 27), date(2026, 3, 31)))
    found = [file.path for file in BlobLanding(accounts).list(f"{landing.url}/", skip)]
    assert found == [f"{landing.url}/2026/02/{day}/x.csv" for day in (27, 28)]
    # The root, the year, the month, its two days.
    assert len(listings) == 5
