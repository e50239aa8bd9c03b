"""What operators are told of a load that did not bring all of its files, or takes too long: one alert for each."""

from enum import StrEnum
from typing import Any

from hub_core.load import Load
from hub_core.model import iso

type Json = dict[str, Any]

OVERDUE = "OVERDUE"
CARD_TYPE = "application/vnd.microsoft.card.adaptive"


class AlertFormat(StrEnum):
    """What the webhook takes."""

    TEAMS = "teams"
    JSON = "json"


def alert_body(load: Load, form: AlertFormat) -> Json:
    """The alert on `load`, as JSON for a webhook."""
    return _card(load) if form is AlertFormat.TEAMS else _plain(load)


def headline(load: Load) -> str:
    """One line."""
    if _holds_files(load):
        return f"Load of {load.lob} ended {load.state}, and keeps files from other loads"
    if load.state.is_final:
        return f"Load of {load.lob} ended {load.state}"
    return f"Load of {load.lob} is {load.state} since {iso(load.created_at)}"


def reason(load: Load) -> tuple[str, str]:
    """The code, and a sentence."""
    if _holds_files(load):
        return OVERDUE, "its claims cannot be released, and their files are not due; the log says why each minute"
    if load.error:
        return load.error.code, load.error.message
    return OVERDUE, "the load takes longer than HUB_OVERDUE_HOURS allows; see its run and the loads that it waits for"


def _holds_files(load: Load) -> bool:
    """Whether the load is over, and its claims should long be released."""
    ended = load.finished_at
    return load.claims_open and ended is not None and load.overdue_at is not None and load.overdue_at >= ended


def _plain(load: Load) -> Json:
    code, message = reason(load)
    return {
        "kind": "load",
        "headline": headline(load),
        "load_id": load.id,
        "lob": load.lob,
        "state": load.state.value,
        "code": code,
        "message": message,
        "trigger": load.trigger.value,
        "files": load.files.model_dump(),
        "run_id": load.run_id,
        "run_page_url": load.run_page_url,
        "files_route": f"/api/loads/{load.id}/files",
        "finished_at": iso(load.finished_at) if load.finished_at else None,
    }


def _card(load: Load) -> Json:
    """An Adaptive Card in a message, as a Teams workflow takes it.

    https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
    """
    plain = _plain(load)
    files = load.files
    facts = {
        "Files": f"{files.failed} failed, {files.quarantined} quarantined, {files.success} loaded of {files.total}",
        "Code": plain["code"],
        "Load": load.id,
        "Trigger": plain["trigger"],
        "Finished": plain["finished_at"],
    }
    card: Json = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": plain["headline"], "weight": "Bolder", "color": "Attention", "wrap": True},
            {"type": "TextBlock", "text": plain["message"], "wrap": True},
            {"type": "FactSet", "facts": [{"title": name, "value": value} for name, value in facts.items() if value]},
        ],
    }
    if load.run_page_url:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the run", "url": load.run_page_url}]
    return {"type": "message", "attachments": [{"contentType": CARD_TYPE, "content": card}]}
