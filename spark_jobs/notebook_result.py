"""What a notebook's load tells its reader: a table, and whether the task should fail."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from hub_core.feeds import ConfigError
from hub_core.model import FileOutcome, FileStatus, LoadState

MAX_BAD_FILES = 50
_WIDEST = 100


@dataclass(frozen=True, slots=True)
class BronzeResult:
    """A batch and what became of it; `str` shows it as a table."""

    batch_id: str
    state: LoadState
    files: tuple[FileOutcome, ...]
    """The batch's files, as the tracker has them."""
    waited: tuple[FileOutcome, ...] = ()
    """Due files that other loads had claimed first, as those left them."""
    config_errors: tuple[ConfigError, ...] = ()
    """Bad rows of the CSV: their feeds were not looked at."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """How many files of the feeds' folders were not due, by reason."""
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        """Rows that the batch's files have in bronze."""
        return sum(file.row_count or 0 for file in self.files)

    @property
    def rejected(self) -> int:
        """Records of the batch's files in quarantine."""
        return sum(file.rejected_count or 0 for file in self.files)

    def count(self, status: FileStatus) -> int:
        """Files of that status, those that were waited for included."""
        return sum(file.status is status for file in (*self.files, *self.waited))

    def without(self, *statuses: FileStatus) -> Self:
        """The result; FilesNotLoaded where a file has one of `statuses`."""
        if any(self.count(status) for status in statuses):
            raise FilesNotLoaded(self)
        return self

    def __str__(self) -> str:
        counted = f"{len(self.files):,} files, {self.rows:,} rows, {self.seconds:.1f} s"
        parts = [f"batch {self.batch_id}: {self.state}, {counted}"]
        if self.files or self.waited:
            parts.append(_table(("table", "status", "files", "rows", "rejected"), self._summary()))
        if self.skipped:
            reasons = (f"{count:,} {reason}" for reason, count in sorted(self.skipped.items()))
            parts.append(f"not due: {', '.join(reasons)}")
        bad = [file for file in (*self.files, *self.waited) if file.status is not FileStatus.SUCCESS]
        if bad:
            rows = [(file.file_name, file.status, file.error_code, file.error_message) for file in bad]
            parts.append(_table(("file", "status", "code", "why"), rows[:MAX_BAD_FILES]))
            if len(bad) > MAX_BAD_FILES:
                parts.append(f"… and {len(bad) - MAX_BAD_FILES:,} more; the tracker has them all")
        if self.config_errors:
            problems = [(error.line, error.column, error.message, error.remedy) for error in self.config_errors]
            parts.append(_table(("CSV line", "column", "problem", "remedy"), problems))
        return "\n\n".join(parts)

    def _summary(self) -> list[tuple[object, ...]]:
        groups: dict[tuple[str, str], Counter[str]] = {}
        for mine, files in ((True, self.files), (False, self.waited)):
            for file in files:
                status = file.status.value if mine else f"{file.status} (by another load)"
                counts = groups.setdefault((file.dest_table, status), Counter())
                counts["files"] += 1
                counts["rows"] += file.row_count or 0
                counts["rejected"] += file.rejected_count or 0
        return [
            (table, status, f"{counts['files']:,}", f"{counts['rows']:,}", f"{counts['rejected']:,}")
            for (table, status), counts in sorted(groups.items())
        ]


class FilesNotLoaded(Exception):
    """The task fails, so that what depends on it waits; `result` has what became of every file."""

    def __init__(self, result: BronzeResult) -> None:
        super().__init__(f"not every file was loaded\n{result}")
        self.result = result


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [[_cell(value) for value in line] for line in (header, *rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    padded = (map(str.ljust, line, widths) for line in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
