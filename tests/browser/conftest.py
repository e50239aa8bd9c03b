"""The app served once for the run; for each test a hub of its own, and an operator."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from hub_core import bootstrap
from tests.browser.chromium import Operator, operator
from tests.browser.served import KEY, Scene, served


@pytest.fixture(scope="session")
def origin() -> Iterator[str]:
    with served() as origin:
        yield origin


@pytest.fixture
def scene() -> Iterator[Scene]:
    """The hub that the served app has."""
    made = Scene()
    before, bootstrap._hub = bootstrap._hub, made.hub
    yield made
    bootstrap._hub = before


@pytest.fixture
def someone(chromium: Browser, origin: str, scene: Scene) -> Iterator[Operator]:
    with operator(chromium, origin, KEY) as made:
        yield made
