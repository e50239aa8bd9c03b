"""A spoke's whole job from its bundle's own YAML, on real data: `make demo-spoke`. Exit 0 if every step holds.

Both ways to start it: a scheduler with parameters, and the service with a batch_id; silver, gold and the export follow.
"""

import csv
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from hub_core.identifiers import quote
from hub_core.model import LoadState
from hubctl.client import HubClient
from hubctl.documents import Load
from hubctl.target import Target, base_url
from local_stack.demo_cloud import Landing, Warehouse
from local_stack.demo_data import LOB, DemoFile
from local_stack.stack import Stack
from local_stack.story import StepFailed, Story, asked, expect, file_progress, source_files, told
from local_stack.toolchain import PROJECT

STATE = Path(".local") / "demo-spoke"
SPOKE = PROJECT / "examples" / "spoke_falcon"
TASKS = ["bronze_load", "silver_clean", "gold_aggregate", "downstream_export"]
SECOND_HALF = "2013-07"
GOLD = "delays_by_carrier_day"
# The service learns of a notebook's load by its sweep; that this one does not load what no event told of leaves the
# second half of the files to the request.
SETTINGS = {"HUB_SWEEP_MINUTES": "1", "HUB_SWEEP_LOADS": "false"}
_OVER = {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}


def _run(story: Story) -> None:
    files = source_files(story)
    with ExitStack() as exits:
        with story.step("An empty stack with the spoke's bundle", seconds=600) as step:
            story.command(f"hubctl up --fresh --state-dir {STATE} --spoke {SPOKE.relative_to(PROJECT)}")
            stack = exits.enter_context(Stack(STATE, fresh=True, spokes=[SPOKE], settings=SETTINGS, say=story.tell))
            [spoke] = stack.spokes
            step.figures = ", ".join(f"{key} is job {job_id}" for key, job_id in spoke.job_ids.items())
        client = exits.enter_context(HubClient(Target(base_url(stack.functions_url), stack.function_key)))
        warehouse = exits.enter_context(closing(Warehouse(stack)))
        landing = Landing(stack.storage_connection_string)
        _Demo(story, stack, client, warehouse, landing, spoke.job_ids, files).tell()


