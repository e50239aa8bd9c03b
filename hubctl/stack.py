"""`up` and `migrate`: the commands that need more than HTTP, so everything else of theirs is imported late."""

import os
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hubctl.documents import Json, text
from hubctl.failures import Failure, Refused, Unreachable
from hubctl.shell import JsonOption, Output, command, shell_of
from hubctl.target import STACK_FILE, read_stack

_SECRET = ("key", "token", "connection_string", "event_grid_url")
_ADDRESSES = {
    "DATABRICKS_HOST": "databricks_host",
    "DATABRICKS_TOKEN": "databricks_token",
    "HUB_CATALOG": "catalog",
}
# A migration touches the warehouse only; Settings wants all of the service's.
_NOT_NEEDED = {
    "HUB_CONFIG_ROOT": "abfss://none@none.invalid/",
    "HUB_ALLOWED_ROOTS": "abfss://none@none.invalid/",
    "HUB_LOADER_JOB_ID": "0",
}


def up(
    state_dir: Annotated[Path, typer.Option(help="Where the stack keeps its data and stack.json.")] = STACK_FILE.parent,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an earlier stack kept there.")] = False,
    spoke: Annotated[
        list[Path] | None,
        typer.Option(help="A spoke's repository, to have its jobs and feeds; may stand several times."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole service on this machine until interrupted (in a checkout)."""
    output = Output(as_json)
    with command(output):
        try:
            from local_stack.processes import ProcessError
            from local_stack.stack import Stack, StackError
            from local_stack.toolchain import ToolchainError
        except ModuleNotFoundError as error:
            raise _no_stack(error) from error
        messages = output.messages
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            say = partial(messages.print, markup=False)
            with Stack(state_dir, fresh=fresh, spokes=spoke or (), say=say) as stack:
                for one in stack.spokes:
                    jobs = ", ".join(f"{key} {job_id}" for key, job_id in one.job_ids.items())
                    say(f"{one.lob}: its feeds are in {one.config}; jobs: {jobs}")
                known = read_stack(stack.stack_file)
                addresses = {name: value for name, value in known.items() if not _is_secret(name)}
                from hubctl.render import facts

                output.result(addresses, facts(addresses))
                messages.print(f"everything is up; keys are in {stack.stack_file}; stop it with Ctrl-C", markup=False)
                signal.pause()
        except KeyboardInterrupt:
            messages.print("stopped")
        except (StackError, ProcessError, ToolchainError) as error:
            raise Unreachable(f"the stack can't start: {error}") from error


def migrate(
    context: typer.Context,
    catalog: Annotated[str | None, typer.Option(envvar="HUB_CATALOG", help="The catalog to bring up to date.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Create the hub's own tables in a catalog, and add what they lack; again and again without harm."""
    output = Output(as_json)
    with command(output):
        stack = read_stack(shell_of(context).stack_file)
        given = {name: value for name, value in os.environ.items() if value}
        environment = {**_NOT_NEEDED, **given, **environment_of(stack, given)}
        if catalog:
            environment["HUB_CATALOG"] = catalog
        try:
            from hub_core.bootstrap import migrate as run_ddl
            from hub_core.settings import Settings
        except ModuleNotFoundError as error:
            raise Refused(
                f"the service's packages are not installed (no {error.name})",
                remedy="pip install 'deltalake-hub[cli,service]'",
            ) from error
        from hub_core.errors import HubError, Transient

        try:
            settings = Settings.from_environment(environment)
            statements = run_ddl(settings)
        except Transient as error:
            raise Unreachable(error.message, code=error.code) from error
        except HubError as error:
            raise Refused(error.message, code=error.code) from error
        from hubctl.render import plain

        line = f"{settings.catalog}: the hub's tables are up to date ({len(statements)} statements)"
        output.result({"catalog": settings.catalog, "statements": len(statements)}, plain(line))


def environment_of(stack: Json, environment: Mapping[str, str]) -> dict[str, str]:
    """What the local stack's file adds to an environment that names no workspace; nothing where it names one."""
    if not stack or environment.get("DATABRICKS_HOST"):
        return {}
    added = {name: text(stack, member) for name, member in _ADDRESSES.items() if name not in environment}
    if warehouse := text(stack, "warehouse_http_path"):
        added["HUB_WAREHOUSE_ID"] = warehouse.rstrip("/").rsplit("/", 1)[-1]
    return {name: value for name, value in added.items() if value}


def _is_secret(name: str) -> bool:
    return any(part in name for part in _SECRET)


def _no_stack(error: ModuleNotFoundError) -> Failure:
    if (error.name or "").startswith("local_stack"):
        return Refused(
            "the local stack is part of a checkout, and this is none",
            remedy="clone the project and run `make up` there",
        )
    return Refused(f"the local stack lacks the package {error.name}", remedy="run `make setup` in the checkout")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
