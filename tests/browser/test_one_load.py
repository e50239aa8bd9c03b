"""One load: its facts, its files and their errors, retry and cancel; and whatever it says is text."""

import pytest
from playwright.sync_api import expect

from hub_core import bootstrap
from hub_core.errors import Transient
from hub_core.load import Load
from hub_core.model import FileStatus
from tests.browser.chromium import Operator
from tests.browser.served import HOSTILE, SCRIPT, Scene
from tests.unit.test_function_app import Failing


def rewrite(scene: Scene, load: Load, **changes: object) -> None:
    """Have the load's record say something that the hub itself would not soon come to."""
    kept, etag = scene.loads.records[load.id]
    scene.loads.records[load.id] = (kept.model_copy(update=changes), etag)
    scene.later()


def test_a_load_is_opened_from_the_list_with_its_facts(someone: Operator, scene: Scene) -> None:
    load = scene.mixed()
    someone.at()
    someone.loads().get_by_role("link").click()
    expect(someone.heading()).to_have_text("Load of falcon PARTIAL")
    expect(someone.heading()).to_be_focused()
    expect(someone.page).to_have_title("Load – Ingestion hub")
    assert someone.page.url.endswith(f"#load/{load.id}")
    for name, said in {
        "Load": load.id,
        "Trigger": "request",
        "Request": "lob: falcon",
        "Started": "2026-03-10 12:00:00",
        "Duration": "1 min 25 s",
        "Files": "3: 1 loaded, 1 failed, 1 quarantined",
        "Rows": "100",
    }.items():
        expect(someone.fact(name)).to_have_text(said)
    expect(someone.fact("Error")).to_contain_text("FILES_NOT_LOADED")
    run = someone.fact("Run").get_by_role("link")
    expect(run).to_have_attribute("href", "https://workspace/run")
    expect(run).to_have_attribute("rel", "noopener noreferrer")
    someone.page.go_back()
    expect(someone.loads().get_by_role("link")).to_be_focused()


def test_its_files_are_shown_with_their_errors_and_by_outcome(someone: Operator, scene: Scene) -> None:
    load = scene.mixed()
    someone.at(f"#load/{load.id}")
    good = someone.files().filter(has_text="transactions_20260308.csv")
    expect(good.get_by_role("cell")).to_have_text(["SUCCESS", "", "1,200", "", "transactions / credit", "1"])
    bad = someone.files().filter(has_text="transactions_20260309.csv")
    expect(bad.get_by_role("cell").nth(0)).to_have_text("FAILED")
    expect(bad.get_by_role("cell").nth(1)).to_contain_text("UNREADABLE_FILE truncated after 4,096 bytes")
    outcomes = someone.page.get_by_role("navigation", name="Files by outcome")
    expect(outcomes.get_by_role("link")).to_have_text(["All (3)", "FAILED (1)", "QUARANTINED (1)", "SUCCESS (1)"])
    outcomes.get_by_role("link", name="QUARANTINED").click()
    expect(someone.files()).to_have_count(1)
    expect(someone.files().get_by_role("cell").nth(3)).to_have_text("3")
    expect(outcomes.locator("[aria-current]")).to_have_text("QUARANTINED (1)")
    expect(outcomes.locator("[aria-current]")).to_be_focused()
    assert someone.page.url.endswith("?status=QUARANTINED")


def test_script_in_a_file_name_or_a_message_is_text(someone: Operator, scene: Scene) -> None:
    load = scene.mixed()
    scene.tracker.messages["transactions_20260309.csv"] = "<script>alert(2)</script>"
    rewrite(scene, load, lob=SCRIPT)
    someone.at()
    expect(someone.loads()).to_contain_text(SCRIPT)
    someone.loads().get_by_role("link").click()
    expect(someone.heading()).to_contain_text(f"Load of {SCRIPT}")
    expect(someone.files().filter(has_text=HOSTILE)).to_contain_text(f"the first {SCRIPT}")
    expect(someone.files().filter(has_text="<script>alert(2)</script>")).to_have_count(1)
    assert someone.page.locator("main img, main script").count() == 0


