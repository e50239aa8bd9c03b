"""The first request of every dependency breaks, and one in ten of the others, while several loads of LOBs go their way.

Bound: 600 s until every file is in bronze and every load has ended. The dice's seed is part of the test's name.
"""

from contextlib import ExitStack, closing

import pytest

from hub_core.hub import Hub
from local_stack.proxy import Fault, Kind, status
from tests.long_outages.deliveries import all_loaded, assert_right, posted, tell, until
from tests.outages.behind import Behind

SECONDS = 600
PERCENT = 10
LOBS, FILES = 3, 4
FAULTS = (
    status(429, retry_after=2),
    status(500),
    status(503),
    status(503, retry_after=8),
    Fault(Kind.RESET),
    Fault(Kind.LOST),
    Fault(Kind.HALF),
    Fault(Kind.DRIP, seconds=2),
    Fault(Kind.STALL, seconds=70),
)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_file_of_every_lob_is_loaded_once(seed: int, host: Behind, calm: Behind, hub: Hub) -> None:
    with ExitStack() as exits:
        lobs = [exits.enter_context(closing(host.service(hub))) for _ in range(LOBS)]
        for service in lobs:
            service.configure(service.row("storm"))
        for number, proxy in enumerate(calm.proxies.values()):
            # Some are asked so rarely that dice alone might never strike.
            proxy.fault(FAULTS[(seed + number) % len(FAULTS)])
            for kind, fault in enumerate(FAULTS):
                dice = seed * 1000 + number * 100 + kind
                proxy.fault(fault, times=None, percent=PERCENT / len(FAULTS), seed=dice)
        for number in range(FILES):
            # Each LOB's files come one after another: half of them are asked for, of the others an event tells.
            for service in lobs:
                path = service.land("storm", f"{number}.csv")
                if number % 2:
                    tell(host, service, path)
                else:
                    posted(service)
        took = 0.0
        for service in lobs:
            took += until(all_loaded(host, service, "storm", FILES), SECONDS - took, f"seed {seed}, {service.lob}")
        struck = {name: len(proxy.struck()) for name, proxy in calm.proxies.items()}
        came = {name: len(proxy.asked()) for name, proxy in calm.proxies.items()}
        print(f"seed {seed}: {took:.0f} s, broken {struck} of {came}")
        assert all(struck.values())
        assert sum(struck.values()) > len(struck)
        calm.calm()
        for service in lobs:
            assert_right(host, service, "storm", FILES)
