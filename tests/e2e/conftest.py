"""The service of the one stack that all tests share."""

from collections.abc import Iterator

import pytest

from hub_core.bootstrap import build
from hub_core.ports import Sql
from hub_core.settings import Settings
from local_stack.stack import Stack
from tests.e2e.service import Service


@pytest.fixture(scope="module")
def service(stack: Stack, warehouse_sql: Sql) -> Iterator[Service]:
    """A LOB of the module's own."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in stack.app_environment().items():
            environment.setenv(name, value)
        hub = build(Settings.from_environment())
    made = Service(stack, warehouse_sql, hub)
    yield made
    made.close()
