"""Loads, files, feeds and failures as Rich shows them. Whatever came from outside is Text: brackets are no markup."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hubctl.documents import CellProblem, FileOutcome, Json, Load, child, children, items, number, text
from hubctl.failures import Failure

_STYLES = {
    "SUCCESS": "green",
    "EMPTY": "green",
    "PARTIAL": "yellow",
    "QUARANTINED": "yellow",
    "CANCELING": "yellow",
    "CANCELED": "yellow",
    "FAILED": "red",
}
_MOST_FILES = 200
_MOST_REASONS = 50
_SOME_FILES = 3
_LONGEST_REASON = 500


def plain(line: str) -> Text:
    """A line as it is: brackets in it are no markup."""
    return Text(line)


def state_text(state: str) -> Text:
    """A state or status in its colour."""
    return Text(state or "–", style=_STYLES.get(state, "cyan"))


def failure_text(failure: Failure) -> Text:
    """What went wrong, for which fields, and what to do."""
    # With errors, the message only says all of them once more.
    line = Text.assemble(("error: ", "bold red"), "the request was refused" if failure.errors else failure.message)
    if failure.code:
        line.append(f"  [{failure.code}]", style="dim")
    for problem in failure.errors:
        line.append(f"\n  {problem.field or 'body'}: ", style="bold").append(problem.message)
        if problem.remedy:
            line.append(f"\n    → {problem.remedy}", style="green")
    if failure.remedy:
        line.append(f"\n  → {failure.remedy}", style="green")
    return line


def load_panel(load: Load) -> RenderableType:
    """One load, a line a fact, with its CSV's errors below."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    files = f"{load.finished_files} of {load.total}: {load.success} success, {load.failed} failed, "
    lines: list[tuple[str, str | Text]] = [
        ("load", load.id),
        ("state", state_text(load.state)),
        ("lob", load.lob),
        ("trigger", load.trigger + (f" of {load.retry_of}" if load.retry_of else "")),
        ("files", f"{files}{load.quarantined} quarantined"),
        ("rows", f"{_count(load.rows_loaded)} loaded, {_count(load.rows_rejected)} rejected"),
        ("run", " ".join(part for part in (load.run_id, load.run_state, load.run_page_url) if part)),
        ("waits on", ", ".join(load.waits_on)),
        ("error", f"{load.error_code}: {load.error_message}".strip(": ")),
        ("created", moment(load.created_at)),
        ("finished", moment(load.finished_at)),
    ]
    for name, value in lines:
        if value:
            grid.add_row(name, value if isinstance(value, Text) else Text(value))
    return Group(grid, config_table(load.config_errors)) if load.config_errors else grid


def facts(document: Json) -> RenderableType:
    """Names and values, a line each."""
    grid = Table.grid(padding=(0, 2))
    for name, value in document.items():
        grid.add_row(Text(name, style="dim"), Text(str(value), overflow="fold"))
    return grid


def loads_table(loads: Iterable[Load]) -> RenderableType:
    """Loads, a row each."""
    table = _table("load", "state", "lob", "trigger", "files", "failed", "quarantined", "rows", "created", "error")
    for load in loads:
        table.add_row(
            Text(load.id, no_wrap=True),
            state_text(load.state),
            Text(load.lob),
            Text(load.trigger),
            f"{load.finished_files}/{load.total}",
            str(load.failed),
            str(load.quarantined),
            _count(load.rows_loaded),
            moment(load.created_at),
            Text(load.error_code),
        )
    return table if table.row_count else Text("no loads", style="dim")


def files_table(files: Sequence[FileOutcome]) -> RenderableType:
    """Files, what went wrong first; of very many only the first 200."""
    if not files:
        return Text("no files", style="dim")
    table = _table("status", "file", "table", "rows", "rejected", "attempt", "reason")
    ordered = sorted(files, key=lambda file: (file.status == "SUCCESS", file.dest_table, file.file_name))
    for file in ordered[:_MOST_FILES]:
        table.add_row(
            state_text(file.status),
            Text(file.file_name, overflow="fold"),
            Text(file.dest_table, overflow="fold"),
            _count(file.row_count),
            _count(file.rejected_count),
            _count(file.attempt),
            Text(_reason(file), overflow="fold"),
        )
    rest = len(files) - _MOST_FILES
    return Group(table, Text(f"… and {rest:,} more; --json shows all", style="dim")) if rest > 0 else table


