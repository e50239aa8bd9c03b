"""The docs say what the code does."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks import document
from benchmarks.results import at_least, at_most, kept, merged, told
from hub_core.alerts import headline
from hub_core.codes import FileError
from hub_core.load import Load
from hub_core.model import LoadState, Trigger
from hub_core.request import LoadRequest
from hub_core.settings import describe_settings

DOCS = Path(__file__).parents[2] / "docs"


def test_every_setting_is_documented_as_it_is() -> None:
    assert (DOCS / "settings.md").read_text("utf-8") == describe_settings(), "run scripts/write_settings_doc.py"


def test_every_file_error_is_documented() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (DOCS / "errors.md").read_text("utf-8"), re.MULTILINE))
    assert set(FileError) <= documented


def test_every_code_that_the_core_raises_is_documented() -> None:
    text = (DOCS / "errors.md").read_text("utf-8")
    core = Path(__file__).parents[2] / "hub_core"
    sources = [file.read_text("utf-8") for file in core.rglob("*.py")]
    raised = {
        code for source in sources for code in re.findall(r"(?:Rejected|Transient|Broken)\(\s*\"([A-Z_]+)\"", source)
    }
    # Those that are compared somewhere have a name, which is the code.
    raised |= {code for source in sources for code in re.findall(r"(?m)^([A-Z_]+) = \"\1\"$", source)}
    assert {code for code in raised if f"`{code}`" not in text} == set()


def test_the_benchmarks_page_is_made_of_the_figures_that_were_kept() -> None:
    assert document.PAGE.read_text("utf-8") == document.page(kept())


def test_a_figure_that_does_not_hold_is_told_as_such_and_charts_need_their_figures() -> None:
    results = [
        told("small files: bare", 10, "s"),
        told("small files: POST to SUCCESS", 16, "s"),
        at_most("small files: POST to SUCCESS / bare", 1.6, "ratio", 1.5),
        at_least("small files: dlt / POST to SUCCESS", 3, "ratio", 1),
    ]
    page = document.page(results)
    assert "| small files: POST to SUCCESS / bare | 1.6 ratio | <= 1.5 | **no** |" in page
    assert "| small files: dlt / POST to SUCCESS | 3 ratio | >= 1 | yes |" in page
    assert "bar [10, 16]" in page
    assert "1 GB in 8 files, seconds" not in page


def test_figures_of_a_part_that_did_not_run_stay() -> None:
    before = [told("small files: old", 1, "s"), told("rules: run", 2, "s")]
    now = [told("small files: new", 3, "s")]
    assert [one.name for one in merged(before, now)] == ["small files: new", "rules: run"]


def test_links_between_the_docs_lead_somewhere() -> None:
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_links_to_a_part_of_a_page_lead_to_its_heading() -> None:
    found = 0
    for page in [DOCS.parent / "README.md", *DOCS.rglob("*.md")]:
        for target, part in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8")):
            there = (page.parent / target if target else page).read_text("utf-8")
            headings = re.findall(r"^#+ (.*)$", there, re.MULTILINE)
            # As GitHub makes them.
            assert part in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}, part
            found += 1
    assert found > 10


def _load(state: LoadState, *, claims_open: bool = False) -> Load:
    now = datetime(2025, 1, 15, tzinfo=UTC)
    return Load(
        id="one", lob="falcon", trigger=Trigger.REQUEST, request=LoadRequest(), state=state, created_at=now,
        updated_at=now, finished_at=now if state.is_final else None, claims_open=claims_open,
        overdue_at=now + timedelta(hours=6) if claims_open else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "load",
    [
        *map(_load, (LoadState.FAILED, LoadState.PARTIAL, LoadState.CANCELED, LoadState.RUNNING)),
        _load(LoadState.FAILED, claims_open=True),
    ],
    ids=headline,
)
def test_the_runbook_says_which_part_to_read_for_each_message_to_the_webhook(load: Load) -> None:
    said = re.findall(r'^\| "([^"]+)"', (DOCS / "runbook.md").read_text("utf-8"), re.MULTILINE)
    # The state that stands for any, and the time, are left out there.
    patterns = [re.escape(one).replace("ended\\ …", "ended\\ [A-Z]+").replace("…", ".+") for one in said]
    assert len([one for one in patterns if re.fullmatch(one, headline(load))]) == 1


def test_the_right_on_a_spokes_job_is_the_same_wherever_it_is_named() -> None:
    setup, notebooks, security = (
        (DOCS / f"{name}.md").read_text("utf-8") for name in ("azure-setup", "notebooks", "security")
    )
    assert re.search(r"`CAN_MANAGE_RUN` for `SERVICE` in the spoke's\s+bundle", setup)
    assert re.search(r"`CAN_MANAGE_RUN` on both, on each\s+spoke's job that loads bronze, and on no other", setup)
    assert re.search(r"`CAN_MANAGE_RUN` on the spoke's job", notebooks)
    assert re.search(r"`CAN MANAGE RUN` on the loader jobs and on each spoke's job that loads bronze", security)
    assert not re.search(r"CAN.VIEW", notebooks + security)


def test_the_sql_for_the_hubs_tables_is_run_in_a_catalog_that_is_chosen() -> None:
    before, _ = (DOCS / "runbook.md").read_text("utf-8").split("```sql\n")
    assert before.rstrip().endswith("first `USE CATALOG prod;`, then")
