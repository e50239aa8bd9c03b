"""A loader's process that kills itself, or Spark, on the way: before or after a step, or some time after it began.

usage: loader_process.py BATCH_ID CATALOG --step NUMBER [--name NAME] (--when before|after | --later SECONDS)
    [--victim PID]
Without --step nothing is killed. A command that fails is no step. With a name, NUMBER counts the steps of that name.
SPARK_REMOTE says where Spark is. A run that comes to its end prints a `Report`, its last line.
"""

import argparse
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.connect.client import SparkConnectClient

from spark_jobs import spark_sql
from spark_jobs.loader import Loader

_READS = re.compile(r"\s*(?:EXECUTE\s+IMMEDIATE\s+')?(?:\s|\\n|\()*(?:SELECT|WITH)\b", re.IGNORECASE)
_OF_THE_HUB = frozenset({"file_config", "load_tracker", "quarantine"})


@dataclass(frozen=True)
class Step:
    """A command that changes something: its name, when it began in the load, and how long it took, in seconds."""

    name: str
    began: float
    took: float


@dataclass(frozen=True)
class Report:
    """What a run did."""

    steps: list[Step]
    """In the order in which they began."""
    conflicts: list[int]
    """How often each statement that met concurrent modification was run again."""
    seconds: float

    @staticmethod
    def read(output: str) -> "Report":
        """The report at the end of a run's output."""
        known = json.loads(output.splitlines()[-1])
        return Report([Step(**step) for step in known["steps"]], known["conflicts"], known["seconds"])


def step_name(command: Any) -> str | None:
    """What a command of Spark Connect does to which table; None where it only reads."""
    kind = str(command.WhichOneof("command_type"))
    if kind == "ml_command":
        return None  # how a client says goodbye
    if kind != "sql_command":
        table = getattr(getattr(command, kind), "table", None)
        return f"{kind} {_known(table.table_name)}" if table is not None else kind
    text = command.sql_command.input.sql.query
    if _READS.match(text):
        return None
    words = text.split()
    return " ".join([*words[:2], *[_known(word) for word in words if word.count(".") == 2][:1]])


def _known(table: str) -> str:
    name = table.rpartition(".")[2].strip("`")
    return name if name in _OF_THE_HUB else "a bronze table"


class Killer:
    """Sends SIGKILL to one process, as a crash would end it: nothing is cleaned up, nothing is said."""

    def __init__(self, victim: int) -> None:
        self._victim = victim

    def kill(self) -> None:
        os.kill(self._victim, signal.SIGKILL)

    def kill_in(self, seconds: float) -> None:
        """Later, whatever this process does then."""

        def wait() -> None:
            time.sleep(seconds)
            self.kill()

        threading.Thread(target=wait, daemon=True).start()


class Steps:
    """Sees every command that this process sends to Spark: whatever the loader writes, it can't write otherwise."""

    def __init__(self, killer: Killer, number: int | None, name: str | None, when: str, later: float) -> None:
        self._killer = killer
        self._number = number
        self._name = name
        self._when = when
        self._later = later
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._seen: dict[int, Step] = {}

    def watch(self) -> None:
        """From now on."""
        send = SparkConnectClient.execute_command

        def watched(client: Any, command: Any, *arguments: Any, **options: Any) -> Any:
            name = step_name(command)
            if name is None:
                return send(client, command, *arguments, **options)
            return self._step(name, lambda: send(client, command, *arguments, **options))

        SparkConnectClient.execute_command = watched

    def _step(self, name: str, act: Callable[[], Any]) -> Any:
        began = time.monotonic()
        with self._lock:
            number = next(number for number in count(1) if number not in self._seen)
            self._seen[number] = Step(name, began - self._began, 0.0)
            # Steps of several threads come in any order, so that with a name they are counted by it.
            nth = number if self._name is None else sum(step.name == name for step in self._seen.values())
            chosen = nth == self._number and self._name in {None, name}
            due, self._number = (self._when, None) if chosen else ("", self._number)
        if due:
            sys.stderr.write(f"killing {due} step {nth}, {name}\n")
            sys.stderr.flush()
        if due == "before":
            self._killer.kill()
        if due == "during":
            self._killer.kill_in(self._later)
        try:
            answer = act()
        except Exception:
            # It changed nothing; the next command is this step.
            with self._lock:
                del self._seen[number]
                self._number = nth if due == "after" else self._number
            raise
        if due == "after":
            self._killer.kill()
        self._seen[number] = Step(name, began - self._began, time.monotonic() - began)
        return answer

    def seen(self) -> list[Step]:
        """The steps so far."""
        return [self._seen[number] for number in sorted(self._seen)]


def count_conflicts() -> list[int]:
    """A list that grows by a number for each statement that is run again."""
    counted: list[int] = []
    original = spark_sql.again_on_conflict

    def again(act: Callable[[], Any], *options: Any) -> Any:
        tries = 0

        def once() -> Any:
            nonlocal tries
            tries += 1
            return act()

        try:
            return original(once, *options)
        finally:
            if tries > 1:
                counted.append(tries - 1)

    spark_sql.again_on_conflict = again
    return counted


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("batch_id")
    parser.add_argument("catalog")
    parser.add_argument("--step", type=int)
    parser.add_argument("--name")
    parser.add_argument("--when", choices=["before", "during", "after"], default="during")
    parser.add_argument("--later", type=float, default=0.0)
    parser.add_argument("--victim", type=int, default=os.getpid())
    options = parser.parse_args()
    conflicts = count_conflicts()
    killer = Killer(options.victim)
    spark = SparkSession.builder.getOrCreate()
    steps = Steps(killer, options.step, options.name, options.when, options.later)
    steps.watch()
    began = time.monotonic()
    Loader(spark, options.catalog, options.batch_id, "killed").run()
    report = Report(steps.seen(), conflicts, time.monotonic() - began)
    sys.stdout.write(json.dumps(asdict(report)) + "\n")


if __name__ == "__main__":
    main()
