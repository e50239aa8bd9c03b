"""One local stack for the whole run, started as far as the tests that were chosen need it.

`azurite` is storage alone, `spark` a Spark session beside it, `stack` the whole service; all three are the same
stack. Tests that use one are marked `stack` and come after those that don't.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from local_stack.azurite import Azurite
from local_stack.spark_session import connect
from local_stack.stack import Stack

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient
    from playwright.sync_api import Browser
    from pyspark.sql.connect.session import SparkSession

    from hub_core.sql import Sql

_HEAVY = {"parts", "azurite", "spark", "stack"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if _HEAVY.intersection(fixtures):
            item.add_marker(pytest.mark.stack)
        if "chromium" in fixtures:
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: item.get_closest_marker("stack") is not None)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The run's stack with nothing started; `parts.start("azurite")` starts a component."""
    stack = Stack(tmp_path_factory.mktemp("stack"), short_lived=True, say=lambda _: None)
    try:
        yield stack
    finally:
        stack.close()


@pytest.fixture(scope="session")
def azurite(parts: Stack) -> Azurite:
    """Storage, with the stack's containers and queues."""
    parts.start("azurite")
    return parts.azurite


@contextmanager
def session(parts: Stack) -> Iterator["SparkSession"]:
    """A session on the stack's Spark server, which is started where it isn't up; storage is up too."""
    parts.start("azurite", "spark")
    session = connect(parts.spark_remote)
    yield session
    # Before the server goes: a session without one tries for ten minutes to say goodbye.
    session.stop()


@pytest.fixture(scope="session")
def spark(parts: Stack) -> Iterator["SparkSession"]:
    """A Spark session; `abfss://` leads to the stack's storage."""
    with session(parts) as spark:
        yield spark


@pytest.fixture
def new_session(parts: Stack, spark: "SparkSession") -> Iterator[Callable[[], Any]]:
    """Makes a Spark session that is neither the test's nor another load's."""
    made: list[Any] = []

    def make() -> Any:
        made.append(connect(parts.spark_remote))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture(scope="session")
def stack(parts: Stack) -> Stack:
    """The whole service, up, its tables made."""
    parts.start()
    return parts


@pytest.fixture(scope="session")
def warehouse_sql(stack: Stack) -> Iterator["Sql"]:
    """The hub's own way to the SQL warehouse."""
    from hub_core.bootstrap import warehouse
    from hub_core.settings import Settings

    with closing(warehouse(Settings.from_environment(stack.app_environment()))) as sql:
        yield sql


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    """A browser. Not for the whole run: while there is one, nothing else can run an event loop in this thread."""
    from tests.browser.chromium import launched

    with launched() as browser:
        yield browser


@pytest.fixture(autouse=True)
def _whole_again(request: pytest.FixtureRequest) -> None:
    """What a test before this one broke is up again."""
    if "stack" in request.fixturenames:
        request.getfixturevalue("stack").start()


@dataclass(frozen=True)
class Folder:
    """A folder in storage; `url` has no slash at its end."""

    url: str
    container: "ContainerClient"
    prefix: str

    def put(self, name: str, content: bytes | str, **options: Any) -> str:
        """Put a file, over the one that was there; its URL."""
        self.container.upload_blob(f"{self.prefix}/{name}", content, overwrite=True, **options)
        return f"{self.url}/{name}"


@pytest.fixture
def lob() -> str:
    """The name of a LOB that no other test has."""
    return f"t{uuid4().hex[:10]}"


@pytest.fixture
def landing(parts: Stack, azurite: Azurite, lob: str) -> Iterator[Folder]:
    """The LOB's folder below the landing root."""
    with _folder(azurite, parts.landing_root) as root:
        yield Folder(f"{root.url}/{lob}", root.container, f"{root.prefix}/{lob}")


@pytest.fixture
def put_config(parts: Stack, azurite: Azurite, lob: str) -> Iterator[Callable[[str], str]]:
    """Put a CSV where the hub looks for the LOB's; taken away after the test, so that no sweep meets it."""
    with _folder(azurite, parts.config_root) as root:
        name = f"{lob}_config.csv"
        yield lambda text: root.put(name, text)
        blob = root.container.get_blob_client(f"{root.prefix}/{name}")
        if blob.exists():
            blob.delete_blob()


@contextmanager
def _folder(azurite: Azurite, url: str) -> Iterator[Folder]:
    from azure.storage.blob import ContainerClient

    container, _, rest = url.removeprefix("abfss://").partition("@")
    with ContainerClient.from_connection_string(azurite.connection_string, container) as client:
        yield Folder(url, client, rest.partition("/")[2])
