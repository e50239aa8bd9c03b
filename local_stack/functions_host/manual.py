"""What a function is given when the admin API runs it with an input text."""

import json
import uuid
from datetime import UTC, datetime, timedelta

from azure.storage.queue import QueueMessage

from local_stack.functions_host import protos
from local_stack.functions_host.errors import Unsupported
from local_stack.functions_host.index import EventGridTrigger, Function, HttpTrigger, QueueTrigger, TimerTrigger
from local_stack.functions_host.queues import message_data, message_metadata
from local_stack.functions_host.timers import timer_data


class BadInput(ValueError):
    """The text can't be this function's input; answered 400."""


def manual_input(function: Function, text: str) -> tuple[protos.TypedData, dict[str, protos.TypedData]]:
    """The argument and trigger metadata; ValueError when the text can't be its input, Unsupported for HTTP."""
    match function.trigger:
        case TimerTrigger():
            return timer_data(None, past_due=False), {}
        case QueueTrigger():
            message = QueueMessage(content=text, id=str(uuid.uuid4()), dequeue_count=1)
            message.inserted_on = datetime.now(UTC)
            message.expires_on = message.inserted_on + timedelta(days=7)
            return message_data(text.encode()), message_metadata(message)
        case EventGridTrigger():
            if not isinstance(json.loads(text), dict):
                raise BadInput("input must be one event's JSON")
            return protos.TypedData(json=text), {}
        case HttpTrigger():
            raise Unsupported(f"running the HTTP function {function.name} by the admin API is not supported: call it")
