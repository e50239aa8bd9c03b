"""Examples of what the routes answer, for the OpenAPI document: a load on its way, its files, and all else. Pure."""

from datetime import UTC, datetime, timedelta

from hub_core.answers import (
    Dependency,
    DryRun,
    DueFile,
    FeedList,
    FeedProblem,
    FeedReport,
    FieldProblem,
    FilePage,
    Health,
    LoadedFile,
    LoadPage,
    ProblemDetails,
    Ready,
)
from hub_core.load import FileCounts, Load, Problem
from hub_core.model import FileStatus, LoadState, Outcome, Run, RunState, Trigger, iso
from hub_core.request import MAX_BODY_BYTES, LoadRequest

_ASKED = datetime(2026, 1, 31, 6, 0, tzinfo=UTC)
_SUBMITTED = _ASKED + timedelta(seconds=6)
_ENDED = _ASKED + timedelta(minutes=2)
_RETRIED = _ASKED + timedelta(minutes=90)
_RUN_PAGE = "https://adb-1234567890123456.7.azuredatabricks.net/jobs/4711/runs/8675309"
_FOLDER = "abfss://raw@acct.dfs.core.windows.net/falcon/txn/credit/"
_TABLE = "main.falcon_bronze.credit_transactions_raw"

ACCEPTED = Load(
    id="e63ed5cf8ff4c3b5a0d12e97f6c08b41",
    lob="falcon",
    trigger=Trigger.REQUEST,
    request=LoadRequest(lob="falcon", begin_date="2026-01-01"),
    created_at=_ASKED,
    updated_at=_ASKED,
)
RUNNING = ACCEPTED.ran(
    _SUBMITTED,
    Run("8675309", RunState.RUNNING, _RUN_PAGE),
    state=LoadState.RUNNING,
    submissions=1,
    submitted_at=_SUBMITTED,
    files=FileCounts(total=2, claimed=2),
)
CANCELING = RUNNING.moved(_SUBMITTED + timedelta(seconds=20), state=LoadState.CANCELING)
ENDED = RUNNING.ran(_ENDED, Run("8675309", RunState.SUCCESS)).counted(
    _ENDED,
    Outcome({FileStatus.SUCCESS: 1, FileStatus.QUARANTINED: 1}, rows=1_200, rejected=3),
    state=LoadState.PARTIAL,
    error=Problem(
        code="FILES_NOT_LOADED", message="of 2 files 0 FAILED and 1 QUARANTINED; each file has its own reason"
    ),
)
RETRY = Load(
    id="e63ed0a933f7be20c94f5d3816aa07ce",
    lob="falcon",
    trigger=Trigger.RETRY,
    request=ENDED.request,
    retry_of=ENDED.id,
    created_at=_RETRIED,
    updated_at=_RETRIED,
)
LOADS = LoadPage(value=[RETRY, ENDED], nextLink=f"https://hub.example/api/loads?limit=2&continuation={ENDED.id}")

_LOADED = LoadedFile(
    tracker_id="1f0a6c52e1ab4d7f8f6f3a9be0c5d214",
    category="transactions",
    subcategory="credit",
    file_name="transactions_20260130.csv",
    path=f"{_FOLDER}transactions_20260130.csv",
    dest_table=_TABLE,
    status=FileStatus.SUCCESS,
    size=81_920,
    modified=iso(_ASKED - timedelta(hours=1)),
    attempt=1,
    row_count=1_200,
    rejected_count=0,
    error_code=None,
    error_message=None,
    updated_at=iso(_ENDED),
)
_QUARANTINED = {
    "tracker_id": "5b7d3e90c2f84a16b1e07d6a4c98f35e",
    "file_name": "transactions_20260131.csv",
    "path": f"{_FOLDER}transactions_20260131.csv",
    "status": FileStatus.QUARANTINED,
    "row_count": 0,
    "rejected_count": 3,
    "error_code": "TOO_MANY_REJECTS",
    "error_message": "3 of 40 records (7.50 %) were refused; the feed allows 0 %. "
    "First: the record does not have 5 fields: 1,2",
}
FILES = FilePage(value=[_LOADED, _LOADED.model_copy(update=_QUARANTINED)], nextLink=None)

