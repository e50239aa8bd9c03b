"""A spoke's own job: what the service does with a request, in one process on Spark.

    read CSV ─► sync ─► select ─► resolve ─► claim ─► load ─► wait for what other loads hold ─► result

The decisions are the service's own functions, and the claims are in the same tracker: the two are safe side by side.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hub_core.errors import Broken
from hub_core.feeds import ParsedConfig, decode, is_lob, lob_named, parse_config
from hub_core.gather import usable
from hub_core.load import final_state, first_id, new_id
from hub_core.model import FileOutcome, FileStatus, Outcome, digest
from hub_core.request import require_feeds, select
from hub_core.settings import Settings
from hub_core.telemetry import from_environment
from hub_core.tracker import SqlTracker
from spark_jobs.failures import is_missing_table
from spark_jobs.landing import SparkLanding
from spark_jobs.loader import Loader
from spark_jobs.notebook_params import OF_A_REQUEST, read_config, refuse_unknown, request_of, run_id_of, text_of
from spark_jobs.notebook_plan import Looked, NotebookPlanner, some, still_claimed
from spark_jobs.notebook_result import BronzeResult
from spark_jobs.spark_sql import SparkSql

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOOK_SECONDS = 5.0
TELL_SECONDS = 60.0
PAGE = 5_000
_SUFFIX = "_config.csv"
_BATCH_DIGITS = 11
"""Of a load's id the part that sorts it by time."""


