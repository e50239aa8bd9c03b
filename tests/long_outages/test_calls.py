"""Every call of a dependency, broken in every way, ends in time as what it should be or as Transient."""

from collections.abc import Mapping

import pytest

from local_stack.proxy import status
from tests.outages.behind import Behind
from tests.outages.calls import DEPENDENCIES, FAULTS, Check, breaks, hands_on, verdicts, waits

CHECKS: dict[str, Check] = {
    **{f"{one.name}: {status(503)} each time": breaks(one, status(503), None) for one in reversed(DEPENDENCIES)},
    **{f"{one.name}: {fault} once": breaks(one, fault, 1) for one in reversed(DEPENDENCIES) for fault in FAULTS},
    **{f"{one.name}: {code}, wait 2 s": waits(one, code) for one in DEPENDENCIES for code in (429, 503)},
    **{f"{one.name}: {code}, wait 120 s": hands_on(one, code) for one in DEPENDENCIES for code in (429, 503)},
}
"""The longest first."""


@pytest.fixture(scope="module")
def said(through: Behind) -> Mapping[str, Exception | None]:
    return verdicts(through, CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_a_call_is_mended_or_transient_in_time_and_keeps_to_retry_after(
    check: str, said: Mapping[str, Exception | None]
) -> None:
    if (error := said[check]) is not None:
        raise error
