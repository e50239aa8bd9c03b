"""The commands that speak to the service: load, loads, status, files, cancel, retry, feeds."""

from functools import partial
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from hubctl.documents import Json, Load
from hubctl.failures import Failure, Unreachable
from hubctl.shell import JsonOption, KeyOption, Output, TimeoutOption, UrlOption, command, shell_of
from hubctl.watch import Patience, exit_code, follow, persist

if TYPE_CHECKING:
    from hubctl.client import HubClient

LoadId = Annotated[str, typer.Argument(metavar="ID", help="A load's id.", show_default=False)]
WatchOption = Annotated[bool, typer.Option("--watch", help="Follow the load until it is final.")]


def load(
    context: typer.Context,
    *,
    lob: Annotated[str | None, typer.Option(help="Line of business.")] = None,
    category: Annotated[str | None, typer.Option(help="Only feeds of this category.")] = None,
    subcategory: Annotated[str | None, typer.Option(help="Only feeds of this subcategory.")] = None,
    begin_date: Annotated[str | None, typer.Option(help="First file date, YYYY-MM-DD.")] = None,
    end_date: Annotated[str | None, typer.Option(help="Last file date, YYYY-MM-DD.")] = None,
    file_name: Annotated[str | None, typer.Option(help="A file's name, or path below source_path; * and ?.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Take loaded and quarantined files again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be loaded.")] = False,
    idempotency_key: Annotated[str | None, typer.Option(help="Same key, same load; default: a new one.")] = None,
    watch: WatchOption = False,
    timeout: TimeoutOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for a load. With --watch: exit 0 for SUCCESS and EMPTY, 1 for PARTIAL, FAILED and CANCELED."""
    output, shell = Output(as_json), shell_of(context)
    fields: dict[str, object] = {
        "lob": lob,
        "category": category,
        "subcategory": subcategory,
        "begin_date": begin_date,
        "end_date": end_date,
        "file_name": file_name,
        "force": force,
        "dry_run": dry_run,
    }
    request = {name: value for name, value in fields.items() if value not in (None, "", False)}
    patience = Patience(shell.clock, timeout)
    with command(output), shell.client(url, key, patience) as client:
        # With a key, sending again what got no answer cannot make a second load.
        send = partial(client.post_load, request, None if dry_run else idempotency_key or uuid4().hex)
        document, retry_after = persist(send, patience, tries=3)
        if dry_run or document.get("dry_run") is True:
            _show_plan(output, document)
            return
        accepted = Load.read(document)
        if watch:
            _watch(output, client, watched=accepted, retry_after=retry_after, patience=patience)
        else:
            _show_load(output, accepted)


def loads(
    context: typer.Context,
    *,
    lob: Annotated[str | None, typer.Option(help="Only this line of business.")] = None,
    status: Annotated[str | None, typer.Option(help="Only loads in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="All of them, page by page.")] = False,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List loads, newest first."""
    output = Output(as_json)
    with command(output), shell_of(context).client(url, key) as client:
        found = list(client.loads(lob=lob, status=status, limit=None if every else limit, every=every))
        from hubctl.render import loads_table

        output.result({"value": [one.raw for one in found]}, loads_table(found))


def status(
    context: typer.Context,
    load_id: LoadId,
    *,
    watch: WatchOption = False,
    timeout: TimeoutOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one load; with --watch, the exit codes are those of load --watch."""
    output, shell = Output(as_json), shell_of(context)
    patience = Patience(shell.clock, timeout)
    with command(output), shell.client(url, key, patience) as client:
        found, retry_after = client.load(load_id)
        if watch:
            _watch(output, client, watched=found, retry_after=retry_after, patience=patience)
        else:
            _show_load(output, found)


def files(
    context: typer.Context,
    load_id: LoadId,
    *,
    status: Annotated[str | None, typer.Option(help="CLAIMED, SUCCESS, FAILED or QUARANTINED.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what became of each file of a load."""
    output = Output(as_json)
    with command(output), shell_of(context).client(url, key) as client:
        found = list(client.files(load_id, status))
        from hubctl.render import files_table

        output.result({"value": [one.raw for one in found]}, files_table(found))


def cancel(
    context: typer.Context, load_id: LoadId, url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Cancel a load; files that are loaded already stay."""
    output = Output(as_json)
    with command(output), shell_of(context).client(url, key) as client:
        _show_load(output, client.change(load_id, "cancel"))


def retry(
    context: typer.Context,
    load_id: LoadId,
    *,
    watch: WatchOption = False,
    timeout: TimeoutOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for a new load of a load's FAILED and QUARANTINED files."""
    output, shell = Output(as_json), shell_of(context)
    patience = Patience(shell.clock, timeout)
    with command(output), shell.client(url, key, patience) as client:
        again = client.change(load_id, "retry")
        if watch:
            _watch(output, client, watched=again, retry_after=None, patience=patience)
        else:
            _show_load(output, again)


def feeds(
    context: typer.Context,
    *,
    lob: Annotated[str | None, typer.Option(help="Only this line of business.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the configured feeds, what is due and how long it has waited."""
    output = Output(as_json)
    with command(output), shell_of(context).client(url, key) as client:
        document = client.feeds(lob)
        from hubctl.render import feeds_table

        output.result(document, feeds_table(document))


def _show_plan(output: Output, plan: Json) -> None:
    from hubctl.render import plan_table

    output.result(plan, plan_table(plan))


def _show_load(output: Output, shown: Load) -> None:
    from hubctl.render import load_panel

    output.result(shown.raw, load_panel(shown))


def _watch(
    output: Output, client: "HubClient", *, watched: Load, retry_after: float | None, patience: Patience
) -> None:
    """Follow `watched`, show how it ended and its files, and leave with the exit code that says so."""
    from hubctl.progress import load_progress
    from hubctl.render import load_panel, outcome_table

    messages = output.messages
    try:
        with load_progress(messages) as show:
            final = follow(watched, retry_after, fetch=client.load, patience=patience, show=show)
    except KeyboardInterrupt:
        messages.print(f"load {watched.id} goes on; follow it with: hubctl status {watched.id} --watch", markup=False)
        raise
    outcomes = []
    if final.total:
        try:
            outcomes = persist(lambda: list(client.files(final.id)), patience, tries=3)
        except Failure as failure:
            kind = "later" if isinstance(failure, Unreachable) else "by hand"
            messages.print(
                f"the files could not be listed ({failure.message}); try {kind}: hubctl files {final.id}", markup=False
            )
    pictures = [load_panel(final), outcome_table(outcomes)] if outcomes else [load_panel(final)]
    output.result({**final.raw, "file_outcomes": [one.raw for one in outcomes]}, *pictures)
    raise typer.Exit(exit_code(final))
