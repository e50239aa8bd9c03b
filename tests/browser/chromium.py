"""Chromium without a window, and the operators' page in it as an operator uses it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright

from local_stack.chromium import chromium
from tests.unit.doubles import NOW

# As root, and calling no one: no sandbox, no updates, no sync.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LANDSCAPE = {"width": 1080, "height": 640}
PHONE = {"width": 360, "height": 740}


@contextmanager
def launched() -> Iterator[Browser]:
    """The machine's Chromium, with a profile of its own; gone at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Operator:
    """Somebody at the page. What goes wrong or leaves the service is kept for `assert_clean`."""

    page: Page
    origin: str
    key: str
    requests: list[Request] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._note)  # a list's own append is more than Playwright can wrap
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("console", self._listen)

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def _listen(self, message: Any) -> None:
        # A refused fetch is also a line of the browser's own in the console.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.wrong.append(f"console: {message.text}")

    def open(self, place: str = "") -> "Operator":
        """Type the page's address."""
        self.page.goto(f"{self.origin}/api/ui{place}")
        return self

    def sign_in(self, key: str = "") -> "Operator":
        """Type the key and press Enter."""
        self.page.get_by_label("Function key").fill(key or self.key)
        self.page.keyboard.press("Enter")
        return self

    def at(self, place: str = "") -> "Operator":
        """Signed in at that place, its view shown."""
        self.open(place).sign_in()
        expect(self.page.get_by_text("As of ")).to_be_visible()
        return self

    def rows(self, caption: str | re.Pattern[str]) -> Locator:
        """The rows of a table, without its header."""
        return self.page.get_by_role("table", name=caption).locator("tbody tr")

    def loads(self) -> Locator:
        return self.rows(re.compile("Newest first"))

    def files(self) -> Locator:
        return self.rows("Files of this load")

    def fact(self, name: str) -> Locator:
        """What the load's table of facts says under a name."""
        return self.rows(re.compile("About this load")).filter(
            has=self.page.get_by_role("rowheader", name=name, exact=True)
        ).locator("td")  # fmt: skip

    def heading(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    def asked(self, method: str = "GET") -> list[str]:
        """The paths and queries that were asked for, in order."""
        parts = [urlsplit(one.url) for one in self.requests if one.method == method]
        return [part.path.removeprefix("/api/") + (f"?{part.query}" if part.query else "") for part in parts]

    def let_pass(self, seconds: float) -> None:
        """Let so much time pass for the page, its timers with it: those it sets once it is not asking any more."""
        self.page.wait_for_function("() => asking === null")
        self.page.clock.fast_forward(int(seconds * 1000))

    def assert_clean(self) -> None:
        """No script failed, nothing popped up, no request left the service, no address had the key in it."""
        assert self.wrong == []
        addresses = [one.url for one in self.requests if not one.url.startswith("data:")]
        assert [one for one in addresses if not one.startswith(f"{self.origin}/api/")] == []
        assert [one for one in [*addresses, self.page.url] if self.key in one] == []


@contextmanager
def operator(browser: Browser, origin: str, key: str, **options: Any) -> Iterator[Operator]:
    """An operator with a browser's session of their own; it is checked at the end that the page kept its rules."""
    context = browser.new_context(**{"viewport": LANDSCAPE, "reduced_motion": "reduce", **options})
    context.set_default_timeout(10_000)
    try:
        context.clock.install(time=NOW)
        made = Operator(context.new_page(), origin, key)
        yield made
        made.assert_clean()
    finally:
        context.close()
