"""A loader that is killed, at every step and at random instants, and started again: each file is loaded once."""

import random
import signal
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import pytest

from tests.faults.conftest import Loaders, ended, recorded
from tests.faults.deliveries import KINDS, Kind, assert_loaded_once, land
from tests.faults.loader_process import Report
from tests.lake import Lake

pytestmark = pytest.mark.stack

MOMENTS = ("before", "after")
SEEDS = range(8)
LOBS = ("hawk", "kite")
"""Points of two LOBs are tried side by side: loads of different LOBs don't meet in the tracker."""


@dataclass(frozen=True)
class Point:
    """Where a loader is killed."""

    number: int
    name: str
    when: str

    def __str__(self) -> str:
        return f"{self.when} step {self.number}, {self.name}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_killed_before_and_after_each_step_it_loads_each_file_once(
    kind: Kind, lake: Lake, loaders: Loaders, subtests: pytest.Subtests
) -> None:
    steps = recorded(lake, loaders, [kind]).steps
    nth: Counter[str] = Counter()
    points: list[Point] = []
    for step in steps:
        nth[step.name] += 1
        points += [Point(nth[step.name], step.name, when) for when in MOMENTS]
    with ThreadPoolExecutor(len(LOBS)) as pool:
        some = [points[start :: len(LOBS)] for start in range(len(LOBS))]
        failures = dict(chain(*pool.map(lambda points, lob: _failures(lake, loaders, kind, points, lob), some, LOBS)))
    for point in points:
        with subtests.test(str(point)):
            if failures[point] is not None:
                raise failures[point]


def _failures(
    lake: Lake, loaders: Loaders, kind: Kind, points: Sequence[Point], lob: str
) -> list[tuple[Point, BaseException | None]]:
    """What goes wrong at each of the points."""
    failures: list[tuple[Point, BaseException | None]] = []
    for point, delivery in zip(points, land(lake, [kind] * len(points), lob), strict=True):
        try:
            batch = lake.claim(delivery.feed)
            at = ("--step", str(point.number), "--name", point.name, "--when", point.when)
            _, said = ended(loaders.start(batch, *at), -signal.SIGKILL)
            assert f"killing {point}\n" in said
            lake.load(batch)
            assert_loaded_once(lake, batch, [delivery])
        except Exception as failure:  # noqa: BLE001 — raised by the test, point by point
            failures.append((point, failure))
        else:
            failures.append((point, None))
    return failures


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed{seed}")
def test_killed_at_a_random_instant_it_loads_each_file_of_many_feeds_once(
    seed: int, report: Report, lake: Lake, loaders: Loaders
) -> None:
    landed = land(lake, KINDS)
    batch = lake.claim(*[one.feed for one in landed])
    # What a step takes depends on how warm Spark is, so that a share of the whole run's time would be no instant to go
    # by. How many MERGEs there are depends on what ends at the same time: another run may have some steps fewer, and
    # the last ones end too soon before the run does. So none of the last third.
    chance = random.Random(seed)
    step, later = chance.randint(1, len(report.steps) * 2 // 3), chance.uniform(0, 1)
    ended(loaders.start(batch, "--step", str(step), "--later", f"{later:.2f}"), -signal.SIGKILL)
    lake.load(batch)
    assert_loaded_once(lake, batch, landed)