PLAN = DryRun(
    dry_run=True,
    lob="falcon",
    counts={"due": 1, "loaded": 29},
    files=[
        DueFile(
            path=f"{_FOLDER}transactions_20260131.csv",
            size=4_096,
            modified=iso(_ASKED - timedelta(hours=1)),
            category="transactions",
            subcategory="credit",
            dest_table=_TABLE,
            attempt=1,
        )
    ],
    waits_on=[],
    config_errors=[],
)
FEEDS = FeedList(
    as_of=iso(_ASKED),
    value=[
        FeedReport(
            lob="falcon",
            category="transactions",
            subcategory="credit",
            file_pattern="transactions_*.csv",
            source_path=_FOLDER,
            file_format="delimited",
            dest_table=_TABLE,
            is_active=True,
            files=30,
            due=1,
            missed=0,
            oldest_due_at=iso(_ASKED - timedelta(hours=1)),
            lag_seconds=3_600,
            newest_file="transactions_20260131.csv",
            newest_file_at=iso(_ASKED - timedelta(hours=1)),
            last_load="e640bd4a53f09be7c1d25a8f3b6e4c70",
            last_load_at=iso(_ASKED - timedelta(days=1)),
        )
    ],
    config_errors=[
        FeedProblem(
            lob="falcon",
            line=3,
            column="file_format",
            value="xml",
            message="unknown file_format",
            remedy="use one of delimited, parquet",
        )
    ],
)

_WELL = Dependency(name="loads table", ok=True, milliseconds=12.4, error=None)
READY = Ready(dependencies=[_WELL, Dependency(name="warehouse", ok=True, milliseconds=310.9, error=None)])
_SAID = "WAREHOUSE_UNAVAILABLE: the SQL warehouse cannot be reached (no answer)"
NOT_READY = Ready(dependencies=[_WELL, Dependency(name="warehouse", ok=False, milliseconds=10_004.2, error=_SAID)])
HEALTHY = Health(status="ok")


def _problem(
    status: int,
    code: str,
    detail: str,
    title: str = "The request was refused",
    errors: list[FieldProblem] | None = None,
) -> ProblemDetails:
    kind = f"urn:deltalake-hub:error:{code}"
    return ProblemDetails(type=kind, title=title, status=status, detail=detail, code=code, errors=errors)


def _bad(field: str, message: str, remedy: str, status: int = 400, code: str = "BAD_REQUEST") -> ProblemDetails:
    errors = [FieldProblem(field=field, message=message, remedy=remedy)]
    return _problem(status, code, f"{field}: {message}", errors=errors)


BAD_BODY = _bad("begin_date", "is no day of the calendar", "write YYYY-MM-DD, e.g. 2026-01-31, not after end_date")
_UNFORESEEN = "an error that nobody foresaw; look for 3f9a1c0b7d52 in the log"
_AWAY = "A dependency cannot be reached at the moment"
PROBLEMS = {
    "400": _bad("verbose", "is no parameter of this route", "this route takes none"),
    "404": _problem(404, "NO_SUCH_LOAD", f"there is no load '{ACCEPTED.id}'"),
    "409": _problem(409, "NOT_FINAL", "the load is RUNNING; retry it when it has ended"),
    "413": _problem(413, "BODY_TOO_LARGE", f"a request has at most {MAX_BODY_BYTES} bytes"),
    "422": _bad("Idempotency-Key", "was used for another body", "use a new key for a new request", 422, "KEY_REUSED"),
    "500": _problem(500, "UNFORESEEN", _UNFORESEEN, "The hub is not set up right"),
    "503": _problem(503, "STORAGE_UNAVAILABLE", "reading a load: ServerBusy", _AWAY),
}
"""By status."""
