"""The key: asked for once, kept in the tab's session, sent as a header, and nowhere else."""

import httpx
from playwright.sync_api import Browser, expect

from hub_core import bootstrap
from hub_core.errors import Transient
from tests.browser.chromium import Operator, operator
from tests.browser.served import KEY, Scene
from tests.unit.test_function_app import Failing

STORED = "() => [JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie]"


def test_the_shell_is_for_everyone_and_holds_no_data(origin: str, scene: Scene) -> None:
    load = scene.mixed()
    answer = httpx.get(f"{origin}/api/ui")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert load.id not in answer.text
    assert "falcon" not in answer.text
    assert httpx.get(f"{origin}/api/loads").status_code == 401


def test_it_is_asked_for_once_and_kept_over_a_reload_in_a_header_alone(someone: Operator, scene: Scene) -> None:
    scene.mixed()
    someone.open()
    expect(someone.page.get_by_label("Function key")).to_be_focused()
    someone.sign_in()
    expect(someone.loads()).to_have_count(1)
    someone.page.reload()
    expect(someone.loads()).to_have_count(1)
    expect(someone.page.get_by_label("Function key")).to_be_hidden()
    asked = [one for one in someone.requests if "/api/loads" in one.url]
    assert asked
    assert {one.headers.get("x-functions-key") for one in asked} == {KEY}
    session, lasting, cookies = someone.page.evaluate(STORED)
    assert KEY in session
    assert (lasting, cookies) == ("{}", "")
    assert KEY not in str(someone.page.evaluate("() => [location.href, JSON.stringify(history.state)]"))
    assert someone.page.get_by_label("Function key").input_value() == ""


def test_another_tab_is_asked_for_itself(someone: Operator) -> None:
    someone.at()
    other = someone.page.context.new_page()
    other.goto(someone.page.url)
    expect(other.get_by_label("Function key")).to_be_focused()


def test_a_wrong_key_is_said_to_be_wrong_and_not_kept(someone: Operator) -> None:
    someone.open().sign_in("not-the-key")
    expect(someone.page.get_by_role("alert").filter(has_text="refused the key")).to_be_visible()
    field = someone.page.get_by_label("Function key")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    assert "not-the-key" not in str(someone.page.evaluate(STORED))
    someone.sign_in()
    expect(someone.heading()).to_have_text("Loads")


def test_what_no_header_can_carry_is_no_key(someone: Operator) -> None:
    someone.open().sign_in("schlüssel 鍵")
    expect(someone.page.get_by_role("alert").filter(has_text="This is no key")).to_be_visible()
    assert someone.asked() == ["ui"]


def test_a_service_that_is_not_well_is_no_wrong_key(someone: Operator) -> None:
    bootstrap._hub = Failing(Transient("STORAGE_UNAVAILABLE", "the table does not answer"))
    someone.open().sign_in()
    expect(someone.page.get_by_role("alert").filter(has_text="STORAGE_UNAVAILABLE")).to_be_visible()
    expect(someone.page.get_by_label("Function key")).not_to_have_attribute("aria-invalid", "true")


def test_signing_out_forgets_the_key_and_what_was_shown(someone: Operator, scene: Scene) -> None:
    load = scene.mixed()
    someone.at(f"#load/{load.id}")
    expect(someone.files()).to_have_count(3)
    someone.page.get_by_role("button", name="Sign out").click()
    expect(someone.page.get_by_label("Function key")).to_be_focused()
    shown = someone.page.locator("main").inner_html()
    assert load.id not in shown
    assert "UNREADABLE_FILE" not in shown
    someone.page.reload()
    expect(someone.page.get_by_label("Function key")).to_be_focused()
    assert someone.page.evaluate(STORED)[0] == "{}"


def test_a_key_that_was_replaced_is_asked_for_again(chromium: Browser, origin: str, scene: Scene) -> None:
    scene.mixed()
    with operator(chromium, origin, KEY) as someone:
        someone.at()
        someone.page.evaluate("() => sessionStorage.setItem('deltalake-hub.key', 'the-key-of-before')")
        someone.let_pass(5)
        expect(someone.page.get_by_role("alert").filter(has_text="refused the key")).to_be_visible()
        expect(someone.loads()).to_have_count(0)
        someone.sign_in()
        expect(someone.loads()).to_have_count(1)
