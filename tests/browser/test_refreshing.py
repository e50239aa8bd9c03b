"""The page refreshes itself: without taking anything from the operator, and without asking for more than it must."""

import pytest
from playwright.sync_api import expect

from hub_core import bootstrap
from hub_core.errors import Broken, Transient
from hub_core.model import FileStatus
from tests.browser.chromium import Operator
from tests.browser.served import Scene
from tests.unit.doubles import Failing as Refusing
from tests.unit.test_function_app import Failing

HIDE = """(state) => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_changed_state_is_shown_and_focus_selection_and_scroll_stay(someone: Operator, scene: Scene) -> None:
    for _ in range(40):
        scene.ask(b'{"lob": "heron"}')
        scene.later(1)
    load = scene.running("transactions_20260309.csv")
    someone.page.set_viewport_size({"width": 1080, "height": 400})
    someone.at()
    link = someone.page.locator(f"a[href='#load/{load.id}']")
    link.focus()
    selection = "() => [getSelection().toString(), document.activeElement.getAttribute('href'), Math.round(scrollY)]"
    someone.page.evaluate(
        """() => {
          const cells = document.querySelectorAll("#loads tbody tr:nth-child(5) td");
          getSelection().selectAllChildren(cells[1]);
          scrollTo(0, 150);
        }"""
    )
    before = someone.page.evaluate(selection)
    scene.finish(load, FileStatus.SUCCESS)
    scene.ended(load)
    newer = scene.ask(b'{"lob": "heron"}')
    someone.let_pass(5)
    expect(someone.loads().filter(has=link)).to_contain_text("SUCCESS")
    expect(someone.page.locator(f"a[href='#load/{newer.id}']")).to_be_visible()
    after = someone.page.evaluate(selection)
    assert before[:2] == ["heron", f"#load/{load.id}"]
    assert after[:2] == before[:2]
    # A browser may hold the rows in sight in their place while one comes above them.
    assert before[2] <= after[2] <= before[2] + 60


def test_a_running_load_is_followed_until_it_has_ended_and_then_left_alone(someone: Operator, scene: Scene) -> None:
    load = scene.running("transactions_20260309.csv")
    someone.at(f"#load/{load.id}")
    expect(someone.heading()).to_contain_text("RUNNING")
    scene.finish(load, FileStatus.FAILED)
    scene.ended(load)
    someone.let_pass(5)
    expect(someone.heading()).to_contain_text("FAILED")
    expect(someone.page.get_by_role("status").filter(has_text="The load is FAILED now.")).to_be_visible()
    expect(someone.page.get_by_role("button", name="Retry")).to_be_visible()
    expect(someone.files()).to_contain_text("FAILED")
    asked = len(someone.asked())
    someone.let_pass(600)
    someone.page.get_by_role("button", name="Refresh now").click()
    expect(someone.page.get_by_text("As of 12:10:")).to_be_visible()
    # The load and its files, once each and not for each of these minutes.
    assert len(someone.asked()) <= asked + 2


def test_a_load_that_failed_before_its_run_is_followed_until_its_files_can_be_retried(
    someone: Operator, scene: Scene
) -> None:
    scene.land("transactions_20260309.csv")
    load = scene.ask()
    scene.work(scene.build(jobs=Refusing(scene.jobs, "submit", Broken("JOBS_REFUSED", "403"), 1)))
    scene.later()
    someone.at(f"#load/{load.id}")
    expect(someone.heading()).to_contain_text("FAILED")
    expect(someone.page.get_by_role("button", name="Retry")).to_be_hidden()
    scene.hub.reconcile()
    scene.later()
    someone.let_pass(5)
    expect(someone.page.get_by_role("button", name="Retry")).to_be_visible()


def test_a_load_whose_planning_broke_off_is_followed_until_its_files_can_be_retried(
    someone: Operator, scene: Scene
) -> None:
    scene.land("transactions_20260309.csv")
    load = scene.ask()
    message = scene.queue.take()
    with pytest.raises(RuntimeError):
        scene.build(loads=Refusing(scene.loads, "update", RuntimeError("nobody foresaw it"), 1)).plan(message)
    scene.hub.poisoned(message)
    scene.later()
    someone.at(f"#load/{load.id}")
    expect(someone.fact("Error")).to_contain_text("POISONED")
    note = someone.page.get_by_role("status").filter(has_text="It has no files yet.")
    expect(note).to_be_visible()
    someone.let_pass(50)
    expect(note).to_be_visible()
    scene.hub.reconcile()
    scene.later()
    someone.let_pass(5)
    expect(someone.page.get_by_role("button", name="Retry")).to_be_visible()
    expect(someone.files()).to_contain_text("FAILED")


def assert_left_alone(someone: Operator) -> None:
    asked = len(someone.asked())
    someone.let_pass(600)
    with someone.page.expect_response("**/loads/*"):
        someone.page.get_by_role("button", name="Refresh now").click()
    assert len(someone.asked()) == asked + 1


def test_a_load_that_failed_without_files_is_left_alone_after_three_minutes(someone: Operator, scene: Scene) -> None:
    load = scene.ask()
    scene.hub.poisoned(scene.queue.take())
    scene.hub.reconcile()
    scene.later()
    someone.at(f"#load/{load.id}")
    expect(someone.page.get_by_text("It has no files yet.")).to_be_visible()
    someone.let_pass(180)
    expect(someone.page.get_by_text("It had no files.")).to_be_visible()
    assert_left_alone(someone)


def test_a_load_for_which_nothing_was_due_is_left_alone_at_once(someone: Operator, scene: Scene) -> None:
    load = scene.ended(scene.ask())
    someone.at(f"#load/{load.id}")
    expect(someone.heading()).to_have_text("Load of falcon EMPTY")
    expect(someone.page.get_by_text("It had no files.")).to_be_visible()
    assert_left_alone(someone)


def test_the_tracker_is_not_asked_for_files_at_each_refresh(someone: Operator, scene: Scene) -> None:
    """It needs the SQL warehouse, which costs money while it is awake."""
    load = scene.running("transactions_20260309.csv")
    someone.at(f"#load/{load.id}")
    expect(someone.files()).to_have_count(1)
    for _ in range(3):
        with someone.page.expect_response(lambda answer: answer.url.endswith(load.id)):
            someone.let_pass(5)
    assert [one for one in someone.asked() if "/files" in one] == [f"loads/{load.id}/files?limit=200"]
    with someone.page.expect_response(lambda answer: "/files" in answer.url):
        someone.page.get_by_role("button", name="Refresh now").click()


def test_a_tab_that_nobody_sees_asks_for_nothing_and_catches_up_when_seen(someone: Operator, scene: Scene) -> None:
    someone.at()
    someone.page.evaluate(HIDE, "hidden")
    asked = len(someone.asked())
    someone.let_pass(60)
    scene.ask()
    assert len(someone.asked()) == asked
    someone.page.evaluate(HIDE, "visible")
    expect(someone.loads()).to_have_count(1)


def test_refreshing_can_be_switched_off_and_on(someone: Operator, scene: Scene) -> None:
    someone.at()
    someone.page.get_by_label("Refresh by itself").uncheck()
    asked = len(someone.asked())
    someone.let_pass(60)
    scene.ask()
    assert len(someone.asked()) == asked
    someone.page.get_by_label("Refresh by itself").check()
    expect(someone.loads()).to_have_count(1)


def test_a_service_that_asks_for_patience_gets_it_and_what_was_shown_stays(someone: Operator, scene: Scene) -> None:
    scene.mixed()
    someone.at()
    bootstrap._hub = Failing(Transient("STORAGE_UNAVAILABLE", "the table does not answer", retry_after=40))
    someone.let_pass(5)
    problem = someone.page.get_by_role("alert").filter(has_text="STORAGE_UNAVAILABLE")
    expect(problem).to_contain_text("Trying again in 40 s.")
    expect(someone.loads()).to_have_count(1)
    bootstrap._hub = scene.hub
    asked = len(someone.asked())
    someone.let_pass(30)
    assert len(someone.asked()) == asked
    someone.let_pass(11)
    expect(problem).to_be_hidden()
    assert len(someone.asked()) == asked + 1


def test_a_service_that_cannot_be_reached_is_told_and_asked_again(someone: Operator, scene: Scene) -> None:
    someone.at()
    someone.page.context.set_offline(True)
    someone.let_pass(5)
    problem = someone.page.get_by_role("alert").filter(has_text="cannot be reached")
    expect(problem).to_contain_text("Trying again in 10 s.")
    someone.page.context.set_offline(False)
    someone.let_pass(10)
    expect(problem).to_be_hidden()


class WithoutFiles:
    """A hub whose warehouse is down: the load can be told, its files cannot."""

    def __init__(self, hub: object) -> None:
        self._hub = hub

    def files(self, *args: object, **kwargs: object) -> None:
        raise Transient("WAREHOUSE_UNAVAILABLE", "the warehouse does not answer", retry_after=20)

    def __getattr__(self, name: str) -> object:
        return getattr(self._hub, name)


def test_without_the_warehouse_a_load_is_shown_and_its_files_come_later(someone: Operator, scene: Scene) -> None:
    load = scene.mixed()
    bootstrap._hub = WithoutFiles(scene.hub)
    someone.at(f"#load/{load.id}")
    expect(someone.heading()).to_contain_text("PARTIAL")
    note = someone.page.get_by_role("status").filter(has_text="WAREHOUSE_UNAVAILABLE")
    expect(note).to_contain_text("Trying again in 20 s.")
    bootstrap._hub = scene.hub
    someone.let_pass(21)
    expect(someone.files()).to_have_count(3)
    expect(note).to_be_hidden()
