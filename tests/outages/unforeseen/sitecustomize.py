"""First on a process's path, Python imports this at its start: then submitting a run fails as nobody foresaw."""

from hub_core.adapters.jobs import DatabricksJobs
from hub_core.model import Run


def submit(_: DatabricksJobs, lob: str, batch_id: str, token: str) -> Run:
    raise ZeroDivisionError(f"{lob}, {batch_id}, {token}")


DatabricksJobs.submit = submit  # type: ignore[method-assign]