@dataclass(frozen=True, slots=True)
class _Demo:
    story: Story
    stack: Stack
    client: HubClient
    warehouse: Warehouse
    landing: Landing
    job_ids: Mapping[str, int]
    files: Sequence[DemoFile]

    def tell(self) -> None:
        """All steps, in order."""
        later = [file for file in self.files if _day(file) >= SECOND_HALF]
        first = [file for file in self.files if file not in later]
        self.land(first)
        batch = self.by_scheduler(first)
        self.all_layers(first)
        self.seen_by_the_service(batch, first)
        self.land(later)
        self.by_service(later)
        self.all_layers(self.files)
        self.again()

    def land(self, files: Sequence[DemoFile]) -> None:
        """The LOB's systems send files."""
        with self.story.step(f"{len(files):,} files land in storage", seconds=300) as step:
            with file_progress(self.story.console, "uploading", len(files)) as advance:
                root = f"{self.stack.landing_root.rstrip('/')}/{LOB}"
                uploads = [(f"{root}/{file.landing}", file.path.read_bytes) for file in files]
                self.landing.put_all(uploads, advance)
            step.figures = f"{sum(file.rows for file in files):,} rows"

    def by_scheduler(self, files: Sequence[DemoFile]) -> str:
        """The job with parameters, as a scheduler starts it; the notebook plans by itself. Its batch_id."""
        with self.story.step("A scheduler runs the spoke's job: bronze, silver, gold, export", seconds=900) as step:
            run = self.run_job("bronze_job", {"category": LOB, "begin_date": "2013-01-01"})
            _expect_tasks(run, TASKS)
            batches = self.batches()
            if len(batches) != 1:
                raise StepFailed(f"the tracker has the batches {sorted(batches)}, not one")
            [(batch, loaded)] = batches.items()
            if loaded != len(files):
                raise StepFailed(f"the notebook loaded {loaded:,} files, not {len(files):,}")
            step.figures = f"{' → '.join(TASKS)}; {loaded:,} files in batch {batch}"
            return batch

    def seen_by_the_service(self, batch: str, files: Sequence[DemoFile]) -> None:
        """The service shows a load that it has not planned."""
        with self.story.step("The service shows the notebook's load", seconds=300) as step:
            self.story.command(f"hubctl status {batch}")
            end = time.monotonic() + 240
            while (load := self.load_if_known(batch)) is None or not LoadState(load.state).is_final:
                if time.monotonic() > end:
                    raise StepFailed(f"the service does not show {batch}")
                time.sleep(2)
            expect(load, "SUCCESS", success=len(files))
            step.figures = f"{load.state}, trigger {load.trigger}, run {load.run_id}"

    def by_service(self, files: Sequence[DemoFile]) -> None:
        """A request to the service: it plans, and starts the spoke's own job with a batch_id."""
        with self.story.step("The service runs the same job for a request", seconds=900) as step:
            load = asked(self.story, self.client, {"lob": LOB, "begin_date": "2013-01-01"})
            expect(load, "SUCCESS", success=len(files))
            run = self.follow(int(str(load.run_id)))
            _expect_tasks(run, TASKS)
            if run["job_id"] != self.job_ids["bronze_job"]:
                raise StepFailed(f"the service ran job {run['job_id']}, not the spoke's")
            step.figures = f"load {load.id}: {load.success:,} files; then {' → '.join(TASKS[1:])}"

    def again(self) -> None:
        """The scheduler once more: nothing is due, and no layer changes."""
        with self.story.step("The same job again loads nothing, and changes nothing", seconds=600) as step:
            before = self.batches()
            _expect_tasks(self.run_job("bronze_job", {"category": LOB, "begin_date": "2013-01-01"}), TASKS)
            if self.batches() != before:
                raise StepFailed("a batch was added, though nothing was due")
            for key in ("silver_job", "gold_job", "downstream_job"):
                self.run_job(key, {})
            step.figures = "and silver, gold and downstream by themselves"
        self.all_layers(self.files)

    def all_layers(self, files: Sequence[DemoFile]) -> None:
        """Bronze, silver and gold against the source, and the export against gold."""
        with self.story.step("Every layer holds what the source holds", seconds=300) as step:
            wanted = Counter[str]()
            for file in files:
                wanted[file.feed.table] += file.rows
            delays = _flights_and_cancellations(files)
            expected = {f"bronze {table}": rows for table, rows in wanted.items()}
            expected |= {"silver flights": wanted["flights"], f"gold {GOLD}": len(delays)}
            expected |= {"gold flights": sum(flights for flights, _ in delays.values())}
            expected |= {"gold cancelled": sum(cancelled for _, cancelled in delays.values())}
            expected |= {"exported rows": len(delays)}
            seen = {f"bronze {table}": self.count("bronze", table) for table in wanted}
            seen |= {"silver flights": self.count("silver", "flights"), f"gold {GOLD}": self.count("gold", GOLD)}
            seen |= self.gold_sums()
            seen |= {"exported rows": self.exported()}
            shown = Table("what", "source", "here", box=None)
            for what, count in expected.items():
                shown.add_row(Text(what), f"{count:,}", f"{seen[what]:,}")
            self.story.console.print(shown)
            step.figures = f"{wanted['flights']:,} flights, {len(delays):,} days of carriers"
            wrong = [what for what, count in expected.items() if seen[what] != count]
            if wrong:
                raise StepFailed(f"not what the source holds: {', '.join(wrong)}")

    # what the steps are made of

    def run_job(self, key: str, parameters: dict[str, str]) -> dict[str, Any]:
        """A run of one of the spoke's jobs, once it is over."""
        given = " ".join(f"{name}={value}" for name, value in parameters.items())
        self.story.command(f"databricks bundle run {key} --params {given}" if given else f"databricks bundle run {key}")
        started = self.workspace().jobs.run_now(self.job_ids[key], job_parameters=parameters)
        return self.follow(int(str(started.run_id)))

    def follow(self, run_id: int) -> dict[str, Any]:
        """The run once it is over, each of its tasks told as it ends; StepFailed where one fails."""
        jobs, shown = self.workspace().jobs, set[str]()
        while True:
            run: dict[str, Any] = jobs.get_run(run_id).as_dict()
            for task in run.get("tasks", []):
                state = task["state"]
                if state["life_cycle_state"] in _OVER and task["task_key"] not in shown:
                    shown.add(task["task_key"])
                    self.story.tell(f"{task['task_key']}: {state.get('result_state')}")
                    if state.get("result_state") != "SUCCESS":
                        output = jobs.get_run_output(task["run_id"])
                        raise StepFailed(f"{task['task_key']}: {output.error}\n{output.logs}")
            if run["state"]["life_cycle_state"] in _OVER:
                return run
            time.sleep(1)

    def workspace(self) -> Any:
        """The workspace, by its SDK."""
        from databricks.sdk import WorkspaceClient

        return WorkspaceClient(host=self.stack.databricks_host, token=self.stack.databricks_token)

    def load_if_known(self, load_id: str) -> Load | None:
        """The load, where the service knows it."""
        return next((load for load in self.client.loads(lob=LOB, limit=50) if load.id == load_id), None)

    def batches(self) -> dict[str, int]:
        """Files that are SUCCESS, by batch."""
        tracker = quote(self.stack.catalog, "bronze_metadata", "load_tracker")
        query = f"SELECT batch_id, count_if(load_status = 'SUCCESS') AS n FROM {tracker} GROUP BY batch_id"  # noqa: S608
        return {str(row["batch_id"]): int(str(row["n"])) for row in self.warehouse.rows(query)}

    def count(self, layer: str, table: str) -> int:
        """Rows of a table."""
        name = quote(self.stack.catalog, f"{LOB}_{layer}", table)
        [row] = self.warehouse.rows(f"SELECT count(*) AS n FROM {name}")  # noqa: S608 — quoted
        return int(str(row["n"]))

    def gold_sums(self) -> dict[str, int]:
        """All flights and cancellations of the gold table."""
        name = quote(self.stack.catalog, f"{LOB}_gold", GOLD)
        query = f"SELECT sum(flights) AS flights, sum(cancelled) AS cancelled FROM {name}"  # noqa: S608 — quoted
        [row] = self.warehouse.rows(query)
        return {"gold flights": int(str(row["flights"])), "gold cancelled": int(str(row["cancelled"]))}

    def exported(self) -> int:
        """Rows of the parquet files that the downstream step has written."""
        root = f"{self.stack.landing_root.rstrip('/').rpartition('/')[0]}/export/{LOB}/{GOLD}"
        [row] = self.warehouse.rows(f"SELECT count(*) AS n FROM parquet.`{root}`")  # noqa: S608 — the stack's own address
        return int(str(row["n"]))


