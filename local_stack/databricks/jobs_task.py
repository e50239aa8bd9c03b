"""The process of one task attempt: what it runs, and how it is bound to the endpoint.

Nothing of this project is imported here: the task brings its own imports.
"""

import importlib
import io
import json
import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import distribution
from pathlib import Path


def main(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    """Run `command` (see `Task.command`) in this process, in a group of its own; raises what the task raises.

    When the endpoint goes, even by SIGKILL, this process ends with everything it started: no run outlives its endpoint.
    """
    os.setsid()
    _die_with_the_endpoint()
    os.environ.update(environment)
    _write_to(log)
    run(*command)


def run(kind: str, *command: str) -> None:
    """Run a task; raises what it raises."""
    if kind == "notebook_task":
        notebook, widgets = command
        _run_notebook(notebook, json.loads(widgets))
        return
    if kind == "spark_python_task":
        file, *parameters = command
        sys.argv = [file, *parameters]
        runpy.run_path(file, run_name="__main__")
        return
    package, name, *parameters = command
    function = _entry_point(package, name)
    sys.argv = [name, *parameters]
    # As on Databricks, what the function returns is nobody's business: only an exception fails the task.
    function()


def _run_notebook(path: str, widgets: dict[str, str]) -> None:
    """Run a notebook in Databricks' source format, which is Python; its folder is the working directory."""
    from pyspark.sql import SparkSession

    folder, name = os.path.split(path)
    os.chdir(folder)
    # Databricks has the notebook's folder on the path.
    sys.path.insert(0, folder)
    sys.argv = [name]
    names = {"spark": SparkSession.builder.getOrCreate(), "dbutils": _Dbutils(widgets), "display": _display}
    with suppress(_NotebookExit):
        runpy.run_path(name, init_globals=names, run_name="__main__")


class _NotebookExit(Exception):
    """`dbutils.notebook.exit`."""


class _Widgets:
    """`dbutils.widgets`, as far as parameters of a job go."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, name: str) -> str:
        """The parameter's value; an error where there is none, as on Databricks."""
        if name not in self._values:
            raise ValueError(f"InputWidgetNotDefined: No input widget named {name} is defined")
        return self._values[name]

    def getAll(self) -> dict[str, str]:  # noqa: N802 — Databricks' own name
        """All of them."""
        return dict(self._values)

    def text(self, name: str, defaultValue: str, label: str | None = None) -> None:  # noqa: ARG002, N803 — likewise
        """Declare one; a value that the job gives counts more."""
        self._values.setdefault(name, defaultValue)


class _Notebook:
    """`dbutils.notebook`."""

    def exit(self, value: str) -> None:
        """End the notebook, well."""
        sys.stdout.write(f"{value}\n")
        raise _NotebookExit


class _Dbutils:
    """What of `dbutils` is done here; anything else is an AttributeError by its name."""

    def __init__(self, widgets: dict[str, str]) -> None:
        self.widgets = _Widgets(widgets)
        self.notebook = _Notebook()


def _display(shown: object) -> None:
    show = getattr(shown, "show", None)
    if show is None:
        sys.stdout.write(f"{shown}\n")
    else:
        show()


def _entry_point(package: str, name: str) -> Callable[[], object]:
    """The function that the package's metadata calls by this name, or else the package's attribute."""
    found = [each for each in distribution(package).entry_points if each.name == name]
    loaded: Callable[[], object] = found[0].load() if found else getattr(importlib.import_module(package), name)
    return loaded


def _write_to(log: Path) -> None:
    """Have all that this process and its children print in the log, at once."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def _die_with_the_endpoint() -> None:
    endpoint = multiprocessing.parent_process()
    if endpoint is None:
        raise RuntimeError("a task's process is started by jobs_process")

    def watch() -> None:
        endpoint.join()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()
