"""The Event Grid webhook's side of the talk, decided without I/O: handshake, events, or what is wrong with them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


class BadDelivery(ValueError):
    """The body is no delivery of events; answered 400, which Event Grid does not retry."""


class BinaryMode(ValueError):
    """A CloudEvents delivery with its attributes in `ce-` headers, which Event Grid never sends; answered 501."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """Event Grid asks whether the endpoint wants its events; the answer repeats the code."""

    answer: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The subscription was deleted; nothing to run."""


@dataclass(frozen=True, slots=True)
class Events:
    """A delivery, one JSON text an event."""

    bodies: tuple[str, ...]


def read_delivery(headers: Mapping[str, str], body: bytes) -> Handshake | Unsubscribed | Events:
    """What a POST to the webhook is: an array in Event Grid's schema, one CloudEvent, or a batch of them."""
    if "ce-specversion" in headers:
        raise BinaryMode("CloudEvents in binary mode (ce- headers) are not supported: send structured JSON")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadDelivery(f"the body is not JSON: {error}") from error
    events = document if isinstance(document, list) else [document]
    if not all(isinstance(event, dict) for event in events):
        raise BadDelivery("events are JSON objects, in an array or a single CloudEvent")
    kind = headers.get("aeg-event-type", "").lower()
    if kind == "subscriptiondeletion":
        return Unsubscribed()
    if kind == "subscriptionvalidation" or any(event.get("eventType") == VALIDATION for event in events):
        return _handshake(events)
    if not isinstance(document, list) and "specversion" not in document:
        raise BadDelivery("a single object must be a CloudEvent with specversion; Event Grid's own schema sends arrays")
    return Events(tuple(json.dumps(event) for event in events))


def preflight(headers: Mapping[str, str]) -> dict[str, str] | None:
    """The headers that allow CloudEvents from the asking origin; None when the request asks nothing."""
    origin = headers.get("WebHook-Request-Origin")
    if not origin:
        return None
    return {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": headers.get("WebHook-Request-Rate", "*")}


def _handshake(events: list[dict[str, Any]]) -> Handshake:
    if len(events) != 1 or not isinstance(events[0].get("data"), dict):
        raise BadDelivery("a subscription validation is one event with data")
    code = events[0]["data"].get("validationCode")
    if not isinstance(code, str):
        raise BadDelivery("a subscription validation's data holds a validationCode")
    return Handshake({"validationResponse": code})
