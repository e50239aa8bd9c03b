"""Bronze tables: made, widened and written, each group in one commit."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub_core.codes import FileError
from hub_core.conflicts import again_on_conflict
from hub_core.identifiers import quote, quote_column, quote_table
from hub_core.model import SchemaDrift
from hub_core.sql import Sql
from spark_jobs.claims import Problem
from spark_jobs.failures import (
    first_line,
    is_being_made,
    is_missing_column,
    is_missing_schema,
    is_missing_table,
    is_passing,
    main_condition,
)
from spark_jobs.spark_sql import literal, retrying
from spark_jobs.statements import ROWS_OF_BATCH
from spark_jobs.types import ddl, kept, lacking, merges, unsupported, wider

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

HUB_TYPES = {
    "_source_file": "string",
    "_file_modified": "timestamp",
    "_tracker_id": "string",
    "_batch_id": "string",
    "_ingested_at": "timestamp",
}

STATISTICS = 24
UNORDERED = frozenset({"string", "binary", "boolean", "variant"})
OWN_STATISTICS = ("_tracker_id", "_batch_id", "_file_modified", "_ingested_at")
"""Delta keeps min/max of so many of the file's columns, and of these: counting a batch's rows would else read the whole
table, and readers ask for what is new. Not of text: that costs a third of the time that writing takes, and skips
little, since numbers and dates don't sort as text."""

_SIMPLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

MAKING_SECONDS = 20.0
"""How long another run may take to make a table."""

MADE_BY_LOADER = "deltalakeHub.madeByLoader"
PROPERTIES = {"delta.columnMapping.mode": "name", "delta.enableTypeWidening": "true", MADE_BY_LOADER: "true"}
"""Names with spaces, dots and brackets; types that widen in place; whose table it is until it has rows."""


class Refused(Exception):
    """The destination, or the feed's rules for it, does not take these files; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Fit:
    """How a group's columns go into the table."""

    targets: Mapping[str, tuple[str, str]]
    """File column → table column and type; columns, and fields within them, that are left out are absent."""
    ignored: tuple[str, ...] = ()
    widened: tuple[tuple[str, str], ...] = ()
    added: bool = False


