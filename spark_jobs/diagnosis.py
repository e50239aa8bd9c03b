"""Why a group could not be brought in one go, and which of its files can: a few reads, never one a good file."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 — Spark's own habit

from hub_core.codes import FileError
from hub_core.errors import Rejected
from hub_core.model import FileFormat, FileStatus
from hub_core.paths import parents
from hub_core.quality import UniqueRule
from spark_jobs.checks import broken_rule, columns_of, file_rules_of, rules_of
from spark_jobs.claims import Diagnosis, Group, OpenClaim, Piece, Problem, Rejects
from spark_jobs.destination import Destination, Refused, decide
from spark_jobs.failures import broken_path, condition, first_line, is_passing, main_condition, root_cause, spellings
from spark_jobs.headers import first_record, header_problem, positional
from spark_jobs.judging import broken_file_rule, too_many, validated
from spark_jobs.reading import (
    column,
    delimited_lines,
    first_lines,
    has_lines,
    listed,
    multiline,
    parquet_rows,
    raw_starts,
    read_through,
    records,
    whole_files,
    with_claims,
)
from spark_jobs.spark_paths import spelled
from spark_jobs.spark_sql import SparkSql
from spark_jobs.types import ddl

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

type Bad = list[tuple[OpenClaim, Problem]]

SMALL_FILE = 8 * 1024 * 1024
"""Headers of files up to this size are read together, each larger file's on its own."""
BZIP2 = b"BZh"
HEADER_BYTES = 64 * 1024
HEADER_LINES = 20


