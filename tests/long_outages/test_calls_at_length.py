"""As test_calls.py: calls whose dependency is silent, or away for good."""

from collections.abc import Mapping

import pytest

from tests.outages.behind import Behind
from tests.outages.calls import DEPENDENCIES, FAULTS, STALL, Check, breaks, verdicts

CHECKS: dict[str, Check] = {
    **{f"{one.name}: silent each time": breaks(one, STALL, None) for one in DEPENDENCIES},
    **{f"{one.name}: silent once": breaks(one, STALL, 1) for one in DEPENDENCIES},
    **{f"{one.name}: {fault} each time": breaks(one, fault, None) for one in DEPENDENCIES for fault in FAULTS},
}


@pytest.fixture(scope="module")
def said(through: Behind) -> Mapping[str, Exception | None]:
    return verdicts(through, CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_a_call_ends_in_time_and_works_again_afterwards(check: str, said: Mapping[str, Exception | None]) -> None:
    if (error := said[check]) is not None:
        raise error