class Destination:
    """One bronze table."""

    def __init__(self, spark: "SparkSession", sql: Sql, table: str) -> None:
        self._spark = spark
        self._sql = sql
        self.table = table
        self.quoted = quote_table(table)

    def columns(self) -> dict[str, str] | None:
        """The table's columns and types; None where the table does not exist."""
        try:
            fields = self._spark.table(self.quoted).schema.fields
        except Exception as error:
            if is_missing_table(error):
                return None
            raise
        return {field.name: ddl(field.dataType) for field in fields}

    def fit(self, columns: Mapping[str, str], drift: SchemaDrift) -> Fit:
        """How `columns` (name → type) go in; the table is made or widened for them. Raises Refused."""
        # A column without any value has no type yet, so there is nothing of it to load.
        columns = {name: kind for name, kind in columns.items() if kind != "void"}
        strange = [f"{name} ({kind})" for name, kind in columns.items() if unsupported(kind)]
        if strange:
            raise Refused(Problem(FileError.UNSUPPORTED_TYPE, f"Delta has no column type for {', '.join(strange)}"))
        existing = self.columns()
        if existing is None:
            self._create(columns)
            # Another load may have made it at the same time, with columns of its own.
            existing = self.columns() or {}
        plan = self._decide(columns, existing, drift)
        after = [*(kind for _, kind in plan.widened), *(kind for _, kind in plan.targets.values())]
        if _has_ntz(after) and not _has_ntz(existing.values()):
            # Unlike most features, Delta wants this one asked for by name once the table is there.
            feature = "'delta.feature.timestampNtz' = 'supported'"
            self._sql.execute(f"ALTER TABLE {self.quoted} SET TBLPROPERTIES ({feature})", {})
        for name, kind in plan.widened:
            self._widen(name, existing[name], kind)
        return plan

    def append(
        self, rows: "DataFrame", commit_id: str, *, replaced: Sequence[str] = (), own: Sequence[str] = ()
    ) -> None:
        """Bring `rows` in one commit, at most once per `commit_id`; rows of the deliveries `replaced` go in it."""
        writer = (
            rows.write.format("delta")
            .option("mergeSchema", "true")
            .option("txnAppId", commit_id)
            .option("txnVersion", 1)
        )
        if replaced:
            ids = ", ".join(f"'{one}'" for one in sorted({*replaced, *own}))
            # The new rows satisfy the predicate too, so that Delta takes them without a session setting.
            writer = writer.option("replaceWhere", f"_tracker_id IN ({ids})")
        mode = "overwrite" if replaced else "append"
        retrying(lambda: writer.mode(mode).saveAsTable(self.quoted))

    def close(self, commit_id: str) -> None:
        """Make sure that `commit_id` never brings a row from now on: an empty append takes its transaction."""
        if self.columns() is not None:
            self.append(self._spark.table(self.quoted).limit(0), commit_id)

    def rows_of(self, batch_id: str) -> dict[str, int]:
        """The batch's rows in the table, counted, by tracker_id."""
        try:
            found = self._sql.query(ROWS_OF_BATCH.replace("{dest}", self.quoted), {"batch_id": batch_id})
        except Exception as error:
            # A table that somebody else has made has the hub's columns from the first append on.
            if is_missing_table(error) or is_missing_column(error):
                return {}
            raise
        return {str(row["tracker_id"]): int(str(row["row_count"])) for row in found}

    def _decide(self, columns: Mapping[str, str], existing: Mapping[str, str], drift: SchemaDrift) -> Fit:
        """As `decide`; but the columns of a table without rows are those of a file that never came, and bind nobody."""
        try:
            plan = decide(columns, existing, drift)
        except Refused:
            if drift is SchemaDrift.ADD or not self._waits_for_rows():
                raise
        else:
            if not plan.ignored or not self._waits_for_rows():
                return plan
        return decide(columns, existing, SchemaDrift.ADD)

    def _waits_for_rows(self) -> bool:
        """Whether the loader has made the table, and was done with the file that it was for, which brought no row."""
        properties = self._sql.query(f"SHOW TBLPROPERTIES {self.quoted}", {})
        if not any(row["key"] == MADE_BY_LOADER for row in properties):
            return False
        [newest] = self._sql.query(f"DESCRIBE HISTORY {self.quoted} LIMIT 1", {})
        if newest["version"] == 0:
            return False  # it was just made, by another load, which is about to fill it
        return not self._sql.query(f"SELECT 1 AS one FROM {self.quoted} LIMIT 1", {})  # noqa: S608 — a quoted name

    def _create(self, columns: Mapping[str, str]) -> None:
        catalog, schema, _ = self.table.split(".")
        listed = ", ".join(f"{quote_column(name)} {kind}" for name, kind in {**columns, **HUB_TYPES}.items())
        properties = dict(PROPERTIES)
        properties["delta.dataSkippingStatsColumns"] = ",".join([*statistics(columns), *OWN_STATISTICS])
        given = ", ".join(f"{literal(name)} = {literal(value)}" for name, value in properties.items())
        # A column without a type that DDL can spell would have been refused as unsupported before.
        statement = f"CREATE TABLE IF NOT EXISTS {self.quoted} ({listed}) USING DELTA TBLPROPERTIES ({given})"
        try:
            self._make(statement)
        except Exception as error:
            if not is_missing_schema(error):
                raise self._refusal(error, f"GRANT CREATE TABLE, MODIFY ON SCHEMA {quote(catalog, schema)}") from error
        else:
            return
        try:
            self._sql.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(catalog, schema)}", {})
            self._make(statement)
        except Exception as error:
            raise self._refusal(error, f"GRANT CREATE SCHEMA ON CATALOG {quote(catalog)}") from error

    def _make(self, statement: str) -> None:
        # Taken for a refusal, another run's table in the making would have its files divided, and loaded once more.
        again_on_conflict(lambda: self._sql.execute(statement, {}), is_being_made, MAKING_SECONDS)

    def _widen(self, name: str, old: str, new: str) -> None:
        try:
            self._sql.execute(f"ALTER TABLE {self.quoted} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')", {})
            self._sql.execute(f"ALTER TABLE {self.quoted} ALTER COLUMN {quote_column(name)} TYPE {new}", {})
        except Exception as error:
            if is_passing(error):
                raise
            message = f"column {name!r} is {old} in {self.table}, the file needs {new}: {first_line(error)}"
            raise Refused(Problem(FileError.SCHEMA_CONFLICT, message)) from error

    def _refusal(self, error: Exception, grant: str) -> Exception:
        if is_passing(error):
            return error
        message = f"{self.table} can't be created ({main_condition(error) or type(error).__name__}); "
        return Refused(Problem(FileError.DESTINATION, f"{message}{grant} TO the loader: {first_line(error)}"))


