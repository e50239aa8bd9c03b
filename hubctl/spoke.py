"""`spoke new`: a new LOB's repository, from a template in the format of Databricks' bundle templates.

`databricks bundle init hubctl/spoke_template` renders the same files. Of Go's templates only two actions are used, and
known here: `{{.name}}`, and `` {{`text`}} `` for text that has braces of its own.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

import typer

from hubctl.failures import Refused
from hubctl.shell import JsonOption, Output, command

SUFFIX = ".tmpl"
_ACTION = re.compile(r"\{\{(?:\.([A-Za-z]\w*)|`([^`]*)`)\}\}")

app = typer.Typer(no_args_is_help=True, help="A spoke: a LOB's repository.")


@app.callback()
def _spoke() -> None:
    """A spoke: a LOB's repository."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The LOB's name, e.g. eagle.", show_default=False)],
    *,
    output_dir: Annotated[Path, typer.Option(help="Where the folder NAME is made.")] = Path(),
    catalog: Annotated[
        str | None,
        typer.Option(help="Catalogs are called CATALOG_dev, _staging and _prod; without it dev, staging and prod."),
    ] = None,
    landing_root: Annotated[
        str | None, typer.Option(help="The hub's allowed root, an abfss URL; sources lie in <root>/NAME/.")
    ] = None,
    export_root: Annotated[str | None, typer.Option(help="Where exports go, an abfss URL.")] = None,
    feed_url: Annotated[str | None, typer.Option(help="The Azure Artifacts feed with the hub's wheel.")] = None,
    hub_repository: Annotated[str | None, typer.Option(help="The hub's repository: NAME or PROJECT/NAME.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a LOB's repository: feeds, jobs from bronze to export, pipelines and tests, with one sample feed."""
    output = Output(as_json)
    with command(output):
        from deltalake_hub import __version__
        from hub_core.feeds import is_lob

        if not is_lob(name):
            raise Refused(f"{name!r} is no LOB's name", remedy="use lower case letters, digits and _, like eagle")
        given = {
            "spoke_name": name,
            "catalog_prefix": f"{catalog}_" if catalog else None,
            "landing_root": landing_root.rstrip("/") if landing_root else None,
            "export_root": export_root.rstrip("/") if export_root else None,
            "feed_url": feed_url,
            "hub_repository": hub_repository,
            "hub_version": __version__,
        }
        template = resources.files("hubctl") / "spoke_template"
        answers = values_of(template, {key: value for key, value in given.items() if value is not None})
        files = render(template, answers)
        folder = output_dir / name
        write(files, name, folder)
        from hubctl.render import plain

        config = f"configs/bronze/{name}_config.csv"
        steps = (
            f"cd {folder}",
            "pip install -r requirements.txt 'deltalake-hub[cli]'",
            f"hubctl config check {config}",
            "python -m pytest",
        )
        said = f"{folder}: {len(files)} files. Next, with a pip that is signed in to the feed:"
        rest = "Then write your feeds into the CSV, and push: README.md has the way to production."
        document = {"spoke": name, "path": str(folder), "files": sorted(files), "next": list(steps)}
        output.result(document, plain("\n".join((said, *(f"  {step}" for step in steps), rest))))


def values_of(template: Traversable, given: Mapping[str, str]) -> dict[str, str]:
    """A value for each property of the template's schema: what is given, else its default; Refused if it won't do."""
    properties = json.loads((template / "databricks_template_schema.json").read_text("utf-8"))["properties"]
    values = {}
    for name, property_ in properties.items():
        value = given.get(name, property_.get("default"))
        if value is None or re.fullmatch(property_["pattern"], value) is None:
            option = name.replace("_", "-").replace("catalog-prefix", "catalog")
            raise Refused(f"{option}: {value!r} won't do", remedy=property_["pattern_match_failure_message"])
        values[name] = value
    return values


def render(template: Traversable, values: Mapping[str, str]) -> dict[str, str]:
    """The template's files with their contents, by their paths below the output folder, the spoke's own included."""
    files = {}
    for path, file in _files(template / "template", ""):
        content = file.read_text("utf-8")
        name = filled(path, values)
        files[name.removesuffix(SUFFIX)] = filled(content, values) if name.endswith(SUFFIX) else content
    return files


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with its actions carried out; ValueError for one that is none of the two, KeyError for an unknown name."""
    parts, end = [], 0
    for match in _ACTION.finditer(text):
        parts += [text[end : match.start()], values[match[1]] if match[1] else match[2]]
        _refuse_action(text[end : match.start()])
        end = match.end()
    _refuse_action(text[end:])
    return "".join((*parts, text[end:]))


def write(files: Mapping[str, str], name: str, folder: Path) -> None:
    """Write what lies below `name` into `folder`, all or nothing; Refused where the folder exists, or can't be made."""
    if folder.exists():
        raise Refused(f"{folder} exists", remedy="choose another --output-dir, or move it away")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(mkdtemp(prefix=f".{name}-", dir=folder.parent))
        try:
            for path, content in files.items():
                target = work / Path(path).relative_to(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content, "utf-8", newline="\n")
            work.chmod(0o755)
            work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise Refused(f"{folder} cannot be made: {error.strerror}") from error


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        below = f"{path}/{entry.name}" if path else entry.name
        if entry.is_dir():
            yield from _files(entry, below)
        else:
            yield below, entry


def _refuse_action(text: str) -> None:
    if "{{" in text:
        at = text.index("{{")
        raise ValueError(f"not an action of this template: {text[at : at + 40]!r}")