def outcome_table(files: Sequence[FileOutcome]) -> RenderableType:
    """What a load brought: a line a table, then what is no SUCCESS, a line for each reason with some of its files."""
    tables: dict[str, list[FileOutcome]] = {}
    for file in files:
        tables.setdefault(file.dest_table, []).append(file)
    summary = _table("table", "files", "success", "rows", "rejected")
    for name in sorted(tables):
        group = tables[name]
        summary.add_row(
            Text(name),
            f"{len(group):,}",
            f"{sum(file.status == 'SUCCESS' for file in group):,}",
            f"{sum(file.row_count or 0 for file in group):,}",
            f"{sum(file.rejected_count or 0 for file in group):,}",
        )
    bad = [file for file in files if file.status != "SUCCESS"]
    return Group(summary, _reasons_table(bad)) if bad else summary


def _reason(file: FileOutcome) -> str:
    """Code and message on one line, without the tail of a long one."""
    line = " ".join(f"{file.error_code}: {file.error_message}".strip(": ").split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]} …"


def _reasons_table(files: Sequence[FileOutcome]) -> RenderableType:
    reasons: dict[tuple[str, str, str], list[FileOutcome]] = {}
    for file in files:
        reasons.setdefault((file.status, file.dest_table, _reason(file)), []).append(file)
    table = _table("status", "files", "file", "table", "reason")
    for (status, dest_table, reason), group in sorted(reasons.items())[:_MOST_REASONS]:
        names = [file.file_name for file in group[:_SOME_FILES]] + (["…"] if len(group) > _SOME_FILES else [])
        table.add_row(
            state_text(status),
            f"{len(group):,}",
            Text("\n".join(names), overflow="fold"),
            Text(dest_table, overflow="fold"),
            Text(reason, overflow="fold"),
        )
    rest = len(reasons) - _MOST_REASONS
    return Group(table, Text(f"… and {rest:,} more reasons", style="dim")) if rest > 0 else table


def plan_table(plan: Json) -> RenderableType:
    """A dry run: what would be loaded, and why the rest would not."""
    table = _table("file", "size", "modified", "table")
    for file in children(plan, "files")[:_MOST_FILES]:
        table.add_row(
            Text(text(file, "path"), overflow="fold"),
            _count(number(file, "size")),
            moment(text(file, "modified")),
            Text(text(file, "dest_table")),
        )
    counts = ", ".join(f"{name} {value}" for name, value in child(plan, "counts").items()) or "nothing"
    parts: list[RenderableType] = [table] if table.row_count else []
    parts.append(Text(f"dry run for {text(plan, 'lob')}: {counts}"))
    if waits_on := items(plan, "waits_on"):
        parts.append(Text(f"would wait on {', '.join(map(str, waits_on))}"))
    if errors := children(plan, "config_errors"):
        parts.append(config_table([CellProblem.read(entry) for entry in errors]))
    return Group(*parts)


def feeds_table(document: Json) -> RenderableType:
    """Feeds with what is due, as of the last sweep."""
    table = _table("lob", "category", "subcategory", "pattern", "format", "table", "active", "due", "missed", "lag")
    for feed in children(document, "value"):
        lag = number(feed, "lag_seconds")
        table.add_row(
            *(Text(text(feed, name)) for name in ("lob", "category", "subcategory", "file_pattern", "file_format")),
            Text(text(feed, "dest_table"), overflow="fold"),
            "no" if feed.get("is_active") is False else "yes",
            _count(number(feed, "due")),
            _count(number(feed, "missed")),
            "" if lag is None else f"{lag:,} s",
        )
    as_of = moment(text(document, "as_of")) or "no sweep yet"
    parts: list[RenderableType] = [table, Text(f"as of {as_of}", style="dim")]
    errors = [CellProblem.read(entry) for entry in children(document, "config_errors")]
    return Group(*parts, config_table(errors)) if errors else Group(*parts)


def config_table(errors: Iterable[CellProblem]) -> RenderableType:
    """Bad cells of a spoke's CSV, a row each."""
    table = _table("line", "column", "value", "message", "remedy")
    for error in errors:
        table.add_row(
            str(error.line),
            Text(error.column),
            Text(error.value, style="red", overflow="fold"),
            Text(error.message, overflow="fold"),
            Text(error.remedy, style="green", overflow="fold"),
        )
    return table


def moment(iso: str) -> str:
    """An ISO 8601 time to the second; as it is where it is none."""
    try:
        return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M:%S}" if iso else ""
    except ValueError:
        return iso


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    numbers = {
        "files",
        "failed",
        "quarantined",
        "rows",
        "rejected",
        "attempt",
        "size",
        "due",
        "missed",
        "line",
        "success",
        "lag",
    }
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
