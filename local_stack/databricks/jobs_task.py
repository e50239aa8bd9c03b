"""The process of one task attempt: `python -P jobs_task.py LIFELINE KIND …`.

LIFELINE is the read end of a pipe that the endpoint holds open. When the endpoint goes, even by SIGKILL, the
pipe closes, and this process ends with everything it started: no run outlives its endpoint.
Standard library only, and nothing of this project: the task brings its own imports.
"""

import importlib
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from importlib.metadata import distribution


def main(arguments: list[str]) -> None:
    """Run the task in this process; raises what it raises."""
    lifeline, kind, *command = arguments
    _die_with(int(lifeline))
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
