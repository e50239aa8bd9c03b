"""A load's record: what `GET loads/{id}` shows, and how it moves."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from hub_core.feeds import ConfigError, ParsedConfig
from hub_core.model import FileStatus, LoadState, Outcome, Run, RunState, Trigger, iso
from hub_core.request import LoadRequest

# A record is one property of an entity: at most 32K characters, as UTF-16 counts them.
MAX_CONFIG_ERRORS = 50
MAX_CONFIG_UNITS = 16_000
MAX_WAITED_UNITS = 6_000
_LAST_MILLISECOND = 0xFFF_FFFF_FFFF
_TIME_DIGITS = 11
_ID_DIGITS = 32
_AS_TIME = WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization")
Moment = Annotated[datetime, PlainSerializer(iso, when_used="json"), _AS_TIME]


def new_id(now: datetime) -> str:
    """An id for a load made at `now`: 32 hex digits, which sort newest first; 84 bits of them are random."""
    return first_id(now)[:_TIME_DIGITS] + secrets.token_hex(_ID_DIGITS)[: _ID_DIGITS - _TIME_DIGITS]


def first_id(moment: datetime) -> str:
    """Where ids of loads made at `moment` or before begin; before 1970 there were none."""
    millisecond = max(0, int(moment.timestamp() * 1000))
    return f"{_LAST_MILLISECOND - millisecond:0{_TIME_DIGITS}x}".ljust(_ID_DIGITS, "0")


def made_at(load_id: str) -> datetime | None:
    """When the load of that id was made, to the millisecond; None for an id that `new_id` has not made."""
    try:
        return datetime.fromtimestamp((_LAST_MILLISECOND - int(load_id[:_TIME_DIGITS], 16)) / 1000, UTC)
    except ValueError:
        return None


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Problem(_Document):
    """Why a load is what it is: a stable code and a sentence."""

    code: str
    message: str


class FileCounts(_Document):
    """The load's files by outcome."""

    total: int = 0
    claimed: int = 0
    success: int = 0
    failed: int = 0
    quarantined: int = 0

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """The tracker's counts."""
        return cls(
            total=outcome.total,
            claimed=outcome.count(FileStatus.CLAIMED),
            success=outcome.count(FileStatus.SUCCESS),
            failed=outcome.count(FileStatus.FAILED),
            quarantined=outcome.count(FileStatus.QUARANTINED),
        )


class RowCounts(_Document):
    """Rows in bronze and records in quarantine."""

    loaded: int = 0
    rejected: int = 0


class ConfigProblem(_Document):
    """A `ConfigError`, as JSON."""

    line: int
    column: str
    value: str
    message: str
    remedy: str

    @classmethod
    def of(cls, error: ConfigError) -> Self:
        """`error`, cut to what fits a record."""
        return cls(
            line=error.line,
            column=error.column[:128],
            value=error.value[:256],
            message=error.message[:512],
            remedy=error.remedy[:512],
        )


def config_problems(config: ParsedConfig) -> tuple[ConfigProblem, ...]:
    """The CSV's first errors, as many as fit a record; where there are more, the last one says how many."""
    first = [ConfigProblem.of(error) for error in config.errors[:MAX_CONFIG_ERRORS]]
    shown = first[: _fitting([problem.model_dump_json() for problem in first], MAX_CONFIG_UNITS)]
    more = config.errors[len(shown) :]
    if more:
        said, remedy = f"{len(more):,} more errors, from this line on", "hubctl config check FILE shows all of them"
        shown.append(ConfigProblem(line=more[0].line, column="", value="", message=said, remedy=remedy))
    return tuple(shown)


def waited_for(batch_ids: Iterable[str]) -> tuple[str, ...]:
    """The first of the batches that a load waits for, each once, as many as fit a record.

    Once these are done the load looks again at what it wanted, and so finds the others.
    """
    ids = list(dict.fromkeys(batch_ids))
    return tuple(ids[: _fitting(ids, MAX_WAITED_UNITS)])


