"""What every command has: where it writes, how it fails, which service it speaks to."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubctl.failures import Exit, Failure
from hubctl.target import STACK_FILE, find_target
from hubctl.watch import Clock, Patience, SystemClock

if TYPE_CHECKING:
    import httpx
    from rich.console import Console, RenderableType

    from hubctl.client import HubClient

UrlOption = Annotated[
    str | None, typer.Option("--url", envvar="HUB_URL", help="The service's address; default: the local stack's.")
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key", envvar="HUB_KEY", help="Function key; better in HUB_KEY, where no list of processes shows it."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, and nothing else there.")]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", min=1, help="Give up after these seconds (exit code 4); a load goes on.")
]

_WIDE = 160


@dataclass(slots=True)
class Shell:
    """The outside of a command: transport, clock, the local stack's file. Tests give their own."""

    transport: "httpx.BaseTransport | None" = None
    clock: Clock = field(default_factory=SystemClock)
    stack_file: Path = STACK_FILE

    def client(self, url: str | None, key: str | None, patience: Patience | None = None) -> "HubClient":
        """The service that the options mean."""
        from hubctl.client import HubClient

        # By the environment alone: a token is short-lived, and no list of processes shows it there.
        target = find_target(url, key, os.environ.get("HUB_TOKEN"), self.stack_file)
        return HubClient(target, transport=self.transport, patience=patience)


@dataclass(frozen=True, slots=True)
class Output:
    """Results go to stdout, as JSON or for people; messages go to stderr."""

    as_json: bool

    def result(self, document: object, *pictures: "RenderableType") -> None:
        """`document` with --json, else `pictures`."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")
            return
        out = console()
        for picture in pictures:
            out.print(picture)

    @property
    def messages(self) -> "Console":
        """stderr."""
        return console(stderr=True)


def console(*, stderr: bool = False) -> "Console":
    """stdout or stderr, wide where it is no terminal."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:  # a pipe or a CI log has no width of its own
        made.width = max(made.width, _WIDE)
    return made


@contextmanager
def command(output: Output) -> Iterator[None]:
    """Turns a Failure into a message on stderr and its exit code."""
    try:
        yield
    except Failure as failure:
        from hubctl.render import failure_text

        output.messages.print(failure_text(failure))
        raise typer.Exit(failure.exit_code) from failure
    except KeyboardInterrupt:
        output.messages.print("interrupted")
        raise typer.Exit(Exit.INTERRUPTED) from None


def shell_of(context: typer.Context) -> Shell:
    """The Shell that the program was given, or the real one."""
    return context.obj if isinstance(context.obj, Shell) else Shell()
