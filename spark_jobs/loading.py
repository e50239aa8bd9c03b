"""One group of files into its table: tried in one go, and only if that fails taken apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 — Spark's own habit

from hub_core.codes import FileError
from hub_core.model import FileFormat, FileStatus, SchemaDrift
from hub_core.sql import Sql
from spark_jobs.checks import any_of, broken_rule, file_rules_of, rules_of, suspicious
from spark_jobs.claim_changes import Change, ClaimChanges
from spark_jobs.claims import Diagnosis, Group, OpenClaim, Piece, Problem
from spark_jobs.destination import Destination, Fit, Refused
from spark_jobs.diagnosis import Diagnostician
from spark_jobs.failures import first_line, is_passing
from spark_jobs.headers import header_problem
from spark_jobs.judging import judged, with_odd_quotes
from spark_jobs.quarantine import Quarantine
from spark_jobs.reading import (
    CHANGED,
    INGESTED,
    claimed_rows,
    column,
    fields_kept,
    multiline,
    parquet_rows,
    well_formed_rows,
)
from spark_jobs.spark_paths import few_and_large, total_partitions
from spark_jobs.types import ddl

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

MAX_SPLITS = 12
"""A group that could not be brought after so many divisions has a cause that dividing does not find."""


class NeedsValidation(Exception):
    """Rules over files as a whole, or over columns that some lack, or a quote without another: validating decides."""


class NothingToGoBy(Exception):
    """The group can't be tried in one go: the file that would stand for all has no header, or one is gone."""


class ClosedCommit(Exception):
    """The group's commit_id brings no row any more: a run that was killed had closed it, to divide the files."""


