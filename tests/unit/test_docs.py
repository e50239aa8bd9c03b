"""The docs say what the code does."""

import re
from pathlib import Path

from benchmarks import document
from benchmarks.results import at_least, at_most, kept, merged, told
from hub_core.codes import FileError
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
    # Refused inside the CSV's reader and the queue's, these reach nobody under their own name.
    assert {code for code in raised - {"BAD_RULE", "NOT_AN_EVENT", "BAD_MESSAGE"} if f"`{code}`" not in text} == set()


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
