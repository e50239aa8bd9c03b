"""A process that moves one load on, as the service would, and may end itself on the way: by SIGKILL, at a named step.

usage: planner_process.py LOAD_ID [--kill PORT.METHOD --when before|after --nth N] [--start-at EPOCH_SECONDS]
The environment holds the service's settings.
"""

import argparse
import dataclasses
import os
import signal
import time
from typing import NoReturn

from hub_core.bootstrap import build
from hub_core.errors import HubError
from hub_core.messages import LoadMessage
from hub_core.settings import Settings
from tests.unit.doubles import DyingAt


def end() -> NoReturn:
    """End this process as a crash would: nothing is cleaned up, nothing is said."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


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
        dying = DyingAt(getattr(hub.planner, port), method, end, after=options.when == "after", nth=options.nth)
        hub = dataclasses.replace(hub, planner=dataclasses.replace(hub.planner, **{port: dying}))
    time.sleep(max(0.0, options.start_at - time.time()))
    try:
        hub.plan(LoadMessage(load_id=options.load_id).to_json())
    except HubError as error:
        raise SystemExit(f"{error.code}: {error.message}") from error


if __name__ == "__main__":
    main()