class BronzeLoader:
    """Loads what is due of a spoke's feeds into bronze: `BronzeLoader(spark=spark, config_path=…, params=…).run()`.

    `config_path` is the spoke's CSV: a path, relative to the bundle's root, or an abfss URL. `params` are a request's
    fields (`lob`, `category`, `subcategory`, `file_name`, `begin_date`, `end_date`, `force`); `catalog`; `run_id`, the
    job's `{{job.run_id}}`, by which a retried task finds its claims again and the service can tell whether they are
    dead; `batch_id`, a load that is planned already: its claims are loaded, and the CSV is not read. None and the empty
    string mean absent. Rejected where they are no request.
    """

    def __init__(
        self,
        spark: "SparkSession",
        config_path: str,
        params: Mapping[str, object] | None = None,
        *,
        fail_on_failed: bool = True,
        fail_on_quarantined: bool = False,
        wait_minutes: float = 60,
        say: Callable[[str], None] = print,
    ) -> None:
        given = {name: value for name, value in (params or {}).items() if value not in (None, "")}
        refuse_unknown(given)
        self._spark = spark
        self._config_path = config_path
        self._request = request_of({name: given[name] for name in OF_A_REQUEST if name in given})
        self._run_id = run_id_of(given)
        self._batch_id = text_of(given, "batch_id")
        self._catalog = text_of(given, "catalog")
        self._trace = text_of(given, "traceparent")
        self._fails = {FileStatus.FAILED: fail_on_failed, FileStatus.QUARANTINED: fail_on_quarantined}
        self._wait_seconds = wait_minutes * 60
        self._say = say

    def run(self) -> BronzeResult:
        """Load what is due, and wait for what other loads have claimed of it.

        Raises FilesNotLoaded where a file is FAILED (`fail_on_failed`) or QUARANTINED (`fail_on_quarantined`);
        Rejected for a request that means no feed; Broken for a CSV that cannot be read, or tables that are not there;
        Transient `STILL_CLAIMED` where another load keeps a due file for longer than `wait_minutes`.
        """
        began = time.monotonic()
        told = from_environment("deltalake-hub-notebook")
        try:
            with told.span("bronze notebook", self._trace):
                result = self._run(began)
        except Exception as error:
            if is_missing_table(error):
                message = f"the hub's tables are not in the catalog: run hubctl migrate for it first ({error})"
                raise Broken("NOT_MIGRATED", message[:500]) from error
            raise
        finally:
            told.close()
        return result.without(*(status for status, fails in self._fails.items() if fails))

    def _run(self, began: float) -> BronzeResult:
        sql = SparkSql(self._spark)
        catalog = self._catalog or Settings.one("catalog") or _current_catalog(sql)
        tracker = SqlTracker(sql, catalog)
        if self._batch_id is not None:
            self._load(catalog, self._batch_id)
            return _result(tracker, self._batch_id, began, Looked())
        lob, config = self._config(catalog)
        for problem in config.errors:
            self._say(f"{lob}{_SUFFIX}, line {problem.line}, {problem.column}: {problem.message}; {problem.remedy}")
        selection = select(self._request, {lob})
        feeds = require_feeds(usable(config).feeds, selection)
        tracker.sync(lob, config, deactivate=False)
        batch_id = self._own_batch(tracker, lob)
        if self._run_id is None:
            self._say(f"without a run_id: should this be killed, go on with params batch_id={batch_id!r}")
        planner = NotebookPlanner(tracker, SparkLanding(self._spark), self._request, lob, feeds, batch_id, self._run_id)
        looked = planner.look()
        if looked.ours:
            self._load(catalog, batch_id)
        looked = self._wait(planner, looked, catalog)
        return _result(tracker, batch_id, began, looked, config)

    def _load(self, catalog: str, batch_id: str) -> None:
        Loader(self._spark, catalog, batch_id, self._run_id, say=self._say).run()

    def _config(self, catalog: str) -> tuple[str, ParsedConfig]:
        name, content = self._config_path.rsplit("/", 1)[-1], read_config(self._spark, self._config_path)
        text = decode(content)
        if text is None:
            raise Broken("CONFIG_UNREADABLE", f"{self._config_path}: the CSV is not UTF-8; save it as UTF-8")
        lob = name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else lob_named(text)
        if lob is None or not is_lob(lob):
            raise Broken("CONFIG_UNREADABLE", f"{self._config_path}: of which LOB? Call it <lob>{_SUFFIX}")
        roots, spokes = Settings.one("allowed_roots"), Settings.one("spokes")
        return lob, parse_config(text, lob=lob, catalog=catalog, allowed_roots=roots, spokes=spokes)

    def _own_batch(self, tracker: SqlTracker, lob: str) -> str:
        """The batch that this run has begun with this request, when its task is tried again; else a new one."""
        now = datetime.now(UTC)
        if self._run_id is None:
            return new_id(now)
        of_request = digest(self._run_id, lob, self._request.model_dump_json())
        for batch_id in tracker.open_batches(lob, self._run_id):
            if batch_id[_BATCH_DIGITS:] == of_request[_BATCH_DIGITS:]:
                self._say(f"this run has begun batch {batch_id} already: going on with it")
                return batch_id
        return first_id(now)[:_BATCH_DIGITS] + of_request[_BATCH_DIGITS:]

    def _wait(self, planner: NotebookPlanner, looked: Looked, catalog: str) -> Looked:
        """Look again until no other load holds a file that is wanted; newer versions of those are loaded too."""
        first, held = looked, dict(looked.held)
        deadline, tell_at = time.monotonic() + self._wait_seconds, 0.0
        while looked.held:
            if time.monotonic() > deadline:
                raise still_claimed(looked.held)
            if time.monotonic() > tell_at:
                self._say(f"waiting for {len(looked.held):,} files that are claimed by {some(looked.held)}")
                tell_at = time.monotonic() + TELL_SECONDS
            time.sleep(LOOK_SECONDS)
            if planner.still_held(looked):
                continue
            looked = planner.look(newer_only=True)
            held.update(looked.held)
            if looked.ours:
                self._load(catalog, planner.batch_id)
        return replace(first, held=held)


def _result(
    tracker: SqlTracker, batch_id: str, began: float, looked: Looked, config: ParsedConfig | None = None
) -> BronzeResult:
    mine = _files(tracker, batch_id)
    waited = [
        file
        for other in sorted(set(looked.held.values()))
        for file in _files(tracker, other)
        if looked.held.get((file.category, file.subcategory, file.path)) == other
    ]
    well = all(file.status is FileStatus.SUCCESS for file in waited)
    return BronzeResult(
        batch_id=batch_id,
        state=final_state(Outcome(Counter(file.status for file in mine)), canceled=False, waited_well=well),
        files=tuple(mine),
        waited=tuple(waited),
        config_errors=config.errors if config else (),
        skipped=looked.skipped,
        seconds=round(time.monotonic() - began, 1),
    )


def _files(tracker: SqlTracker, batch_id: str) -> list[FileOutcome]:
    found: list[FileOutcome] = []
    while page := tracker.files(batch_id, None, found[-1].tracker_id if found else "", PAGE):
        found += page
    return found


def _current_catalog(sql: SparkSql) -> str:
    [row] = sql.query("SELECT current_catalog() AS catalog", {})
    return str(row["catalog"])
