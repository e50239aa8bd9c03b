"""`config check`: a spoke's CSV looked at with the service's own rules, with no service and no cloud."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubctl.documents import CellProblem
from hubctl.failures import Exit, Refused
from hubctl.shell import JsonOption, Output, command

if TYPE_CHECKING:
    from hub_core.feeds import House

app = typer.Typer(no_args_is_help=True, help="A spoke's CSV.")


@app.callback()
def _config() -> None:
    """A spoke's CSV."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="<lob>_config.csv", show_default=False)],
    *,
    lob: Annotated[str | None, typer.Option(help="Default: from the file's name.")] = None,
    catalog: Annotated[str, typer.Option(envvar="HUB_CATALOG", help="What ${catalog} becomes.")] = "main",
    allowed_root: Annotated[
        list[str] | None,
        typer.Option(help="abfss URL below which sources lie; repeatable. Default: HUB_ALLOWED_ROOTS."),
    ] = None,
    spokes: Annotated[
        str | None,
        typer.Option(envvar="HUB_SPOKES", help="LOBs that live elsewhere, as the service's setting says it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Report every bad cell with line, column, value and remedy; exit 1 if there is any."""
    output = Output(as_json)
    with command(output):
        from hub_core.errors import Rejected
        from hub_core.feeds import is_lob, parse_config

        lob = lob or _lob_of(file)
        if not is_lob(lob):
            raise Refused(f"{lob!r} is no LOB's name", remedy="use lower case letters, digits and _, like falcon")
        content = _read(file)
        roots = [*(allowed_root or _roots_from_environment())]
        if not roots:
            roots = _roots_in(content, lob)
            output.messages.print(
                "no --allowed-root: only the folders' names were checked, not their account", markup=False
            )
        try:
            parsed = parse_config(content, lob=lob, catalog=catalog, allowed_roots=roots, spokes=_houses(spokes))
        except Rejected as error:
            given = "--allowed-root" if allowed_root else "HUB_ALLOWED_ROOTS"
            raise Refused(f"{given}: {error.message}", code=error.code) from error
        rows = [{name: getattr(error, name) for name in CellProblem.__slots__} for error in parsed.errors]
        errors = [CellProblem.read(row) for row in rows]
        document = {
            "file": str(file),
            "lob": lob,
            "feeds": len(parsed.feeds),
            "errors": rows,
        }
        from hubctl.render import config_table, plain

        verdict = f"{file}: {len(parsed.feeds)} good feeds, {len(errors)} errors"
        output.result(document, *([config_table(errors)] if errors else []), plain(verdict))
        if errors:
            raise typer.Exit(Exit.NOT_ALL_GOOD)


def _lob_of(file: Path) -> str:
    if not file.name.endswith("_config.csv"):
        raise Refused(
            f"the LOB is not to be seen in {file.name}", remedy="name the file <lob>_config.csv, or give --lob"
        )
    return file.name.removesuffix("_config.csv")


def _read(file: Path) -> str:
    from hub_core.feeds import decode

    try:
        content = decode(file.read_bytes())
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error
    if content is None:
        raise Refused(f"{file} is not UTF-8", remedy="save it as UTF-8")
    return content


def _roots_from_environment() -> list[str]:
    """HUB_ALLOWED_ROOTS as the service reads it: URLs with commas between them, or a JSON array."""
    value = os.environ.get("HUB_ALLOWED_ROOTS", "").strip()
    try:
        roots = json.loads(value) if value.startswith("[") else value.split(",")
    except ValueError as error:
        raise Refused("HUB_ALLOWED_ROOTS is not a JSON array") from error
    return [str(root).strip() for root in roots if str(root).strip()]


def _houses(spokes: str | None) -> "dict[str, House]":
    """HUB_SPOKES as the service reads it."""
    from hub_core.errors import Broken
    from hub_core.settings import Settings

    try:
        houses: dict[str, House] = Settings.one("spokes", {"HUB_SPOKES": spokes or ""})
    except Broken as error:
        raise Refused("HUB_SPOKES cannot be read", remedy=error.message) from error
    return houses


def _roots_in(content: str, lob: str) -> list[str]:
    """What stands before `/<lob>/` in the CSV's own sources: what is left to check then is the rest of each path."""
    from hub_core.errors import Rejected
    from hub_core.feeds import cells
    from hub_core.paths import folder

    roots: set[str] = set()
    for source in cells(content, "source_path"):
        head, found, _ = source.partition(f"/{lob}/")
        try:
            roots.add(folder(head if found and head != "abfss:/" else "/".join(source.split("/")[:3])))
        except Rejected:
            continue  # no URL of a folder, for which its row is told of
    return sorted(roots)