def statistics(columns: Mapping[str, str]) -> list[str]:
    """The columns of a file that a new table keeps min/max of. Pure."""
    simple = {name: kind for name, kind in columns.items() if _SIMPLE.fullmatch(name) and "<" not in kind}
    return [name for name, kind in simple.items() if kind not in UNORDERED][:STATISTICS]


def decide(columns: Mapping[str, str], existing: Mapping[str, str], drift: SchemaDrift) -> Fit:
    """How a file's columns meet the table's. Names match up to case, as everywhere in Delta. Raises Refused. Pure."""
    by_name = {name.lower(): name for name in existing}
    extra = [name for name in columns if name.lower() not in by_name]
    for name, kind in columns.items():
        extra += lacking(kind, existing[by_name[name.lower()]], name) if name.lower() in by_name else []
    if extra and drift is SchemaDrift.FAIL:
        message = f"the table lacks {', '.join(extra)}, and the feed's schema_drift is fail"
        raise Refused(Problem(FileError.SCHEMA_DRIFT, message))
    targets: dict[str, tuple[str, str]] = {}
    widened: list[tuple[str, str]] = []
    for name, kind in columns.items():
        target = by_name.get(name.lower())
        if target is None:
            if drift is SchemaDrift.ADD:
                targets[name] = (name, kind)
            continue
        both = _meeting(kind, existing[target])
        if both is None:
            message = f"column {name!r} is {kind} in the file and {existing[target]} in the table"
            raise Refused(Problem(FileError.SCHEMA_CONFLICT, message))
        if both != existing[target]:
            widened.append((target, both))
        if "<" in kind:
            # Delta matches its fields by name and adds those that are new.
            both = kept(kind, existing[target]) if drift is SchemaDrift.IGNORE else kind
        if both is not None:
            targets[name] = (target, both)
    if columns and not targets:
        message = f"the table has none of the file's columns ({', '.join(columns)}), and schema_drift is ignore; "
        message += "is this the feed's file, and are its delimiter and has_header right?"
        raise Refused(Problem(FileError.SCHEMA_DRIFT, message))
    return Fit(
        targets=targets,
        ignored=tuple(extra) if drift is SchemaDrift.IGNORE else (),
        widened=tuple(widened),
        added=bool(extra) and drift is SchemaDrift.ADD,
    )


def _has_ntz(kinds: Iterable[str]) -> bool:
    return any("timestamp_ntz" in kind for kind in kinds)


def _meeting(kind: str, existing: str) -> str | None:
    """The type that a column of the table takes on for a file's; a nested one is for Delta to merge, field by field."""
    if "<" in kind or "<" in existing:
        return existing if merges(kind, existing) else None
    return wider(kind, existing)
