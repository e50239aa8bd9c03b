"""A load's progress on stderr: a bar on a terminal, a line a change elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from hubctl.documents import Load


@contextmanager
def load_progress(console: Console) -> Iterator[Callable[[Load], None]]:
    """A function to call with every state that was seen."""
    if not console.is_terminal:
        yield _lines(console)
        return
    with Progress(
        TextColumn("{task.fields[state]}"),
        BarColumn(bar_width=40),
        TextColumn("{task.fields[files]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[run]}", style="dim"),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task("load", total=None, state="", files="", run="")

        def show(load: Load) -> None:
            progress.update(
                task,
                total=load.total or None,
                completed=load.finished_files,
                state=load.state,
                files=_files(load),
                run=_run(load),
            )

        yield show


def _lines(console: Console) -> Callable[[Load], None]:
    last: list[str] = []

    def show(load: Load) -> None:
        line = " ".join(part for part in (load.id, load.state, _files(load), _run(load)) if part)
        if [line] != last:
            last[:] = [line]
            console.print(Text(line))

    return show


def _files(load: Load) -> str:
    return f"{load.finished_files:,} of {load.total:,} files" if load.total else ""


def _run(load: Load) -> str:
    if load.run_state:
        return f"run {load.run_state}"
    return f"waits on {', '.join(load.waits_on)}" if load.waits_on else ""