def test_no_script_would_run_even_if_it_got_in(someone: Operator) -> None:
    someone.at()
    seen, ran = someone.page.evaluate(
        """async () => {
          const seen = [];
          const told = new Promise((done) => {
            setTimeout(() => done("no refusal"), 5000);
            document.addEventListener("securitypolicyviolation", (event) => {
              if (event.effectiveDirective === "connect-src") done(event.effectiveDirective);
            });
          });
          try { document.body.innerHTML += "<img src=x onerror='window.ran = 1'>"; } catch { seen.push("innerHTML"); }
          const script = document.createElement("script");
          try { script.text = "window.ran = 2"; } catch { seen.push("script"); }
          document.body.append(script);
          document.body.setAttribute("style", "display: none");
          if (getComputedStyle(document.body).display !== "none") seen.push("style");
          fetch("https://elsewhere.example/").catch(() => null);
          return [[...seen, await told], window.ran ?? null];
        }"""
    )
    assert (seen, ran) == (["innerHTML", "script", "style", "connect-src"], None)
    someone.wrong.clear()  # the browser's complaints about these very attempts


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "no address"])
def test_a_runs_address_that_is_none_of_the_web_is_no_link(someone: Operator, scene: Scene, address: str) -> None:
    load = scene.mixed()
    rewrite(scene, load, run_page_url=address)
    someone.at(f"#load/{load.id}")
    expect(someone.fact("Run")).to_contain_text(address)
    assert someone.fact("Run").get_by_role("link").count() == 0


def test_the_loads_it_waits_for_and_the_one_it_repeats_are_links(someone: Operator, scene: Scene) -> None:
    first = scene.mixed()
    other = scene.ask()
    rewrite(scene, other, waits_on=(first.id,), retry_of=first.id)
    someone.at(f"#load/{other.id}")
    expect(someone.fact("Retry of").get_by_role("link")).to_have_text(first.id)
    someone.fact("Waits for").get_by_role("link").click()
    expect(someone.fact("Load")).to_have_text(first.id)


def test_a_retry_is_posted_and_its_new_load_is_shown(someone: Operator, scene: Scene) -> None:
    load = scene.mixed()
    someone.at(f"#load/{load.id}")
    expect(someone.page.get_by_role("button", name="Cancel")).to_be_hidden()
    someone.page.get_by_role("button", name="Retry").click()
    expect(someone.fact("Retry of")).to_have_text(load.id)
    expect(someone.page.get_by_role("status").filter(has_text="The retry is accepted")).to_be_visible()
    assert someone.asked("POST") == [f"loads/{load.id}/retry"]
    [made] = [one for one, _ in scene.loads.records.values() if one.id != load.id]
    assert (made.trigger, made.retry_of) == ("retry", load.id)
    expect(someone.fact("Load")).to_have_text(made.id)


