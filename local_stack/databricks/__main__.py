"""`python -m local_stack.databricks --port P --token T --spark-remote sc://… --state DIR --jobs FILE --catalog C`.

Serves until SIGTERM or SIGINT, then ends its runs' processes. Knows its runs again when it is started anew
with the same `--state`.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
from pathlib import Path

from local_stack.databricks.jobs_api import JobsApi
from local_stack.databricks.jobs_definition import read_jobs
from local_stack.databricks.jobs_process import prepare
from local_stack.databricks.jobs_scheduler import Scheduler
from local_stack.databricks.jobs_spark import attempt_remote, stop_spark_work
from local_stack.databricks.jobs_store import RunStore
from local_stack.databricks.server import Databricks, serve
from local_stack.databricks.warehouse import Warehouse


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local_stack.databricks", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--spark-remote", required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--jobs", type=Path, required=True)
    parser.add_argument("--catalog", default="spark_catalog")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")

    prepare()
    jobs = read_jobs(options.jobs)
    store = RunStore(options.state / "runs.sqlite")
    scheduler = Scheduler(
        jobs,
        store,
        options.state / "logs",
        environment=lambda attempt_id: {"SPARK_REMOTE": attempt_remote(options.spark_remote, attempt_id)},
        cleanup=lambda attempt_id: stop_spark_work(options.spark_remote, attempt_id),
    )
    warehouse = Warehouse(options.spark_remote, options.catalog)
    api = JobsApi(jobs, scheduler, f"http://127.0.0.1:{options.port}")
    server = serve(options.port, Databricks(options.token, options.spark_remote, warehouse, api))
    # Only now that the port is this process's: two endpoints must not recover the same runs.
    scheduler.recover()

    def stop(*_: object) -> None:
        # shutdown() waits for serve_forever(), which this signal interrupts: so in a thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    scheduler.stop()
    warehouse.close()
    store.close()


if __name__ == "__main__":
    main()
