"""The lists: loads newest first, and feeds with their lag."""

import re
from datetime import timedelta

from playwright.sync_api import expect

from hub_core.model import FileStatus
from tests.browser.chromium import Operator
from tests.browser.served import Scene


def test_loads_are_shown_newest_first_with_state_counts_and_duration(someone: Operator, scene: Scene) -> None:
    scene.mixed()
    scene.later(60)
    scene.running("transactions_20260310.csv")
    someone.at()
    newest, older = someone.loads().all()
    expect(newest.get_by_role("cell")).to_have_text(
        ["RUNNING", "falcon", "request", re.compile("^2"), "0", re.compile("s$")]
    )
    expect(older.get_by_role("rowheader")).to_have_text("2026-03-10 12:00:00")
    expect(older.get_by_role("cell")).to_have_text(
        ["PARTIAL", "falcon", "request", "3: 1 loaded, 1 failed, 1 quarantined", "100", "1 min 25 s"]
    )


def test_they_are_filtered_by_lob_and_state_and_the_filter_is_in_the_address(someone: Operator, scene: Scene) -> None:
    scene.ended(scene.ask())
    scene.mixed()
    scene.ended(scene.ask(b'{"lob": "heron"}'))
    someone.at()
    expect(someone.loads()).to_have_count(3)
    someone.page.get_by_label("LOB").fill("falcon")
    someone.page.get_by_label("State").select_option("EMPTY")
    someone.page.get_by_role("button", name="Show").click()
    expect(someone.loads()).to_have_count(1)
    expect(someone.loads()).to_contain_text("EMPTY")
    expect(someone.page.get_by_role("status").filter(has_text="Loads shown: 1.")).to_be_visible()
    assert someone.page.url.endswith("#loads?lob=falcon&status=EMPTY")
    someone.page.reload()
    expect(someone.loads()).to_have_count(1)
    expect(someone.page.get_by_label("LOB")).to_have_value("falcon")
    expect(someone.page.get_by_label("State")).to_have_value("EMPTY")
    someone.page.get_by_label("LOB").fill("nobody")
    someone.page.keyboard.press("Enter")
    expect(someone.page.get_by_text("No load is like that.")).to_be_visible()
    someone.page.go_back()
    expect(someone.loads()).to_have_count(1)


def test_what_is_being_typed_into_the_filter_outlasts_a_refresh(someone: Operator, scene: Scene) -> None:
    someone.at()
    someone.page.get_by_label("LOB").fill("her")
    someone.page.keyboard.press("Tab")
    scene.ended(scene.ask())
    someone.let_pass(5)
    expect(someone.loads()).to_have_count(1)
    expect(someone.page.get_by_label("LOB")).to_have_value("her")


def test_older_loads_are_a_page_further_on_and_back(someone: Operator, scene: Scene) -> None:
    for _ in range(53):
        scene.ask()
        scene.later(1)
    someone.at()
    expect(someone.loads()).to_have_count(50)
    someone.page.get_by_role("link", name="Older loads").click()
    expect(someone.loads()).to_have_count(3)
    expect(someone.heading()).to_be_focused()
    expect(someone.page.get_by_role("link", name="Older loads")).to_be_hidden()
    someone.page.go_back()
    expect(someone.loads()).to_have_count(50)
    someone.page.go_forward()
    someone.page.get_by_role("link", name="Newest loads").click()
    expect(someone.loads()).to_have_count(50)


def test_a_hub_without_loads_says_so(someone: Operator) -> None:
    someone.at()
    expect(someone.page.get_by_text("There is no load yet.")).to_be_visible()


def test_feeds_are_shown_with_what_is_due_since_when_and_their_last_load(someone: Operator, scene: Scene) -> None:
    load = scene.running("transactions_20260309.csv")
    scene.finish(load, FileStatus.SUCCESS)
    scene.ended(load)
    scene.land("transactions_20260310.csv", modified=scene.clock() - timedelta(hours=3, minutes=7))
    scene.look_over()
    someone.at()
    someone.page.get_by_role("link", name="Feeds").click()
    expect(someone.heading()).to_have_text("Feeds")
    expect(someone.page.get_by_text(re.compile("As the sweep of 2026-03-10 12:.* found them"))).to_be_visible()
    falcon, heron = someone.rows(re.compile("As the sweep")).all()
    expect(falcon.get_by_role("rowheader")).to_contain_text("falcon / transactions / credit")
    due, lag, newest, last, destination = falcon.get_by_role("cell").all()
    expect(due).to_have_text("11 missed")  # one is due, and below it: one that no event told of
    expect(lag).to_have_text("3 h 7 min")
    expect(newest).to_contain_text("transactions_202603")
    expect(destination).to_have_text("main.falcon_bronze.credit_raw")
    expect(heron.get_by_role("cell").first).to_have_text("0")
    expect(heron.get_by_role("cell").nth(1)).to_have_text("none")
    expect(someone.page.get_by_role("heading", name="Rows of CSVs that are skipped")).to_be_visible()
    expect(someone.page.get_by_role("listitem").filter(has_text="heron, line 3")).to_contain_text("bad name")
    last.get_by_role("link").click()
    expect(someone.fact("Load")).to_have_text(load.id)


def test_feeds_that_no_sweep_has_seen_are_shown_without_figures(someone: Operator) -> None:
    someone.at("#feeds")
    expect(someone.rows(re.compile("No sweep has looked them over yet"))).to_have_count(2)
