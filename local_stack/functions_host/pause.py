"""Waiting that a stop ends."""

import asyncio


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until the event is set; whether it is set."""
    try:
        await asyncio.wait_for(stop.wait(), max(seconds, 0))
    except TimeoutError:
        return stop.is_set()
    return True
