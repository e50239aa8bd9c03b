"""A Databricks Asset Bundle's jobs, as `databricks bundle deploy` would give them to the Jobs API.

Reads what the hub's own bundle and a spoke's use: includes, variables with a target's values, and references
(`${var.x}`, `${bundle.target}`, `${resources.jobs.x.id}`); paths of notebooks become absolute.
https://docs.databricks.com/dev-tools/bundles/
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

BUNDLE = "databricks.yml"
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")

type Settings = dict[str, Any]


class BundleError(Exception):
    """The bundle can't be deployed as asked; the message says what is wrong where."""


def bundle_jobs(
    root: Path, target: str, job_ids: Mapping[str, int], variables: Mapping[str, str] | None = None
) -> list[Settings]:
    """The jobs `[{"job_id": …, "settings": {…}}, …]` of the bundle in `root`, those that `job_ids` has an id for.

    `variables` count more than the target's and the defaults, as on the deployment's command line.
    """
    root = root.resolve()
    bundle = _read(root / BUNDLE)
    targets = bundle.get("targets") or {}
    if target not in targets:
        raise BundleError(f"{root / BUNDLE}: no target {target}; there are {', '.join(targets)}")
    known = _variables(bundle, targets[target] or {}, variables or {})
    known |= {"bundle.name": str(bundle["bundle"]["name"]), "bundle.target": target}
    known |= {f"resources.jobs.{key}.id": str(job_id) for key, job_id in job_ids.items()}
    found = dict(_jobs(root, bundle))
    missing = sorted(set(job_ids) - set(found))
    if missing:
        raise BundleError(f"{root / BUNDLE}: no job {', '.join(missing)}; there are {', '.join(found)}")
    return [
        {"job_id": job_id, "settings": _deployed(found[key][0], found[key][1].parent, known)}
        for key, job_id in job_ids.items()
    ]


def job_keys(root: Path) -> list[str]:
    """The keys of all the bundle's jobs, in the order of its files; BundleError where there is no bundle."""
    return [key for key, _ in _jobs(root, _read(root / BUNDLE))]


def _read(path: Path) -> Settings:
    try:
        read = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{path} is not there: name the folder of a bundle") from None
    except yaml.YAMLError as error:
        raise BundleError(f"{path}: {error}") from error
    if not isinstance(read, dict):
        raise BundleError(f"{path} holds no mapping")
    return read


def _jobs(root: Path, bundle: Settings) -> list[tuple[str, tuple[Settings, Path]]]:
    """Every job by its key, with the file that it stands in."""
    included = [path for pattern in bundle.get("include") or [] for path in sorted(root.glob(pattern))]
    return [
        (key, (job, path))
        for path in (root / BUNDLE, *included)
        for key, job in ((_read(path).get("resources") or {}).get("jobs") or {}).items()
    ]


def _variables(bundle: Settings, target: Settings, given: Mapping[str, str]) -> dict[str, str]:
    declared = bundle.get("variables") or {}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise BundleError(f"the bundle declares no variable {', '.join(unknown)}")
    defaults = {name: one["default"] for name, one in declared.items() if "default" in one}
    values = {**defaults, **(target.get("variables") or {}), **given}
    return {f"var.{name}": str(value) for name, value in values.items()}


def _deployed(job: Settings, folder: Path, known: Mapping[str, str]) -> Settings:
    """The job with references filled in where a run reads them, and without what only a deployment reads."""
    kept = {name: value for name, value in job.items() if name not in ("permissions", "run_as", "job_clusters")}
    tasks = [_task(task, folder, known) for task in kept.pop("tasks", [])]
    filled: Settings = {name: _filled(value, known) for name, value in kept.items() if name != "environments"}
    return {**filled, "tasks": tasks}


def _task(task: Settings, folder: Path, known: Mapping[str, str]) -> Settings:
    # Libraries, environments and clusters: a run here has what this environment has.
    elsewhere = ("libraries", "environment_key", "job_cluster_key", "disable_auto_optimization")
    kept: Settings = {name: _filled(value, known) for name, value in task.items() if name not in elsewhere}
    notebook = kept.get("notebook_task")
    if notebook is not None:
        path = (folder / notebook["notebook_path"]).resolve()
        if not path.is_file():
            raise BundleError(f"task {task['task_key']}: {path} is not there")
        kept["notebook_task"] = {**notebook, "notebook_path": str(path)}
    return kept


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one, known) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, known) for one in value]
    if not isinstance(value, str):
        return value

    def filled(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise BundleError(f"${{{match[1]}}} refers to nothing that is known: set the variable")
        return known[match[1]]

    return _REFERENCE.sub(filled, value)
