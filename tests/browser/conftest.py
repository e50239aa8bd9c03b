"""The app served once for the run; for each test a hub of its own, and an operator."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import Operator, operator
from tests.browser.served import KEY, Scene, served
from tests.unit.doubles import serving


@pytest.fixture(scope="session")
def origin() -> Iterator[str]:
    with served() as origin:
        yield origin


@pytest.fixture
def scene() -> Iterator[Scene]:
    """The hub that the served app has."""
    made = Scene()
    with serving(made.hub):
        yield made


@pytest.fixture
def someone(chromium: Browser, origin: str, scene: Scene) -> Iterator[Operator]:
    with operator(chromium, origin, KEY) as made:
        yield made
