"""A loader that is killed at a named step and started again: nothing is lost, nothing is there twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hub_core.model import Feed
from tests.spark.conftest import Lake

pytestmark = pytest.mark.stack

# Each step is a method of one of the loader's collaborators; the process kills itself before or after its first call.
DRIVER = """
import os, signal, sys
from importlib import import_module
from pyspark.sql import SparkSession
from spark_jobs.loader import Loader

place, moment, catalog, batch = sys.argv[1:]
module, owner, method = place.split(":")
owner = getattr(import_module(module), owner)
original = getattr(owner, method)

def killed(self, *arguments, **options):
    if moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = original(self, *arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
    return answer

setattr(owner, method, killed)
spark = SparkSession.builder.getOrCreate()
Loader(spark, catalog, batch, "killed").run()
"""
STEPS = [
    ("before", "spark_jobs.destination:Destination:append", "the claims have their commit_id"),
    ("after", "spark_jobs.destination:Destination:append", "the rows are in the table"),
    ("after", "spark_jobs.destination:Destination:rows_of", "the rows are counted"),
    ("after", "spark_jobs.loading:GroupLoader:_finish", "the last MERGE is on its way"),
    ("after", "spark_jobs.claim_changes:ClaimChanges:flush", "everything is written"),
    ("before", "spark_jobs.loading:GroupLoader:_divide", "a bad file is found"),
    ("after", "spark_jobs.destination:Destination:close", "the first commit is closed"),
    ("after", "spark_jobs.quarantine:Quarantine:write", "the bad records are in quarantine"),
    ("after", "spark_jobs.loading:GroupLoader:_divide", "the files are divided"),
]


def _killed(lake: Lake, remote: str, step: str, moment: str, batch: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", DRIVER, step, moment, lake.catalog, batch],
        env={**os.environ, "SPARK_REMOTE": remote},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr[-2000:]


def _fed(lake: Lake) -> Feed:
    feed = lake.feed("killed" + uuid4().hex[:6])
    lake.sync(feed)
    for index in range(3):
        lake.put(feed, f"f{index}.csv", f"id,name\n{index},a\n{index},b\n")
    return feed


@pytest.mark.parametrize(("moment", "step", "when"), STEPS, ids=[step[2] for step in STEPS])
def test_killed_and_started_again_it_loads_each_file_once(
    lake: Lake, parts: Any, moment: str, step: str, when: str
) -> None:
    feed = _fed(lake)
    dividing = any(part in step for part in ("_divide", "close", "Quarantine"))
    if dividing:
        lake.put(feed, "bad.csv", "id,name\n1\n")
    batch = lake.claim(feed)
    _killed(lake, parts.spark_remote, step, moment, batch)
    lake.load(batch)
    expected = [(str(index), name) for index in range(3) for name in "ab"]
    assert lake.rows(feed, "id", "name") == expected
    outcomes = {name: (file.status, file.row_count) for name, file in lake.files(batch, feed).items()}
    assert outcomes == {f"f{index}.csv": ("SUCCESS", 2) for index in range(3)} | (
        {"bad.csv": ("QUARANTINED", 0)} if dividing else {}
    )
    assert [row[0] for row in lake.quarantined(feed)] == (["1"] if dividing else [])


def test_two_loaders_of_one_batch_at_once_load_each_file_once(lake: Lake, parts: Any) -> None:
    feed = _fed(lake)
    lake.put(feed, "bad.csv", "id,name\n1\n")
    batch = lake.claim(feed)
    command = [sys.executable, "-m", "spark_jobs.bronze_load", "--batch-id", batch, "--catalog", lake.catalog]
    environment = {**os.environ, "SPARK_REMOTE": parts.spark_remote}
    runs = [
        subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    assert len(lake.rows(feed, "id")) == 6
    assert {name: file.status for name, file in lake.files(batch, feed).items()} == {
        "bad.csv": "QUARANTINED", "f0.csv": "SUCCESS", "f1.csv": "SUCCESS", "f2.csv": "SUCCESS"
    }  # fmt: skip
    assert [row[0] for row in lake.quarantined(feed)] == ["1"]
