"""`hubctl`: the commands, put together. Exit codes: see `hubctl.failures.Exit`."""

import typer

from hubctl import config, loads, spoke, stack

app = typer.Typer(
    name="hubctl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks could show a key
    help="The Delta Lake ingestion hub. Exit codes: 0 good, 1 not all good, 2 refused, 3 not reachable, 4 out of time.",
)
app.command()(stack.up)
app.command()(stack.migrate)
app.command()(loads.load)
app.command()(loads.loads)
app.command()(loads.status)
app.command()(loads.files)
app.command()(loads.cancel)
app.command()(loads.retry)
app.command()(loads.feeds)
app.add_typer(config.app, name="config")
app.add_typer(spoke.app, name="spoke")


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
