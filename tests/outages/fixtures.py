"""Fixtures of the outages, for here and for the longer ones in tests/long_outages."""

from collections.abc import Iterator

import pytest

from hub_core.hub import Hub
from local_stack.stack import Stack
from tests.e2e.service import Service
from tests.outages.behind import Behind, behind


@pytest.fixture(scope="module")
def through(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """The stack through proxies, with state of the module's own."""
    with behind(stack, tmp_path_factory.mktemp("outages")) as made:
        yield made


@pytest.fixture
def calm(through: Behind) -> Iterator[Behind]:
    """The same, with nothing broken before the test and after."""
    through.start_storage()
    through.calm()
    yield through
    through.calm()


@pytest.fixture(scope="module")
def hub(through: Behind) -> Hub:
    """A hub in this process."""
    return through.hub()


@pytest.fixture(scope="module")
def host(through: Behind, hub: Hub) -> Iterator[Behind]:
    """The same with the real Functions host; `hub` has made what it keeps its state in."""
    through.start_host()
    yield through
    through.processes.stop("functions")


@pytest.fixture
def service(through: Behind, hub: Hub) -> Iterator[Service]:
    """A LOB of the test's own."""
    made = through.service(hub)
    yield made
    made.close()
