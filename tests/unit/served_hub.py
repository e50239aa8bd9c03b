"""The hub's own app on stand-ins, in a process of its own, for commands that want a service.

It prints the environment in which commands find it, as a line of JSON, and works until its standard input ends.
"""

import json
import sys
import threading

from tests.browser.served import KEY, Scene, served
from tests.unit.doubles import serving


def main() -> None:
    """Serve a hub that has one PARTIAL load; whatever is asked for is planned, and its run succeeds."""
    scene = Scene()
    load = scene.mixed()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    with serving(scene.hub), served() as origin:
        print(json.dumps({"HUB_URL": origin, "HUB_KEY": KEY, "LOAD_ID": load.id}), flush=True)
        while not ended.wait(0.1):
            scene.work()
            for stored in scene.loads.open():
                if stored.load.run_id:
                    scene.finish(stored.load)
            scene.later()


if __name__ == "__main__":
    main()