class Diagnostician:
    """Reads a group's files for what is wrong with them."""

    def __init__(self, spark: "SparkSession") -> None:
        self._spark = spark

    def diagnose(self, group: Group, error: Exception) -> Diagnosis:
        """What to do with the group's files after `error`; passing errors are raised again."""
        if is_passing(error):
            raise error
        bad = self.not_as_claimed(group.claims)
        claims = _without(group.claims, bad)
        if group.feed.file_format is FileFormat.PARQUET:
            pieces = self._by_schema(claims, bad)
        elif group.columns is None:
            pieces = self._by_header(claims, bad)
        else:
            pieces = [Piece(claims, group.columns)] if claims else []
        news = bool(bad) or len(pieces) != 1 or (group.columns is None and pieces[0].columns == ())
        if news or (group.columns is None and isinstance(error, Refused) and group.splits == 0):
            return Diagnosis(tuple(pieces), tuple(bad))
        return self._by_content(group, pieces[0], error)

    def not_as_claimed(self, claims: Sequence[OpenClaim]) -> Bad:
        """The files that are gone, or another version, or not compressed as their names say."""
        bad = self.other_versions(claims)
        return [*bad, *self.misnamed(_without(claims, bad))]

    def other_versions(self, claims: Sequence[OpenClaim]) -> Bad:
        """The files that are gone, or are not the version that was claimed."""
        # Spark lists no file of zero bytes: those that were claimed as such bring no row, there or not.
        claims = [claim for claim in claims if claim.size > 0]
        paths = [claim.path for claim in claims]
        found = self._found(paths, parents(paths)) if paths else {}
        bad: Bad = []
        for claim in claims:
            now = found.get(spelled(claim.path))
            if now is None:
                bad.append(
                    (claim, Problem(FileError.FILE_GONE, "the file was deleted, or emptied, after it was claimed"))
                )
            elif now != (claim.size, claim.modified):
                message = f"the file was overwritten after it was claimed: {claim.size:,} bytes then, {now[0]:,} now"
                bad.append((claim, Problem(FileError.FILE_CHANGED, message)))
        return bad

    def _found(self, paths: Sequence[str], folders: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Size and second of those of `paths` that are there, by spelled path: by one listing where all folders are."""
        try:
            rows = listed(self._spark, paths, folders).collect()
        except Exception as error:
            if main_condition(error) != "PATH_NOT_FOUND":
                raise
            if len(folders) == 1:
                return {}
            middle = len(folders) // 2
            return self._found(paths, folders[:middle]) | self._found(paths, folders[middle:])
        return {row["path"]: (row["size"], row["modified"]) for row in rows}

    def unread(self, claims: Sequence[OpenClaim]) -> list[OpenClaim]:
        """Of files that brought no row, those that hold a record beside their header."""
        claims = [claim for claim in claims if claim.size > 0]
        if not claims:
            return []
        feed = claims[0].feed
        lines = records if multiline(feed) else delimited_lines
        rows = (parquet_rows if feed.file_format is FileFormat.PARQUET else lines)(self._spark, claims)
        placed = with_claims(self._spark, rows, claims).select("_hub_tracker_id").distinct()
        found = {row["_hub_tracker_id"] for row in placed.collect()}
        return [claim for claim in claims if claim.tracker_id in found]

    def misnamed(self, claims: Sequence[OpenClaim]) -> Bad:
        """The files named `.bz2` that are none: Spark reads them as empty."""
        named = [claim for claim in claims if claim.path.lower().endswith(".bz2") and claim.size > 0]
        small = [claim for claim in named if claim.size <= SMALL_FILE]
        # Of a large one it is cheaper to see whether Spark finds anything in it.
        packed = {spelled(claim.path) for claim in named if claim not in small and has_lines(self._spark, claim)}
        if small:
            rows = raw_starts(self._spark, small, len(BZIP2)).collect()
            packed |= {row["path"] for row in rows if bytes(row["start"]) == BZIP2}
        problem = Problem(FileError.UNREADABLE_FILE, "the file's name ends in .bz2, but it is not compressed so")
        return [(claim, problem) for claim in named if spelled(claim.path) not in packed]

    def first_columns(self, claim: OpenClaim) -> tuple[str, ...] | None:
        """The columns of one delimited file; None if it has no record."""
        for lines in (HEADER_LINES, 50 * HEADER_LINES):
            try:
                start = first_lines(self._spark, claim, lines)
                fields = first_record(start, claim.feed, complete=len(start) >= claim.size - 1 or lines > HEADER_LINES)
            except ValueError:
                continue
            return fields if fields is None or claim.feed.has_header else positional(len(fields))
        return None

    def _by_header(self, claims: tuple[OpenClaim, ...], bad: Bad) -> list[Piece]:
        """Files with the same columns in the same order; those without any go with the first."""
        small = [claim for claim in claims if 0 < claim.size <= SMALL_FILE]
        headers: dict[str, tuple[str, ...] | None] = {}

        def read_small(part: Sequence[OpenClaim]) -> None:
            starts = self._starts(part)
            for claim in part:
                start = starts.get(claim.path, b"")
                try:
                    fields = first_record(start, claim.feed, complete=len(start) < HEADER_BYTES)
                except ValueError:
                    headers[claim.tracker_id] = self.first_columns(claim)
                    continue
                named = fields is None or claim.feed.has_header
                headers[claim.tracker_id] = fields if named else positional(len(fields or ()))

        def read_large(part: Sequence[OpenClaim]) -> None:
            headers.update({claim.tracker_id: self.first_columns(claim) for claim in part})

        self._peeled(small, read_small, bad)
        for claim in claims:
            if claim.size > SMALL_FILE:
                self._peeled([claim], read_large, bad)
        alike: dict[tuple[str, ...] | None, list[OpenClaim]] = {}
        for claim in _without(claims, bad):
            columns = headers.get(claim.tracker_id)
            problem = header_problem(columns) if columns and claim.feed.has_header else None
            if problem:
                bad.append((claim, Problem(FileError.BAD_HEADER, problem, FileStatus.QUARANTINED)))
            else:
                alike.setdefault(columns, []).append(claim)
        empty = alike.pop(None, [])
        pieces = [Piece(tuple(members), columns) for columns, members in alike.items()]
        return [*pieces, *([Piece(tuple(empty), ())] if empty else [])]

    def _starts(self, claims: Sequence[OpenClaim]) -> dict[str, bytes]:
        rows = whole_files(self._spark, claims).select(
            F.col("_metadata.file_path").alias("path"),
            F.substring(F.col("value").cast("binary"), 1, HEADER_BYTES).alias("start"),
        )
        by_spelling = {spelled(claim.path): claim.path for claim in claims}
        return {by_spelling[row["path"]]: bytes(row["start"]) for row in rows.collect() if row["path"] in by_spelling}

    def _by_schema(self, claims: tuple[OpenClaim, ...], bad: Bad) -> list[Piece]:
        """Parquet files whose schemas merge; a file that merges with none is a piece of its own."""
        classes: list[tuple[dict[str, str], list[OpenClaim]]] = []

        def collect(part: Sequence[OpenClaim]) -> None:
            schema = {field.name: field.dataType.simpleString() for field in parquet_rows(self._spark, part).schema}
            problem = header_problem(list(schema))
            if problem and len(part) > 1:
                raise Refused(Problem(FileError.BAD_HEADER, problem, FileStatus.QUARANTINED))
            if problem:
                bad.append((part[0], Problem(FileError.BAD_HEADER, problem, FileStatus.QUARANTINED)))
            else:
                by_name = {name.lower(): kind for name, kind in schema.items()}
                for known, members in classes:
                    if all(known.get(name, kind) == kind for name, kind in by_name.items()):
                        known.update(by_name)
                        members.extend(part)
                        return
                classes.append((by_name, list(part)))

        self._peeled([claim for claim in claims if claim.size > 0], collect, bad, unreadable=_unreadable_parquet)
        bad += [
            (claim, Problem(FileError.UNREADABLE_FILE, "the file has no bytes, so it is no parquet file"))
            for claim in claims
            if claim.size == 0
        ]
        classes.sort(key=lambda one: -len(one[1]))
        return [Piece(tuple(members), None) for _, members in classes]

    def _by_content(self, group: Group, piece: Piece, error: Exception) -> Diagnosis:
        """The files' columns are known to be alike and present: the destination, a rule or a record is at fault."""
        if isinstance(error, Refused):
            return self._by_fit(group, piece, error)
        if group.rejects is not None:
            return self._by_reading(group, piece, error)
        return self.validate(group, piece)

    def _by_fit(self, group: Group, piece: Piece, error: Refused) -> Diagnosis:
        """Which of the files the table does not take: delimited ones are alike, parquet ones may differ."""
        everyone = Diagnosis((), tuple((claim, error.problem) for claim in piece.claims))
        table = Destination(self._spark, SparkSql(self._spark), group.dest_table).columns()
        if group.feed.file_format is not FileFormat.PARQUET or len(piece.claims) == 1 or table is None:
            return everyone

        def fit(part: Sequence[OpenClaim]) -> None:
            schema = {field.name: ddl(field.dataType) for field in parquet_rows(self._spark, part).schema}
            decide(schema, table, group.feed.schema_drift)

        bad: Bad = []
        self._peeled(piece.claims, fit, bad, unreadable=_unreadable_parquet)
        good = _without(piece.claims, bad)
        return Diagnosis((Piece(good, None),) if good else (), tuple(bad)) if bad else everyone

    def _by_reading(self, group: Group, piece: Piece, error: Exception) -> Diagnosis:
        """Validating reads no more than it needs: which file has a part that can't be read shows only now."""
        bad: Bad = []
        self._peeled(piece.claims, lambda part: read_through(self._spark, part), bad, unreadable=_unreadable)
        if not bad:
            return Diagnosis((), tuple((claim, _load_error(error)) for claim in piece.claims))
        good = _without(piece.claims, bad)
        known = group.rejects or {}
        rejects = {claim.tracker_id: known[claim.tracker_id] for claim in good if claim.tracker_id in known}
        return Diagnosis((Piece(good, group.columns, rejects),) if good else (), tuple(bad))

    def validate(self, group: Group, piece: Piece) -> Diagnosis:
        """Which files have more bad records than the feed allows, and what the others have."""
        problem = self._rule_problem(piece)
        if problem is not None:
            return Diagnosis((), tuple((claim, problem) for claim in piece.claims))
        bad = self.without_ruled_columns(piece.claims)
        piece = replace(piece, claims=_without(piece.claims, bad))
        if not piece.claims:
            return Diagnosis((), tuple(bad))
        rejects: dict[str, Rejects] = {}
        columns = self._known_columns(piece)

        def count(part: Sequence[OpenClaim]) -> None:
            rejects.update(validated(self._spark, part, columns))

        code = FileError.RULE_ERROR if group.feed.quality_rules else FileError.LOAD_ERROR
        if columns:  # else there is nothing in these files to be counted
            self._peeled(piece.claims, count, bad, otherwise=code)
        over: Bad = []
        for claim in _without(piece.claims, bad):
            found = rejects.get(claim.tracker_id, Rejects(0, 0))
            refusal = too_many(found, claim.feed) or broken_file_rule(found, claim.feed)
            if refusal:
                over.append((claim, refusal))
        quarantined = Piece(tuple(claim for claim, _ in over), columns, rejects) if over else None
        good = _without(piece.claims, [*bad, *over])
        kept = {claim.tracker_id: rejects[claim.tracker_id] for claim in good if claim.tracker_id in rejects}
        pieces = (Piece(good, columns, kept),) if good else ()
        return Diagnosis(pieces, (*bad, *over), quarantined)

    def without_ruled_columns(self, claims: Sequence[OpenClaim]) -> Bad:
        """Of parquet files read together, those that lack a column which a rule names: it reads as NULL there."""
        feed = claims[0].feed
        if feed.file_format is not FileFormat.PARQUET or not feed.quality_rules or len(claims) == 1:
            return []
        rows = with_claims(self._spark, parquet_rows(self._spark, claims), claims)
        values = [F.count(F.col(name)) for name in columns_of(feed)]
        counted = rows.groupBy("_hub_tracker_id").agg(F.count("*"), *values).collect() if values else []
        empty = {row[0] for row in counted if min(row[1:]) == 0}
        bad: Bad = []
        for claim in claims:
            problem = self._rule_problem(Piece((claim,), None)) if claim.tracker_id in empty else None
            if problem:
                bad.append((claim, problem))
        return bad

    def _known_columns(self, piece: Piece) -> tuple[str, ...]:
        if piece.columns is not None:
            return piece.columns
        return tuple(parquet_rows(self._spark, piece.claims).schema.names)

    def _rule_problem(self, piece: Piece) -> Problem | None:
        """What keeps the feed's rules from being evaluated on these columns; nothing is read."""
        feed = piece.claims[0].feed
        try:
            rules = rules_of(feed)
            keys = [name for rule in file_rules_of(feed) if isinstance(rule, UniqueRule) for name in rule.columns]
            if piece.columns == () or not (rules or keys):
                return None
            if piece.columns is None:
                frame = parquet_rows(self._spark, piece.claims)
            else:
                empty = self._spark.range(0)
                frame = empty.select(*[F.lit(None).cast("string").alias(name) for name in piece.columns])
            named = [column(name) for name in [*frame.columns[:1], *keys]]
            frame.select(broken_rule(rules).alias("rule"), *named).schema  # noqa: B018
        except Rejected as error:
            return Problem(FileError.RULE_ERROR, error.message)
        except Exception as error:
            if is_passing(error):
                raise
            return Problem(FileError.RULE_ERROR, f"the quality rules can't be evaluated: {first_line(error)}")
        return None

    def _peeled(
        self,
        claims: Sequence[OpenClaim],
        read: Callable[[Sequence[OpenClaim]], None],
        bad: Bad,
        *,
        otherwise: FileError = FileError.LOAD_ERROR,
        unreadable: Callable[[Exception], Problem | None] = lambda _: None,
    ) -> None:
        """Run `read` on the claims: a file that the engine names as broken is taken out, else they are halved."""
        waiting: list[Sequence[OpenClaim]] = [claims] if claims else []
        while waiting:
            part = waiting.pop()
            try:
                read(part)
            except Exception as error:
                if is_passing(error):
                    raise
                named = broken_path(error)
                broken = _named(part, named) if named else []
                if broken:
                    bad.append((broken[0], _unreadable(error)))
                    rest = [claim for claim in part if claim is not broken[0]]
                    waiting += [rest] if rest else []
                elif len(part) == 1:
                    bad.append((part[0], unreadable(error) or Problem(otherwise, first_line(error))))
                else:
                    waiting += [part[len(part) // 2 :], part[: len(part) // 2]]


def _without(claims: Sequence[OpenClaim], bad: Bad) -> tuple[OpenClaim, ...]:
    out = {claim.tracker_id for claim, _ in bad}
    return tuple(claim for claim in claims if claim.tracker_id not in out)


def _named(claims: Sequence[OpenClaim], named: str) -> list[OpenClaim]:
    """The claims that an error may mean: by Spark's own spelling, and only where that is nobody's by another."""
    exactly = [claim for claim in claims if spelled(claim.path) == named]
    return exactly or [claim for claim in claims if claim.path in spellings(named)]


def _unreadable(error: Exception) -> Problem:
    # Without a condition it is the scheduler's report of a failed task, which says nothing of the file.
    why = first_line(error) if condition(error) else "it is broken, or not of the feed's file_format"
    cause = root_cause(error)
    return Problem(FileError.UNREADABLE_FILE, f"the file can't be read: {why}{f' ({cause})' if cause else ''}")


def _unreadable_parquet(error: Exception) -> Problem | None:
    if isinstance(error, Refused):
        return error.problem
    kind = main_condition(error)
    if (
        kind == "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION"
        or "PARQUET_TYPE" in kind
        or (kind.startswith("UNSUPPORTED_") and "TYPE" in kind)
    ):
        return Problem(FileError.UNSUPPORTED_TYPE, first_line(error))
    if kind == "COLUMN_ALREADY_EXISTS":
        return Problem(FileError.BAD_HEADER, first_line(error), FileStatus.QUARANTINED)
    return _unreadable(error)


def _load_error(error: Exception) -> Problem:
    return Problem(FileError.LOAD_ERROR, first_line(error))
