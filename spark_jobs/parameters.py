"""A notebook's parameters: widgets where there are some, else the process's arguments."""

import sys
from collections.abc import Sequence
from typing import Any


class WidgetManager:
    """Parameters by name.

    On Databricks a notebook task's parameters, and those of its job, arrive as widgets; a wheel or script has them as
    arguments, `--name=value` or `--name value`. What is asked for is looked up in the widgets first.
    """

    def __init__(self, dbutils: Any = None, arguments: Sequence[str] | None = None) -> None:
        """`dbutils` and `arguments` as they are found here, unless given."""
        self._dbutils = dbutils if dbutils is not None else _notebooks_dbutils()
        self._arguments = _parsed(sys.argv[1:] if arguments is None else arguments)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The parameter's value; `default` where it is absent or empty."""
        return self._widget(name) or self._arguments.get(name) or default

    def _widget(self, name: str) -> str | None:
        if self._dbutils is None:
            return None
        # A widget that is not there is an error to `get`, whose class is the JVM's; all of them hold only those there.
        found = self._dbutils.widgets.getAll().get(name)
        return None if found is None else str(found)


def _notebooks_dbutils() -> Any:
    """`dbutils` as Databricks puts it among a notebook's names, those of `__main__` or of IPython; None elsewhere."""
    found = getattr(sys.modules.get("__main__"), "dbutils", None)
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    if found is None and get_ipython is not None and (shell := get_ipython()) is not None:
        return shell.user_ns.get("dbutils")
    return found


def _parsed(arguments: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = None
    for argument in arguments:
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            waiting = None if equals else name
            if equals:
                found[name] = value
        elif waiting is not None:
            found[waiting] = argument
            waiting = None
    return found
