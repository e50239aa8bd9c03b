"""A spoke's repository on the local stack: its bundle's jobs, its CSV, its feeds below the stack's landing root."""

import csv
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub_core.feeds import is_lob
from hub_core.paths import parse_abfss
from local_stack.bundle import BundleError, bundle_jobs, job_keys

FIRST_JOB_ID = 2001
CONFIGS = "configs/bronze"
_SUFFIX = "_config.csv"
_TARGET = "dev"


@dataclass(frozen=True, slots=True)
class Spoke:
    """A spoke as the stack has it: a copy of its repository, whose feeds read from the stack's storage."""

    lob: str
    directory: Path
    jobs: list[dict[str, Any]]
    """As the jobs file has them."""
    job_ids: dict[str, int]
    """By the bundle's own keys, e.g. `bronze_job`."""

    @property
    def config(self) -> Path:
        """Its CSV."""
        return self.directory / CONFIGS / f"{self.lob}{_SUFFIX}"


def install(source: Path, directory: Path, landing_root: str, catalog: str, first_job_id: int) -> Spoke:
    """Copy the spoke in `source` to `directory`, anew each time; BundleError where it is none.

    What differs from a deployment: every `source_path` begins with the stack's landing root instead of the landing
    account's, and the variable `catalog` is the stack's.
    """
    lob = _lob(source)
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(source, directory, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".pytest_cache"))
    config = directory / CONFIGS / f"{lob}{_SUFFIX}"
    config.write_text(localized(config.read_text("utf-8"), landing_root), "utf-8")
    job_ids = {key: first_job_id + number for number, key in enumerate(job_keys(directory))}
    export = f"{landing_root.rstrip('/').rpartition('/')[0]}/export/{lob}/"
    jobs = bundle_jobs(directory, _TARGET, job_ids, {"catalog": catalog, "export_path": export})
    return Spoke(lob, directory, jobs, job_ids)


def loader_job(spoke: Spoke) -> int:
    """The job that the service starts for the spoke: the one whose first task is `bronze_load`."""
    for job in spoke.jobs:
        if job["settings"]["tasks"][0]["task_key"] == "bronze_load":
            return int(job["job_id"])
    raise BundleError(f"{spoke.directory}: no job begins with the task bronze_load")


def localized(text: str, landing_root: str) -> str:
    """The CSV with each `source_path` below `landing_root` instead of its container."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    where = rows[0].index("source_path")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows[1:]:
        if row:
            name = parse_abfss(row[where]).name
            writer.writerow([*row[:where], f"{landing_root.rstrip('/')}/{name}", *row[where + 1 :]])
    return out.getvalue()


def _lob(source: Path) -> str:
    found = sorted((source / CONFIGS).glob(f"*{_SUFFIX}"))
    if len(found) != 1:
        raise BundleError(f"{source}: {CONFIGS} holds {len(found)} files *{_SUFFIX}, and a spoke has one")
    lob = found[0].name.removesuffix(_SUFFIX)
    if not is_lob(lob):
        raise BundleError(f"{found[0]}: {lob} is no LOB's name")
    return lob
