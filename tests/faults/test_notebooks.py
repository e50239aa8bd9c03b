"""Notebooks that meet other loads at the same files."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deltalake_hub.bronze.base_loader import FilesNotLoaded
from hub_core.model import FileStatus
from spark_jobs.loader import Loader
from tests.lake import Lake, next_second
from tests.spoke import Spoke


@pytest.fixture
def spoke(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spoke:
    monkeypatch.setenv("HUB_SETTLE_SECONDS", "0")
    monkeypatch.setattr("spark_jobs.notebook.LOOK_SECONDS", 0.5)
    return Spoke(lake, tmp_path)


def test_a_newer_version_of_what_it_waited_for_is_its_own(spoke: Spoke, new_session: Callable[[], Any]) -> None:
    feed = spoke.feed("one")
    spoke.configure(feed)
    spoke.lake.put(feed, "a.csv", "id\n1\n")
    spoke.lake.sync(feed)
    old = spoke.lake.claim(feed)
    next_second()
    spoke.lake.put(feed, "a.csv", "id\n1\n2\n")
    service = threading.Timer(3, Loader(new_session(), spoke.lake.catalog, old).run)
    service.start()
    with pytest.raises(FilesNotLoaded) as raised:  # the old version is gone: FILE_CHANGED, in the other load
        spoke.loader(wait_minutes=2).run()
    service.join()
    result = raised.value.result
    assert [(file.status, file.row_count) for file in result.files] == [(FileStatus.SUCCESS, 2)]
    assert [file.error_code for file in result.waited] == ["FILE_CHANGED"]
    assert spoke.lake.rows(feed, "id") == [("1",), ("2",)]


def test_two_notebooks_at_once_load_each_file_once(spoke: Spoke) -> None:
    feed = spoke.feed("one")
    spoke.configure(feed)
    for n in range(5):
        spoke.lake.put(feed, f"{n}.csv", f"id\n{n}\n")
    results = []
    threads = [threading.Thread(target=lambda: results.append(spoke.loader().run())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(result.files) for result in results) == 5
    assert spoke.lake.rows(feed, "id") == [(str(n),) for n in range(5)]
