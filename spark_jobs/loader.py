"""A batch's claims into bronze: exactly once, in as few reads and commits as there are groups of like files."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from hub_core.codes import FileError
from hub_core.errors import Transient
from hub_core.model import FileStatus
from hub_core.sql import Row
from hub_core.statements import table_names
from spark_jobs.claim_changes import Change, ClaimChanges
from spark_jobs.claims import Group, OpenClaim, OpenClaims, named_groups, new_groups, open_claims
from spark_jobs.failures import first_line, is_passing
from spark_jobs.loading import GroupLoader
from spark_jobs.quarantine import Quarantine
from spark_jobs.spark_sql import SparkSql
from spark_jobs.statements import CLAIMED_FEEDS, EARLIER_DELIVERIES, OPEN_CLAIMS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLES_AT_ONCE = 4
"""Groups of one table go one after another: they would only wait for each other's commits."""

ROUNDS = 5
"""How often claims are read again that another run of the batch has changed meanwhile."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What the run has finished; what an earlier run of the batch did, or one at the same time, is not its account."""

    batch_id: str
    files: dict[str, int]
    rows: int
    rejected: int
    seconds: float

    def __str__(self) -> str:
        counted = ", ".join(f"{count} {status}" for status, count in sorted(self.files.items())) or "no files"
        return f"batch {self.batch_id}: {counted}; {self.rows:,} rows, {self.rejected:,} rejected, {self.seconds:.1f} s"

    def to_json(self) -> str:
        """One line, for whoever reads the run's output."""
        return json.dumps(asdict(self))


class Loader:
    """Loads what a batch has claimed."""

    def __init__(
        self, spark: "SparkSession", catalog: str, batch_id: str, run_id: str | None = None, *,
        say: Callable[[str], None] = print,
    ) -> None:  # fmt: skip
        self._spark = spark
        self._sql = SparkSql(spark)
        self._catalog = catalog
        self._batch_id = batch_id
        self._run_id = run_id
        self._say = say
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def run(self) -> LoadResult:
        """Finish every open claim of the batch. Raises where the run itself broke; claims are then left open."""
        try:
            claimed = self._open_claims()
            return self._result(self._load(claimed) if claimed.lob else ())
        except Exception as error:
            if not is_passing(error):
                raise
            message = f"the run can't go on, and its open claims wait for the next one: {first_line(error)}"
            raise Transient("RUN_BROKE", message) from error

    def _open_claims(self) -> OpenClaims:
        with ThreadPoolExecutor(2, thread_name_prefix="claims") as pool:
            # Beside each other: most of what each takes is Spark's planning.
            feeds, earlier = pool.submit(self._query, CLAIMED_FEEDS), pool.submit(self._query, EARLIER_DELIVERIES)
            return open_claims(self._query(OPEN_CLAIMS), feeds.result(), earlier.result())

    def _load(self, claimed: OpenClaims) -> Sequence[Change]:
        changes = ClaimChanges(self._sql, self._catalog, claimed.lob, self._batch_id, self._run_id)
        try:
            quarantine = Quarantine(self._spark, self._sql, self._catalog, self._batch_id)
            groups = GroupLoader(self._spark, self._sql, changes, quarantine, batch_id=self._batch_id, say=self._timed)
            _Batch(self._open_claims, changes, groups, self._timed).finish(claimed)
        finally:
            changes.close()
        changes.check()
        return changes.written

    def _query(self, statement: str) -> Sequence[Row]:
        return self._sql.query(statement.format_map(table_names(self._catalog)), {"batch_id": self._batch_id})

    def _result(self, written: Sequence[Change]) -> LoadResult:
        final = [change for change in written if change.load_status is not FileStatus.CLAIMED]
        return LoadResult(
            batch_id=self._batch_id,
            files=dict(Counter(change.load_status.value for change in final)),
            rows=sum(change.row_count or 0 for change in final),
            rejected=sum(change.rejected_count or 0 for change in final),
            seconds=round(time.monotonic() - self._began, 1),
        )

    def _timed(self, text: str) -> None:
        with self._lock:
            self._say(f"{time.monotonic() - self._began:7.1f} s  {text}")


@dataclass(frozen=True, slots=True)
class _Batch:
    """The claims of one batch, from the tracker to their tables."""

    read_open_claims: Callable[[], OpenClaims]
    changes: ClaimChanges
    groups: GroupLoader
    say: Callable[[str], None]

    def finish(self, claimed: OpenClaims) -> None:
        """Load what is claimed, and go on until no claim is left for this run."""
        for _ in range(ROUNDS):
            if not self._load_all(self._take(claimed)):
                return
            claimed = self.read_open_claims()
        raise Transient("CLAIMS_OPEN", "another run of the batch keeps changing its claims; start it again")

    def _take(self, claimed: OpenClaims) -> list[Group]:
        """The open claims as groups, each of which has its commit_id in the tracker."""
        self._end_feedless(claimed)
        claims = self._without_skipped(claimed.claims)
        named = named_groups(claims)
        # Claims get a commit_id as they are made; those of an earlier release, or made by hand, have none.
        fresh = new_groups(claim for claim in claims if claim.commit_id is None)
        self.say(f"{len(claims)} open claims in {len(named) + len(fresh)} groups")
        marks = [
            Change(claim.tracker_id, None, FileStatus.CLAIMED, group.commit_id)
            for group in fresh
            for claim in group.claims
        ]
        marked = self.changes.put(marks)
        self.changes.flush()
        if not marked.result():
            # Another run of this batch was faster with some of them: what they come in is for the tracker to say.
            again = self.read_open_claims()
            self._end_feedless(again)
            return named_groups(again.claims)
        return named + fresh

    def _end_feedless(self, claimed: OpenClaims) -> None:
        self.changes.put(
            [
                Change(
                    tracker_id, commit, FileStatus.FAILED, commit, error_code=FileError.FEED_GONE,
                    error_message="the claim's feed is not in file_config",
                )
                for tracker_id, commit in claimed.feedless
            ]
        )  # fmt: skip

    def _without_skipped(self, claims: Sequence[OpenClaim]) -> list[OpenClaim]:
        self.changes.put(
            [
                Change(
                    claim.tracker_id, claim.commit_id, FileStatus.SUCCESS, None, row_count=0, rejected_count=0,
                    error_message="an earlier version of this file is loaded, and the feed's on_redelivery is skip",
                )
                for claim in claims
                if claim.skipped
            ]
        )  # fmt: skip
        return [claim for claim in claims if not claim.skipped]

    def _load_all(self, groups: Sequence[Group]) -> list[Group]:
        """Load the groups; those that another run has taken over meanwhile are returned."""
        tables: dict[str, list[Group]] = {}
        for group in groups:
            tables.setdefault(group.dest_table.lower(), []).append(group)
        with ThreadPoolExecutor(TABLES_AT_ONCE, thread_name_prefix="table") as pool:
            futures: list[Future[list[Group]]] = [pool.submit(self._load_table, mine) for mine in tables.values()]
        lost = [group for future in futures for group in future.result()]
        self.changes.flush()
        return lost

    def _load_table(self, groups: Sequence[Group]) -> list[Group]:
        return [lost for group in groups for lost in self.groups.load(group)]
