"""Loads that name their files instead of a window: those that events and the sweep make."""

from collections.abc import Sequence
from datetime import datetime

from hub_core.errors import Broken
from hub_core.load import Load, new_id
from hub_core.messages import start
from hub_core.model import Trigger
from hub_core.ports import Documents, Loads, Queue
from hub_core.request import LoadRequest


def start_named(
    loads: Loads,
    queue: Queue,
    documents: Documents,
    *,
    lob: str,
    trigger: Trigger,
    paths: Sequence[str],
    now: datetime,
    trace: str | None = None,
) -> str:
    """Have the files `paths` of `lob` looked at and what is due of them loaded; the load's id."""
    load = Load(
        id=new_id(now), lob=lob, trigger=trigger, request=LoadRequest(lob=lob), created_at=now, updated_at=now,
        trace=trace,
    )  # fmt: skip
    # In this order a crash leaves at most a list of paths that nobody reads.
    documents.write(paths_document(load.id), list(paths))
    start(loads, queue, load)
    return load.id


def named_paths(documents: Documents, load_id: str) -> list[str]:
    """The files that the load was made for; Broken `PATHS_LOST` where the list is gone."""
    paths = documents.read(paths_document(load_id))
    if not isinstance(paths, list):
        raise Broken("PATHS_LOST", "the list of files that this load was made for is gone")
    return [str(path) for path in paths]


def paths_document(load_id: str) -> str:
    """The name of the document that lists a load's files."""
    return f"paths/{load_id}.json"
