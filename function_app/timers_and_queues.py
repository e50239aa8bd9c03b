"""The functions that nobody calls over HTTP."""

import json

import azure.functions as func

from hub_core.bootstrap import hub
from hub_core.errors import Rejected
from hub_core.logs import logger

log = logger(__name__)
triggers = func.Blueprint()  # type: ignore[no-untyped-call]  # the library leaves it untyped

STORAGE = "AzureWebJobsStorage"


@triggers.event_grid_trigger("event")
def on_blob_created(event: func.EventGridEvent) -> None:
    """A blob event: kept for the next drain if it is of a file of ours. A failure here makes Event Grid send again.

    Whatever the annotation says, which has to be one class, an event in the other schema arrives as a CloudEvent.
    """
    if isinstance(event, func.CloudEvent):
        kind, then = event.type, event.time
    else:
        kind, then = event.event_type, event.event_time
    body = {"id": event.id, "eventType": kind, "subject": event.subject, "data": event.get_json()}
    if then is not None:
        body["eventTime"] = then.isoformat()
    try:
        hub().take_event(json.dumps(body))
    except Rejected as error:
        log.warning("dropped an event: %s", error.message)


@triggers.timer_trigger("timer", "*/15 * * * * *")
def drain_events(timer: func.TimerRequest) -> None:  # noqa: ARG001 — the binding's name
    """Every 15 seconds: many events become one load per LOB."""
    hub().drain()


@triggers.queue_trigger("message", "loads", STORAGE)
def plan_load(message: func.QueueMessage) -> None:
    """A load to move on."""
    hub().plan(message.get_body().decode("utf-8"))


@triggers.queue_trigger("message", "loads-poison", STORAGE)
def on_poisoned_load(message: func.QueueMessage) -> None:
    """A load whose message failed five times."""
    hub().poisoned(message.get_body().decode("utf-8"))


@triggers.timer_trigger("timer", "0 * * * * *")
def reconcile(timer: func.TimerRequest) -> None:  # noqa: ARG001 — the binding's name
    """Every minute: whatever stands still is moved on."""
    hub().reconcile()
