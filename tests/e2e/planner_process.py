"""A process that moves one load on, as the service would, and may end itself on the way: by SIGKILL, at a named step.

usage: planner_process.py LOAD_ID [--kill PORT.METHOD --when before|after --nth N] [--start-at EPOCH_SECONDS]
The environment holds the service's settings.
"""

import argparse
import dataclasses
import os
import signal
import time

from hub_core.bootstrap import build
from hub_core.errors import HubError
from hub_core.messages import LoadMessage
from hub_core.settings import Settings


class DyingAt:
    """A port whose nth call of a method ends the process, before or after the call took effect."""

    def __init__(self, port: object, method: str, when: str, nth: int) -> None:
        self._port, self._method, self._when, self._left = port, method, when, nth

    def __getattr__(self, name: str) -> object:
        real = getattr(self._port, name)
        if name != self._method:
            return real

        def call(*args: object, **kwargs: object) -> object:
            self._left -= 1
            if self._left == 0 and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*args, **kwargs)
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("load_id")
    parser.add_argument("--kill")
    parser.add_argument("--when", default="before")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--start-at", type=float, default=0.0)
    options = parser.parse_args()
    hub = build(Settings.from_environment())
    if options.kill:
        port, method = options.kill.split(".")
        dying = DyingAt(getattr(hub.planner, port), method, options.when, options.nth)
        hub = dataclasses.replace(hub, planner=dataclasses.replace(hub.planner, **{port: dying}))
    time.sleep(max(0.0, options.start_at - time.time()))
    try:
        hub.plan(LoadMessage(load_id=options.load_id).to_json())
    except HubError as error:
        raise SystemExit(f"{error.code}: {error.message}") from error


if __name__ == "__main__":
    main()
