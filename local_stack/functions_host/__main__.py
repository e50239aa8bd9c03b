"""`python -m local_stack.functions_host`: serve one Functions app on this machine.

App settings are the environment. Exit codes: 0 stopped and drained, 1 could not start or
abandoned running functions, 2 wrong arguments.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from local_stack.functions_host.errors import StartFailed
from local_stack.functions_host.host import Options, serve
from local_stack.functions_host.keys import Keys
from local_stack.functions_host.server import HTTP_TIMEOUT_SECONDS, MAX_BODY_BYTES, Limits


def parse_options(arguments: list[str]) -> Options:
    """The command line as Options; prints usage and exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m local_stack.functions_host", description=__doc__)
    add = parser.add_argument
    add("--app", type=Path, required=True, help="the directory of host.json and function_app.py")
    add("--state", type=Path, required=True, help="where timers remember their last runs")
    add("--host", default="127.0.0.1", help="the address to listen on")
    add("--port", type=int, required=True, help="0 for a free one; the log says which")
    add("--function-key", required=True, help="opens function-level routes and the Event Grid webhook")
    add("--master-key", required=True, help="opens everything, the admin API too")
    add(
        "--message-lease",
        type=int,
        default=30,
        help="seconds a dequeued message is hidden, renewed while its "
        "function runs; Azure's host takes 600, so messages of a killed host come back later there",
    )
    add("--drain", type=float, default=30.0, help="seconds that running functions have to end after SIGTERM")
    add("--http-timeout", type=float, default=HTTP_TIMEOUT_SECONDS, help="seconds until a caller gets 504")
    add("--max-body", type=int, default=MAX_BODY_BYTES, help="bytes of a request's body until 413")
    given = parser.parse_args(arguments)
    if not given.function_key or not given.master_key:
        parser.error("keys must not be empty")
    if given.message_lease < 1:
        parser.error("--message-lease must be at least 1")
    return Options(
        app=given.app.resolve(),
        state=given.state.resolve(),
        host=given.host,
        port=given.port,
        keys=Keys(given.function_key, given.master_key),
        limits=Limits(given.max_body, given.http_timeout),
        message_lease=given.message_lease,
        drain=given.drain,
    )


def main() -> None:
    """Serve, and end the process with the outcome."""
    options = parse_options(sys.argv[1:])
    # The worker imports the app by its module's name, and other apps may be importable too: this one goes first.
    sys.path.insert(0, str(options.app))
    try:
        code = asyncio.run(serve(options, os.environ))
    except (StartFailed, OSError) as error:
        print(f"the Functions host can't start: {error}", file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of abandoned functions would keep a normal exit waiting.
    os._exit(code)


if __name__ == "__main__":
    main()