def _expect_tasks(run: Mapping[str, Any], keys: Sequence[str]) -> None:
    """StepFailed unless the run's tasks were these, in this order, one after the other."""
    tasks = sorted(run["tasks"], key=lambda task: task["start_time"])
    found = [task["task_key"] for task in tasks]
    if found != list(keys):
        raise StepFailed(f"the run's tasks were {found}, not {list(keys)}")
    overlap = [late["task_key"] for early, late in pairwise(tasks) if late["start_time"] < early["end_time"]]
    if overlap:
        raise StepFailed(f"{', '.join(overlap)} began before the task before it had ended")


def _day(file: DemoFile) -> str:
    """The day in a daily file's name; empty for the others."""
    return file.path.stem.rpartition("_")[2] if "_" in file.path.stem else ""


def _flights_and_cancellations(files: Sequence[DemoFile]) -> dict[tuple[str, str], tuple[int, int]]:
    """By carrier and day, straight from the source's files: flights, and those that never departed."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for file in files:
        if file.feed.table != "flights":
            continue
        for row in _records(file.path):
            key = row["carrier"], f"{row['year']}-{row['month']}-{row['day']}"
            flights, cancelled = counts.get(key, (0, 0))
            counts[key] = flights + 1, cancelled + (row["dep_time"] == "")
    return counts


def _records(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as lines:
        yield from csv.DictReader(lines)


if __name__ == "__main__":
    sys.exit(told("A spoke's own job, on real data", STATE, _run))
