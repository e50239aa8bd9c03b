"""What the routes answer beside a load, as models: for the OpenAPI document, and tests that hold the answers to it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from hub_core.load import ConfigProblem, Load
from hub_core.model import FileStatus

_MOMENT: JsonDict = {"format": "date-time"}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldProblem(_Answer):
    """A field that is wrong, and what to do about it."""

    field: str = Field(examples=["begin_date"])
    message: str = Field(examples=["is no day of the calendar"])
    remedy: str = Field(examples=["write YYYY-MM-DD, e.g. 2026-01-31, not after end_date"])


class ProblemDetails(_Answer):
    """RFC 9457 problem details; `code` is stable."""

    type: str = Field(examples=["urn:deltalake-hub:error:BAD_REQUEST"])
    title: str = Field(examples=["The request was refused"])
    status: int = Field(examples=[400])
    detail: str = Field(examples=["begin_date: is no day of the calendar"])
    code: str = Field(examples=["BAD_REQUEST"])
    errors: list[FieldProblem] | None = None


class LoadedFile(_Answer):
    """A file of a load, as the tracker has it."""

    tracker_id: str
    category: str
    subcategory: str
    file_name: str = Field(examples=["transactions_20260131.csv"])
    path: str
    dest_table: str = Field(examples=["main.falcon_bronze.credit_transactions_raw"])
    status: FileStatus
    size: int
    modified: str = Field(json_schema_extra=_MOMENT)
    attempt: int
    row_count: int | None
    rejected_count: int | None
    error_code: str | None = Field(examples=["TOO_MANY_REJECTS"])
    error_message: str | None
    updated_at: str | None = Field(json_schema_extra=_MOMENT)


class LoadPage(_Answer):
    """Loads, newest first."""

    value: list[Load]
    nextLink: str | None = Field(  # noqa: N815
        description="where to go on, None at the end; follow it as it is, also from a page with few loads or none"
    )


class FilePage(_Answer):
    """A load's files."""

    value: list[LoadedFile]
    nextLink: str | None = Field(description="where to go on, None at the end; follow it as it is")  # noqa: N815


class DueFile(_Answer):
    """A file that a load would claim."""

    path: str
    size: int
    modified: str = Field(json_schema_extra=_MOMENT)
    category: str
    subcategory: str
    dest_table: str = Field(examples=["main.falcon_bronze.credit_transactions_raw"])
    attempt: int


class DryRun(_Answer):
    """What a load of the request would do now."""

    dry_run: Literal[True]
    lob: str = Field(examples=["falcon"])
    counts: dict[str, int] = Field(
        description="`due`, and by reason what would be passed over", examples=[{"due": 2, "loaded": 363}]
    )
    files: list[DueFile] = Field(description="the first of those that are due")
    waits_on: list[str] = Field(description="loads that hold files which are wanted")
    config_errors: list[ConfigProblem]


class FeedReport(_Answer):
    """A feed as its CSV has it now, with what the last sweep found; before that, null."""

    lob: str = Field(examples=["falcon"])
    category: str = Field(examples=["transactions"])
    subcategory: str = Field(examples=["credit"])
    file_pattern: str = Field(examples=["transactions_*.csv"])
    source_path: str
    file_format: str = Field(examples=["delimited"])
    dest_table: str = Field(examples=["main.falcon_bronze.credit_transactions_raw"])
    is_active: bool
    files: int | None
    due: int | None
    missed: int | None = Field(description="of the due files those that no event told of")
    oldest_due_at: str | None = Field(json_schema_extra=_MOMENT)
    lag_seconds: int | None = Field(description="age of the oldest due file")
    newest_file: str | None
    newest_file_at: str | None = Field(json_schema_extra=_MOMENT)
    last_load: str | None = Field(description="the load that claimed for the feed last")
    last_load_at: str | None = Field(json_schema_extra=_MOMENT)


class FeedProblem(ConfigProblem):
    """A bad cell of a LOB's CSV."""

    lob: str


class FeedList(_Answer):
    """All feeds, or those of one LOB."""

    as_of: str | None = Field(json_schema_extra=_MOMENT, description="the last sweep")
    value: list[FeedReport]
    config_errors: list[FeedProblem]


class Dependency(_Answer):
    """A dependency, tried."""

    name: str = Field(examples=["warehouse"])
    ok: bool
    milliseconds: float
    error: str | None


class Ready(_Answer):
    """Every dependency."""

    dependencies: list[Dependency]


class Health(_Answer):
    """This process answers."""

    status: Literal["ok"]
