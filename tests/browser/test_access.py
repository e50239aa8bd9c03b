"""For everyone: by keyboard alone, by screen reader, in light and dark, on a phone.

`WRITE_DOCS=1 python -m pytest tests/browser/test_access.py` also writes the pictures of docs/operators-page.md.
"""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from hub_core.load import Load
from tests.browser.chromium import PHONE, Operator, operator
from tests.browser.served import KEY, Scene

IMAGES = Path(__file__).parents[2] / "docs" / "images"

# The ratio of WCAG 2 between an element's text and what lies behind it, for each element that has text of its own.
CONTRASTS = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
      if (color[3] !== 0) throw new Error("half transparent");
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    if (!text || !element.checkVisibility() || ["SCRIPT", "STYLE", "OPTION"].includes(element.tagName)) continue;
    const [one, other] = [numbers(getComputedStyle(element).color), behind(element)].map(light).sort((a, b) => b - a);
    found.push([(one + 0.05) / (other + 0.05), `${element.tagName}.${element.className} ${text.slice(0, 40)}`]);
  }
  return found;
}"""
WIDER_THAN_THE_SCREEN = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def busy_day(scene: Scene) -> Load:
    """Loads in every kind of state, and feeds with a lag; the PARTIAL load."""
    scene.clock.pass_(minutes=-100)
    scene.ended(scene.ask(b'{"lob": "heron"}'))
    scene.later(1_200)
    good = scene.running("transactions_20260301.csv", "transactions_20260302.csv", "transactions_20260303.csv")
    scene.later(41)
    scene.finish(good)
    scene.ended(good)
    scene.later(1_800)
    mixed = scene.mixed("transactions_20260307.csv", "is 2026-03-07,ACME,12,50")
    scene.later(1_800)
    canceled = scene.running("transactions_20260304.csv")
    scene.hub.cancel(canceled.id)
    scene.ended(canceled)
    scene.later(900)
    scene.running("transactions_20260305.csv", "transactions_20260306.csv")
    scene.land("transactions_20260310.csv", modified=scene.clock() - timedelta(hours=1, minutes=12))
    scene.look_over()
    return mixed


VIEWS: dict[str, Callable[[Load], str]] = {
    "loads": lambda _: "#loads",
    "load": lambda load: f"#load/{load.id}",
    "feeds": lambda _: "#feeds",
}


def at(someone: Operator, view: str, load: Load) -> None:
    """At that view, all of it there."""
    someone.at(VIEWS[view](load))
    if view == "load":
        expect(someone.files()).to_have_count(3)
    else:
        expect(someone.page.get_by_role("row").nth(2)).to_be_visible()


def keep_picture(someone: Operator, name: str, *, full_page: bool = True) -> None:
    """Take the docs' picture where that was asked for, without the mark of the focus."""
    if os.environ.get("WRITE_DOCS"):
        IMAGES.mkdir(exist_ok=True)
        someone.page.evaluate("() => document.activeElement.blur()")
        picture = someone.page.screenshot(caret="initial", full_page=full_page)
        (IMAGES / f"operators-{name}.png").write_bytes(picture)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_text_stands_out_in_light_and_dark(
    chromium: Browser, origin: str, scene: Scene, view: str, scheme: str
) -> None:
    load = busy_day(scene)
    with operator(chromium, origin, KEY, color_scheme=scheme) as someone:
        at(someone, view, load)
        ground = someone.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
        found = someone.page.evaluate(CONTRASTS)
        assert len(found) > 20
        assert [one for one in found if one[0] < 4.5] == []
        keep_picture(someone, f"{view}-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_key_and_its_refusal_stand_out_too(chromium: Browser, origin: str, scene: Scene, scheme: str) -> None:
    with operator(chromium, origin, KEY, color_scheme=scheme) as someone:
        someone.open().sign_in("not-the-key")
        expect(someone.page.get_by_role("alert").filter(has_text="refused")).to_be_visible()
        assert [one for one in someone.page.evaluate(CONTRASTS) if one[0] < 4.5] == []


def test_from_key_to_retry_by_keyboard_alone(someone: Operator, scene: Scene) -> None:
    load = scene.mixed()
    press = someone.page.keyboard.press

    def tab_to(name: str) -> None:
        for _ in range(20):
            press("Tab")
            focused = someone.page.evaluate("() => document.activeElement.textContent.trim()")
            outline = someone.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", f"one does not see that {focused!r} has the focus"
            if name in focused:
                return
        raise AssertionError(f"Tab never comes to {name}")

    someone.open()
    someone.page.keyboard.type(KEY)
    press("Enter")
    expect(someone.loads()).to_have_count(1)
    tab_to("2026-03-10 12:00:00")
    press("Enter")
    expect(someone.files()).to_have_count(3)
    tab_to("Retry failed")
    press("Enter")
    expect(someone.fact("Retry of")).to_have_text(load.id)
    tab_to("Cancel this load")
    press("Enter")
    expect(someone.page.get_by_role("button", name="Keep it running")).to_be_focused()
    press("Escape")
    expect(someone.page.get_by_role("dialog")).to_be_hidden()
    expect(someone.page.get_by_role("button", name="Cancel this load")).to_be_focused()
    press("Enter")
    tab_to("Cancel the load")
    press("Enter")
    expect(someone.heading()).to_contain_text("CANCELING")


def test_the_skip_link_leads_past_the_head_and_keeps_the_place(someone: Operator, scene: Scene) -> None:
    load = scene.mixed()
    someone.at()
    someone.open(f"#load/{load.id}")
    someone.page.reload()
    expect(someone.heading()).to_contain_text("PARTIAL")
    someone.page.keyboard.press("Tab")
    expect(someone.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    someone.page.keyboard.press("Enter")
    expect(someone.page.get_by_role("main")).to_be_focused()
    assert someone.page.url.endswith(f"#load/{load.id}")


@pytest.mark.parametrize("view", VIEWS)
def test_a_screen_reader_is_told_what_is_what(someone: Operator, scene: Scene, view: str) -> None:
    load = busy_day(scene)
    at(someone, view, load)
    page = someone.page
    expect(page.get_by_role("banner")).to_have_count(1)
    expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.locator("html").get_attribute("lang") == "en"
    for table in page.get_by_role("table").all():
        headers = table.get_by_role("columnheader").all()
        assert all(header.get_attribute("scope") == "col" for header in headers)
        for row in table.locator("tbody tr").all():
            expect(row.get_by_role("rowheader")).to_have_count(1)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, table, nav, dialog")]
          .filter((one) => one.checkVisibility())
          .filter((one) => !(one.textContent.trim() || one.labels?.length || one.getAttribute("aria-label")))
          .map((one) => one.outerHTML)"""
    )
    assert unnamed == []


@pytest.mark.parametrize("view", VIEWS)
def test_on_a_phone_nothing_is_cut_off_and_each_value_says_what_it_is(
    chromium: Browser, origin: str, scene: Scene, view: str
) -> None:
    load = busy_day(scene)
    with operator(chromium, origin, KEY, viewport=PHONE, has_touch=True, color_scheme="dark") as someone:
        at(someone, view, load)
        assert someone.page.evaluate(WIDER_THAN_THE_SCREEN) == 0
        label = someone.page.evaluate(
            """() => {
              const seen = [...document.querySelectorAll("td[data-label]")].find((one) => one.checkVisibility());
              return getComputedStyle(seen, "::before").content;
            }"""
        )
        assert re.search(r"\w", label)
        small = someone.page.evaluate(
            """() => [...document.querySelectorAll("button, select, input:not([type=checkbox])")]
              .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 44)
              .map((one) => one.outerHTML)"""
        )
        assert small == []
        if view == "loads":
            keep_picture(someone, "phone", full_page=False)


def test_the_pictures_of_the_docs_are_there_and_small() -> None:
    wanted = {f"operators-{view}-{scheme}.png" for view in VIEWS for scheme in ("light", "dark")}
    found = {path.name: path.stat().st_size for path in IMAGES.glob("operators-*.png")}
    assert set(found) == {*wanted, "operators-phone.png"}
    assert {name: size for name, size in found.items() if size >= 150_000} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_to_object_to(chromium: Browser, origin: str, scene: Scene, view: str, scheme: str) -> None:
    load = busy_day(scene)
    with operator(chromium, origin, KEY, color_scheme=scheme) as someone:
        at(someone, view, load)
        found = Axe().run(someone.page)
        assert found.response["passes"]
        assert found.violations_count == 0, found.generate_report()


def test_axe_finds_nothing_in_the_question_for_the_key_and_in_the_one_before_a_cancel(
    someone: Operator, scene: Scene
) -> None:
    load = scene.running("transactions_20260309.csv")
    someone.open(f"#load/{load.id}")
    asked = Axe().run(someone.page)
    assert asked.violations_count == 0, asked.generate_report()
    someone.sign_in()
    someone.page.get_by_role("button", name="Cancel this load").click()
    expect(someone.page.get_by_role("dialog")).to_be_visible()
    asked = Axe().run(someone.page)
    assert asked.violations_count == 0, asked.generate_report()
