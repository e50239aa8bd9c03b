"""The service of the one stack that all tests share."""

from collections.abc import Iterator

import pytest

from local_stack.stack import Stack
from tests.e2e.service import Service, service_on


@pytest.fixture(scope="module")
def service(stack: Stack) -> Iterator[Service]:
    """A LOB of the module's own."""
    with service_on(stack) as made:
        yield made
