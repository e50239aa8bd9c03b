"""The process of one task attempt: `python -P jobs_task.py LIFELINE KIND …`.

LIFELINE is the read end of a pipe that the endpoint holds open. When the endpoint goes, even by SIGKILL, the
pipe closes, and this process ends with everything it started: no run outlives its endpoint.
Standard library only, and nothing of this project: the task brings its own imports.
"""

import importlib
import json
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import distribution


def main(arguments: list[str]) -> None:
    """Run the task in this process; raises what it raises."""
    lifeline, kind, *command = arguments
    _die_with(int(lifeline))
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


def _die_with(lifeline: int) -> None:
    os.set_inheritable(lifeline, False)

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


if __name__ == "__main__":
    main(sys.argv[1:])