def test_a_retry_whose_answer_was_lost_is_the_same_retry_when_asked_again(someone: Operator, scene: Scene) -> None:
    load = scene.mixed()
    someone.at(f"#load/{load.id}")
    lost = []

    def lose(route: object) -> None:
        if not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    someone.page.route("**/retry", lose)
    someone.page.get_by_role("button", name="Retry").click()
    expect(someone.page.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()
    someone.page.get_by_role("button", name="Retry").click()
    expect(someone.fact("Retry of")).to_have_text(load.id)
    assert lost == [202]
    assert len(scene.loads.records) == 2


def test_a_load_without_bad_files_is_not_retried(someone: Operator, scene: Scene) -> None:
    load = scene.running("transactions_20260309.csv")
    scene.finish(load, FileStatus.SUCCESS)
    scene.ended(load)
    someone.at(f"#load/{load.id}")
    expect(someone.heading()).to_contain_text("SUCCESS")
    expect(someone.page.get_by_role("button", name="Retry")).to_be_hidden()
    expect(someone.page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_a_load_is_canceled_after_a_question_and_the_page_shows_it_end(someone: Operator, scene: Scene) -> None:
    load = scene.running("transactions_20260309.csv")
    someone.at(f"#load/{load.id}")
    someone.page.get_by_role("button", name="Cancel this load").click()
    question = someone.page.get_by_role("dialog", name="Cancel this load?")
    question.get_by_role("button", name="Keep it running").click()
    expect(question).to_be_hidden()
    expect(someone.page.get_by_role("button", name="Cancel this load")).to_be_focused()
    assert someone.asked("POST") == []
    someone.page.keyboard.press("Enter")
    question.get_by_role("button", name="Cancel the load").click()
    expect(someone.heading()).to_have_text("Load of falcon CANCELING")
    expect(someone.page.get_by_role("status").filter(has_text="being canceled")).to_be_visible()
    expect(someone.page.get_by_role("button", name="Cancel this load")).to_be_hidden()
    expect(someone.heading()).to_be_focused()
    assert someone.asked("POST") == [f"loads/{load.id}/cancel"]
    scene.hub.reconcile()
    scene.later()
    scene.hub.reconcile()
    scene.later()
    someone.let_pass(5)
    expect(someone.heading()).to_have_text("Load of falcon CANCELED")


def test_a_cancel_that_comes_too_late_is_told_as_such(someone: Operator, scene: Scene) -> None:
    load = scene.running("transactions_20260309.csv")
    someone.at(f"#load/{load.id}")
    someone.page.get_by_role("button", name="Cancel this load").click()
    scene.finish(load, FileStatus.SUCCESS)
    scene.ended(load)
    someone.page.get_by_role("button", name="Cancel the load").click()
    expect(someone.page.get_by_role("status").filter(has_text="had ended already")).to_be_visible()
    expect(someone.heading()).to_have_text("Load of falcon SUCCESS")


def test_a_refused_change_is_told_with_its_code(someone: Operator, scene: Scene) -> None:
    load = scene.mixed()
    someone.at(f"#load/{load.id}")
    bootstrap._hub = Failing(Transient("JOBS_UNAVAILABLE", "the workspace does not answer"))
    someone.page.get_by_role("button", name="Retry").click()
    problem = someone.page.get_by_role("alert").filter(has_text="JOBS_UNAVAILABLE")
    expect(problem).to_contain_text("A dependency cannot be reached at the moment: the workspace does not answer")
    expect(someone.fact("Load")).to_have_text(load.id)


class WithoutJobs:
    """A hub that can tell of loads and change none: the workspace is down."""

    def __init__(self, hub: object) -> None:
        self._hub = hub

    def cancel(self, load_id: str) -> None:
        raise Transient("JOBS_UNAVAILABLE", f"the workspace says {SCRIPT}")

    def __getattr__(self, name: str) -> object:
        return getattr(self._hub, name)


def test_why_a_change_was_refused_stays_until_the_next_one(someone: Operator, scene: Scene) -> None:
    load = scene.running("transactions_20260309.csv")
    someone.at(f"#load/{load.id}")
    bootstrap._hub = WithoutJobs(scene.hub)
    refused = someone.page.get_by_role("alert").filter(has_text="JOBS_UNAVAILABLE")
    ask_to_cancel(someone)
    expect(refused).to_contain_text(f"Asked to cancel load {load.id}:")
    expect(refused).to_contain_text(f"the workspace says {SCRIPT}")
    for _ in range(2):
        with someone.page.expect_response(lambda answer: answer.url.endswith(load.id)):
            someone.let_pass(5)
        someone.let_pass(0)  # it is shown
        expect(refused).to_be_visible()
    bootstrap._hub = scene.hub
    ask_to_cancel(someone)
    expect(someone.heading()).to_have_text("Load of falcon CANCELING")
    expect(refused).to_have_count(0)


def test_why_a_change_was_refused_is_gone_elsewhere(someone: Operator, scene: Scene) -> None:
    load = scene.running("transactions_20260309.csv")
    someone.at(f"#load/{load.id}")
    bootstrap._hub = WithoutJobs(scene.hub)
    refused = someone.page.get_by_role("alert").filter(has_text="JOBS_UNAVAILABLE")
    ask_to_cancel(someone)
    expect(refused).to_be_visible()
    someone.page.get_by_role("link", name="Feeds").click()
    expect(someone.heading()).to_have_text("Feeds")
    expect(refused).to_have_count(0)


def ask_to_cancel(someone: Operator) -> None:
    someone.page.get_by_role("button", name="Cancel this load").click()
    someone.page.get_by_role("button", name="Cancel the load").click()


def test_a_load_that_does_not_exist_is_told(someone: Operator) -> None:
    someone.at()
    someone.open("#load/nobody")
    expect(someone.page.get_by_role("alert").filter(has_text="there is no load 'nobody'")).to_be_visible()


def test_many_files_are_shown_page_by_page(someone: Operator, scene: Scene) -> None:
    load = scene.running(*[f"transactions_{number:04}.csv" for number in range(203)])
    someone.at(f"#load/{load.id}")
    expect(someone.files()).to_have_count(200)
    someone.page.get_by_role("link", name="More files").click()
    expect(someone.files()).to_have_count(3)
    expect(someone.page.get_by_role("heading", name="Files")).to_be_focused()
    someone.page.get_by_role("link", name="First files").click()
    expect(someone.files()).to_have_count(200)
