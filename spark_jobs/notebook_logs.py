"""Log lines of notebooks."""

import logging
import sys

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def get_logger(name: str, level: int = logging.INFO) -> logging.Logger:
    """A logger whose lines show in the notebook's output; asking for it again, as a cell does, changes nothing."""
    found = logging.getLogger(name)
    found.setLevel(level)
    if not found.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter(_FORMAT))
        found.addHandler(handler)
        # py4j and Databricks' own root handler would show each line once more.
        found.propagate = False
    return found
