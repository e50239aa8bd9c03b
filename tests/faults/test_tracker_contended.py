"""A tracker in which somebody else of the same LOB never stops writing: a load takes longer, and ends right."""

import threading
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from local_stack.spark_session import connect
from local_stack.stack import Stack
from tests.faults.conftest import Loaders, ended
from tests.faults.deliveries import KINDS, assert_loaded_once, land
from tests.faults.loader_process import Report
from tests.lake import Lake

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

pytestmark = pytest.mark.stack

MOST_COMMITS = 60
CONFLICTS_IN_A_ROW = 3

# Appends conflict with nobody, and everybody who reads this LOB's part conflicts with them: the table is Serializable.
APPEND = """
INSERT INTO {tracker} (tracker_id, lob, category, subcategory, file_name, source_path, dest_table, load_status,
    batch_id, config_id, file_size, file_modified, attempt)
VALUES ('{one}', 'falcon', 'noise', 'noise', 'noise', 'noise', 'noise', 'FAILED', '{one}', 'noise', 0,
    timestamp_seconds(0), 1)
"""


class Writer:
    """Commits to the LOB's part of the tracker, one row after another, at most MOST_COMMITS."""

    def __init__(self, session: "SparkSession", tracker: str) -> None:
        self._session = session
        self._tracker = tracker
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.commits = 0

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _write(self) -> None:
        while self.commits < MOST_COMMITS and not self._stopped.is_set():
            self._session.sql(APPEND.format(tracker=self._tracker, one=uuid4().hex)).collect()
            self.commits += 1


def test_a_load_ends_right_though_its_changes_of_the_tracker_meet_conflict_upon_conflict(
    lake: Lake, loaders: Loaders, parts: Stack
) -> None:
    landed = land(lake, KINDS)
    batch = lake.claim(*[one.feed for one in landed])
    session = connect(parts.spark_remote)
    try:
        with Writer(session, f"{lake.catalog}.bronze_metadata.load_tracker") as writer:
            output, _ = ended(loaders.start(batch), 0)
    finally:
        session.stop()
    assert writer.commits > CONFLICTS_IN_A_ROW
    assert max(Report.read(output).conflicts, default=0) >= CONFLICTS_IN_A_ROW
    assert_loaded_once(lake, batch, landed)