@dataclass(frozen=True, slots=True)
class Brought:
    """A group that is in its table."""

    group: Group
    rows: Mapping[str, int]
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Records in quarantine, by tracker_id; files without any may be absent."""
    note: str | None = None


class GroupLoader:
    """Brings the groups of one run, each with its tracker changes."""

    def __init__(
        self, spark: "SparkSession", sql: Sql, changes: ClaimChanges, quarantine: Quarantine, *, batch_id: str,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._spark = spark
        self._sql = sql
        self._changes = changes
        self._quarantine = quarantine
        self._batch_id = batch_id
        self._say = say
        self._diagnostician = Diagnostician(spark)

    def load(self, group: Group) -> list[Group]:
        """Bring the group, or what of it can be brought; raises only where Spark itself was lost.

        Returns the parts that another run of the batch has taken over meanwhile; the tracker knows how.
        """
        waiting, lost = [group], []
        while waiting:
            one = waiting.pop(0)
            try:
                self._finish(self.bring(one))
            except Exception as error:
                if is_passing(error):
                    raise
                self._say(f"{one.dest_table}: {len(one.claims)} files not in one go: {first_line(error)[:200]}")
                parts = self._divided(one, error)
                if parts is None:
                    lost.append(one)
                else:
                    # In their order: what most files have in common makes the table.
                    waiting = parts + waiting
        return lost

    def bring(self, group: Group) -> Brought:
        """Read the group's files and commit their rows, or raise before anything is committed."""
        destination = Destination(self._spark, self._sql, group.dest_table)
        filled = [claim for claim in group.claims if claim.size > 0]
        if group.replaced:
            if self._diagnostician.not_as_claimed(filled):
                # Found only after the commit, a file that is gone would have taken its earlier rows with it.
                raise NothingToGoBy("a file that replaces another is not the one that was claimed, or can't be read")
        elif few_and_large([claim.size for claim in filled]) and self._diagnostician.other_versions(filled):
            # Read one by one, a file is told from another version by its second alone.
            raise NothingToGoBy("a file is not the one that was claimed")
        if group.rejects is None and file_rules_of(group.feed):
            raise NeedsValidation(group.feed.table)
        if not filled or group.columns == ():
            return self._bring_nothing(group, destination)
        if group.feed.file_format is FileFormat.PARQUET:
            rows, fit = self._parquet(group, destination)
        else:
            rows, fit = self._delimited(group, filled, destination)
        if group.rejects:
            # Before the rows: who finds them committed finds all bad records here.
            self._quarantine.write(Piece(group.claims, group.columns), group.rejects)
        destination.append(rows, group.commit_id, replaced=group.replaced, own=group.tracker_ids)
        note = f"not in the table, and schema_drift is ignore: {', '.join(fit.ignored)}" if fit.ignored else None
        if note and group.feed.file_format is FileFormat.PARQUET and len(group.claims) > 1:
            note += f" (of this file, or of one of the {len(group.claims) - 1:,} that were read with it)"
        counted = destination.rows_of(self._batch_id)
        if not any(counted.get(tracker_id) for tracker_id in group.tracker_ids):
            self._require_emptiness(group, filled)
        return Brought(group, counted, self._rejected(group), note)

    def _rejected(self, group: Group) -> dict[str, int]:
        """How many records of each file are in quarantine.

        Without a validating pass there are none, unless the commit is another run's, which had one: an append that is
        repeated reads no file.
        """
        if group.rejects is not None:
            return {tracker_id: found.bad for tracker_id, found in group.rejects.items()}
        return self._quarantine.counts() if group.feed.max_reject_percent > 0 else {}

    def _require_emptiness(self, group: Group, filled: Sequence[OpenClaim]) -> None:
        """Raise ClosedCommit if the commit brought no row of files that have some."""
        refused = {one for one, found in (group.rejects or {}).items() if found.bad == found.records}
        waiting = [claim for claim in filled if claim.tracker_id not in refused]
        changed = {claim.tracker_id for claim, _ in self._diagnostician.other_versions(waiting)}
        if self._diagnostician.unread([claim for claim in waiting if claim.tracker_id not in changed]):
            raise ClosedCommit("an earlier run closed this commit, to divide its files")

    def _bring_nothing(self, group: Group, destination: Destination) -> Brought:
        """Close the commit of files that hold no record; rows that they replace go."""
        if group.feed.file_format is FileFormat.PARQUET:
            raise NothingToGoBy("a parquet file of zero bytes")
        if group.replaced and destination.columns() is not None:
            empty = self._spark.table(destination.quoted).limit(0)
            destination.append(empty, group.commit_id, replaced=group.replaced, own=group.tracker_ids)
        return Brought(group, destination.rows_of(self._batch_id))

    def _delimited(
        self, group: Group, filled: Sequence[OpenClaim], destination: Destination
    ) -> tuple["DataFrame", Fit]:
        feed = group.feed
        columns = group.columns or self._diagnostician.first_columns(filled[0])
        if not columns:
            raise NothingToGoBy(filled[0].path)
        problem = header_problem(columns) if feed.has_header else None
        if problem:
            raise Refused(Problem(FileError.BAD_HEADER, problem, FileStatus.QUARANTINED))
        fit = destination.fit(dict.fromkeys(columns, "string"), feed.schema_drift)
        refused = [F.col(CHANGED)]
        if group.rejects is None:
            if multiline(feed) and with_odd_quotes(self._spark, filled):
                # Seen only in the file as a whole: a quote that is closed nowhere makes one record of all that follows.
                raise NeedsValidation(feed.table)
            rows = claimed_rows(
                self._spark,
                filled,
                lambda some, version: well_formed_rows(self._spark, some, columns, version),
                changed_fails=bool(group.replaced),
            )
            refused.append(suspicious(feed, columns))
            rules = rules_of(feed)
            if rules:
                refused.append(broken_rule(rules).isNotNull())
        else:
            rows = judged(self._spark, filled, columns, group.rejects).where(F.col("_hub_rule").isNull())
        return self._as_table(rows, fit, any_of(refused), group), fit

    def _parquet(self, group: Group, destination: Destination) -> tuple["DataFrame", Fit]:
        feed = group.feed
        schema = parquet_rows(self._spark, group.claims).schema
        problem = header_problem(schema.names)
        if problem:
            raise Refused(Problem(FileError.BAD_HEADER, problem, FileStatus.QUARANTINED))
        if group.rejects is None and self._diagnostician.without_ruled_columns(group.claims):
            raise NeedsValidation(feed.table)
        fit = destination.fit({field.name: ddl(field.dataType) for field in schema}, feed.schema_drift)
        refused = [F.col(CHANGED)]
        if group.rejects is None:
            rows = claimed_rows(
                self._spark,
                group.claims,
                lambda some, version: parquet_rows(self._spark, some, version, schema=schema),
                changed_fails=bool(group.replaced),
            )
            rules = rules_of(feed)
            if rules:
                refused.append(broken_rule(rules).isNotNull())
        else:
            names = tuple(schema.names)
            rows = judged(self._spark, group.claims, names, group.rejects).where(F.col("_hub_rule").isNull())
        return self._as_table(rows, fit, any_of(refused), group), fit

    def _as_table(self, rows: "DataFrame", fit: Fit, refused: "Column", group: Group) -> "DataFrame":
        """The rows as the table has them; a refused one fails the job that writes them, before it commits."""

        def fitted(name: str, kind: str) -> "Column":
            if "<" not in kind:
                return column(name).cast(kind)
            return fields_kept(column(name), kind) if group.feed.schema_drift is SchemaDrift.IGNORE else column(name)

        stop = F.raise_error(F.concat(F.lit("refused record in "), F.col("_hub_path"))).cast("string")
        table = rows.select(
            *[fitted(name, kind).alias(target) for name, (target, kind) in fit.targets.items()],
            F.col("_hub_path").alias("_source_file"),
            F.timestamp_seconds(F.col("_hub_modified")).alias("_file_modified"),
            F.when(refused, stop).otherwise(F.col("_hub_tracker_id")).alias("_tracker_id"),
            F.lit(self._batch_id).alias("_batch_id"),
            F.col(INGESTED).alias("_ingested_at"),
        )  # fmt: skip
        partitions = total_partitions([claim.size for claim in group.claims])
        return table if partitions is None else table.coalesce(partitions)

    def _finish(self, brought: Brought) -> None:
        """Tell the tracker; files that brought no row are looked at once more."""
        group, rejected = brought.group, brought.rejected
        none = [claim for claim in group.claims if not brought.rows.get(claim.tracker_id)]
        problems = [*self._diagnostician.misnamed(none), *self._diagnostician.other_versions(none)]
        missing = {claim.tracker_id: problem for claim, problem in problems}
        none = [claim for claim in none if claim.tracker_id not in missing and not rejected.get(claim.tracker_id)]
        overlooked = Problem(FileError.LOAD_ERROR, "the file holds records, but none of them reached the table")
        if len(none) < len(group.claims):
            missing |= {claim.tracker_id: overlooked for claim in self._diagnostician.unread(none)}
        changes: list[Change] = []
        for claim in group.claims:
            problem = missing.get(claim.tracker_id)
            if problem:
                changes.append(_failed(claim, problem))
                continue
            changes.append(
                Change(
                    claim.tracker_id,
                    seen=claim.commit_id,
                    load_status=FileStatus.SUCCESS,
                    commit_id=claim.commit_id,
                    row_count=brought.rows.get(claim.tracker_id, 0),
                    rejected_count=rejected.get(claim.tracker_id, 0),
                    error_message=brought.note,
                )
            )
        self._changes.put(changes)
        total = sum(brought.rows.get(one, 0) for one in group.tracker_ids)
        self._say(f"{group.dest_table}: {len(group.claims)} files, {total:,} rows in one commit")

    def _diagnosis(self, group: Group, error: Exception) -> Diagnosis:
        """What to do with the group; what even diagnosing can't tell fails the group's files, and no others."""
        try:
            if group.splits > MAX_SPLITS:
                raise error
            if isinstance(error, ClosedCommit):
                return Diagnosis((Piece(group.claims, None),), anew=True)
            diagnosis = self._diagnostician.diagnose(group, error)
        except Exception as unexpected:
            if is_passing(unexpected):
                raise
            return _given_up(group, unexpected)
        return diagnosis

    def _divided(self, group: Group, error: Exception) -> list[Group] | None:
        """As `_divide`; where even that fails, the group's files do, and no others."""
        try:
            return self._divide(group, self._diagnosis(group, error))
        except Exception as unexpected:
            if is_passing(unexpected):
                raise
            return self._give_up(group, unexpected)

    def _give_up(self, group: Group, error: Exception) -> list[Group] | None:
        try:
            return self._divide(group, _given_up(group, error))
        except Exception as unexpected:
            if is_passing(unexpected):
                raise
            # What takes not even an empty append has taken no rows either: a view, or a table that isn't ours to write.
            message = f"{group.dest_table} can't be written; GRANT MODIFY on it TO the loader: {first_line(unexpected)}"
            problem = Problem(FileError.DESTINATION, message)
            changed = self._changes.put([_failed(claim, problem) for claim in group.claims])
            return [] if changed.result() else None

    def _divide(self, group: Group, diagnosis: Diagnosis) -> list[Group] | None:
        """The groups to go on with; None where the tracker shows that another run has decided meanwhile."""
        if not diagnosis.bad and len(diagnosis.pieces) == 1 and not diagnosis.anew:
            [piece] = diagnosis.pieces
            return [replace(group, columns=piece.columns, rejects=piece.rejects, splits=group.splits + 1)]
        destination = Destination(self._spark, self._sql, group.dest_table)
        destination.close(group.commit_id)
        rows = destination.rows_of(self._batch_id)
        if any(rows.get(tracker_id) for tracker_id in group.tracker_ids):
            # Another run's append came first after all: the commit is what it brought.
            self._finish(Brought(group, rows, self._rejected(group)))
            return []
        if diagnosis.quarantine is not None:
            self._quarantine.write(diagnosis.quarantine, diagnosis.quarantine.rejects or {})
        parts = [group.part(piece) for piece in diagnosis.pieces]
        changes = [_failed(claim, problem) for claim, problem in diagnosis.bad]
        changes += [
            Change(claim.tracker_id, group.commit_id, FileStatus.CLAIMED, part.commit_id)
            for part in parts
            for claim in part.claims
        ]
        for claim, problem in diagnosis.bad[:5]:
            self._say(f"{claim.path}: {problem.status} {problem.code}: {problem.message}")
        return parts if self._changes.put(changes).result() else None


def _given_up(group: Group, error: Exception) -> Diagnosis:
    problem = Problem(FileError.LOAD_ERROR, first_line(error))
    return Diagnosis((), tuple((claim, problem) for claim in group.claims))


def _failed(claim: OpenClaim, problem: Problem) -> Change:
    return Change(
        claim.tracker_id,
        seen=claim.commit_id,
        load_status=problem.status,
        commit_id=claim.commit_id,
        row_count=0,
        rejected_count=problem.rejected,
        error_code=problem.code,
        error_message=problem.message[:2000],
    )