def _fitting(texts: Sequence[str], units: int) -> int:
    """How many of `texts`, from the first, take at most `units` of UTF-16 in a list in JSON."""
    sizes = accumulate(len(text.encode("utf-16-le")) // 2 + len('"",') for text in texts)
    return sum(size <= units for size in sizes)


class Load(_Document):
    """One request and what became of it; `id` is the tracker's batch_id."""

    id: str
    state: LoadState = LoadState.ACCEPTED
    lob: str
    trigger: Trigger
    request: LoadRequest
    retry_of: str | None = None
    run_id: str | None = None
    run_page_url: str | None = None
    run_state: RunState | None = None
    submissions: int = 0
    files: FileCounts = FileCounts()
    rows: RowCounts = RowCounts()
    waits_on: tuple[str, ...] = ()
    config_errors: tuple[ConfigProblem, ...] = ()
    error: Problem | None = None
    created_at: Moment
    updated_at: Moment
    submitted_at: Moment | None = None
    finished_at: Moment | None = None
    overdue_at: Moment | None = None
    """When the load was found to take longer than HUB_OVERDUE_HOURS."""

    trace: str | None = Field(None, exclude=True)
    """The W3C traceparent of the request, so that planning and the run belong to its trace."""
    body_hash: str | None = Field(None, exclude=True)
    """Of the request under its Idempotency-Key; None without one."""
    claims_open: bool = Field(False, exclude=True)
    """The load is final, but claims of its batch may still have to be released."""

    settled: bool = Field(False, exclude=True)
    """The load is done with its own files, and at most waits for other loads."""

    put_back_until: float = Field(0.0, exclude=True)
    """When the message comes back that a passing fault has put back, in seconds since the epoch."""

    alert_due: bool = Field(False, exclude=True)
    """The load did not bring all of its files, or is overdue, and nobody has been told yet."""

    @property
    def went_well(self) -> bool:
        """Whether every file of the load is in bronze; asked once it is settled or final."""
        if self.state.is_final:
            return self.state in (LoadState.SUCCESS, LoadState.EMPTY)
        return self.files.success == self.files.total

    @property
    def has_let_go(self) -> bool:
        """Whether the load is final, and none of its claims keeps a file from others."""
        return self.state.is_final and not self.claims_open

    @property
    def is_unfinished(self) -> bool:
        """Whether steps are left: until its final state, and until the claims it leaves behind are released."""
        return not self.state.is_final or self.claims_open

    @property
    def is_open(self) -> bool:
        """Whether `reconcile` still has to look at it."""
        return self.is_unfinished or self.alert_due

    def moved(self, now: datetime, **changes: object) -> "Load":
        """The record with `changes`, made at `now`; a final state is stamped, and a bad one asks for an alert."""
        state = changes.get("state", self.state)
        if isinstance(state, LoadState) and state.is_final and self.finished_at is None:
            changes.setdefault("finished_at", now)
            changes.setdefault("alert_due", state in (LoadState.FAILED, LoadState.PARTIAL))
        return self.model_copy(update={**changes, "updated_at": now})

    def counted(self, now: datetime, outcome: Outcome, **changes: object) -> "Load":
        """The record with the tracker's counts."""
        return self.moved(
            now,
            files=FileCounts.of(outcome),
            rows=RowCounts(loaded=outcome.rows, rejected=outcome.rejected),
            **changes,
        )

    def ran(self, now: datetime, run: Run, **changes: object) -> "Load":
        """The record with what the Jobs API says of its run."""
        return self.moved(
            now, run_id=run.run_id, run_state=run.state, run_page_url=run.page_url or self.run_page_url, **changes
        )


def final_state(outcome: Outcome, *, canceled: bool, waited_well: bool) -> LoadState:
    """What a load whose run is over and whose claims are settled has become.

    `waited_well`: every load it waited for ended in SUCCESS or EMPTY. A scheduler starts silver on SUCCESS and EMPTY,
    so neither may hide a file that another load failed to bring.
    """
    good = outcome.count(FileStatus.SUCCESS)
    if canceled:
        complete = outcome.total > 0 and good == outcome.total and waited_well
        return LoadState.SUCCESS if complete else LoadState.CANCELED
    if outcome.total == 0:
        return LoadState.EMPTY if waited_well else LoadState.FAILED
    if good == outcome.total:
        return LoadState.SUCCESS if waited_well else LoadState.PARTIAL
    return LoadState.PARTIAL if good else LoadState.FAILED
