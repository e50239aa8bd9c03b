"""Every command in README.md and docs/ is run by a test or is a target of make, or stands under "Needs Azure."."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = {"", "sh", "bash", "shell", "console"}
NEEDS_AZURE = "Needs Azure."
"""The paragraph before a block begins with it where its commands reach Azure, Databricks or a feed."""

BLOCK = "tests/unit/test_docs_commands.py::test_a_block_runs_as_it_stands"
RUNBOOK = "tests/e2e/test_runbook.py::test_a_block_of_commands_runs_as_it_stands"
SCRIPTS = "tests/pipelines/test_scripts.py::test_"
SERVICE = "tests/unit/test_hubctl_service_commands.py::test_"
WHEEL = "tests/pipelines/test_wheel.py::test_"
RUN_BY = {
    "hubctl config check falcon_config.csv --allowed-root abfss://raw@acct.dfs.core.windows.net/": BLOCK,
    "hubctl load --lob falcon --watch": BLOCK,
    "hubctl loads --lob falcon --status FAILED": BLOCK,
    'hubctl files "$LOAD_ID"': BLOCK,
    "hubctl feeds": BLOCK,
    "curl -H \"x-functions-key: $HUB_KEY\" -H 'Content-Type: application/json' "
    '-d \'{"lob": "falcon", "category": "transactions"}\' "$HUB_URL/api/loads"': BLOCK,
    "hubctl config check examples/spoke_falcon/configs/bronze/falcon_config.csv "
    "--allowed-root abfss://raw@acct.dfs.core.windows.net/": BLOCK,
    "hubctl spoke new eagle": BLOCK,
    "cd eagle": BLOCK,
    "hubctl config check configs/bronze/eagle_config.csv": BLOCK,
    "python -m pytest": BLOCK,
    'hubctl status "$LOAD_ID" || true': RUNBOOK,
    'hubctl files "$LOAD_ID" --status FAILED': RUNBOOK,
    'hubctl files "$LOAD_ID" --status QUARANTINED': RUNBOOK,
    'hubctl retry "$LOAD_ID" --json': RUNBOOK,
    'hubctl loads --lob "$LOB" --status RUNNING': RUNBOOK,
    "hubctl feeds --json": RUNBOOK,
    'hubctl load --lob "$LOB" --begin-date 2020-01-01 --dry-run': RUNBOOK,
    'hubctl config check "$CONFIG" --catalog main || true': RUNBOOK,
    "bash scripts/run_tests.sh test-results": SCRIPTS
    + "results_and_coverage_of_a_project_are_written_and_a_failed_test_fails_the_step",
    "bash scripts/build_wheel.sh": f"{SCRIPTS}the_wheel_has_the_version_of_the_package_and_is_the_same_bytes_each_time",
    "bash scripts/build_function_app.sh": f"{WHEEL}the_function_app_runs_on_what_its_package_holds",
}
"""A command as it stands, its lines joined, without its comment → the test that runs it."""

IN_PASSING = {
    "hubctl cancel": f"{SERVICE}key_and_token_are_sent_as_headers_and_never_printed",
    "hubctl config check": "tests/unit/test_hubctl_config_check.py::test_a_good_csv_passes_without_any_option",
    "hubctl files": RUNBOOK,
    "hubctl loads": f"{SERVICE}loads_stops_at_the_limit_and_all_follows_every_page",
    "hubctl migrate": "tests/unit/test_migrate.py::test_again_and_again_does_no_harm",
    "hubctl up": "tests/e2e/test_two_stacks.py::"
    "test_a_new_spoke_on_a_stack_of_its_own_loads_a_file_and_another_stack_knows_nothing_of_it",
    "hubctl spoke new": "tests/spokes/test_new_spoke.py::test_its_tests_pass_as_they_are",
}
"""What sentences name, whatever its arguments → a test that runs it."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    language: str
    text: str
    paragraph: str  # before it

    @property
    def commands(self) -> list[str]:
        """Its commands: lines joined, comments and plain assignments left out."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        lines = [re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in joined.splitlines()]
        return [line for line in lines if line and not re.fullmatch(r"export \w+=[^$`]*", line)]


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    blocks: list[Block] = []
    before: list[str] = []
    inside: tuple[str, list[str]] | None = None
    for line in page.read_text("utf-8").splitlines():
        fence = re.match(r"\s*```(\w*)\s*$", line)
        if inside is None and fence:
            paragraph = "\n".join(before).strip().rpartition("\n\n")[2]
            inside, before = (fence[1], []), []
            opened = paragraph
        elif inside is not None and fence:
            blocks.append(Block(page, inside[0], "\n".join(inside[1]), opened))
            inside = None
        elif inside is not None:
            inside[1].append(line)
        else:
            before.append(line.strip())
    assert inside is None, f"{page.name}: a block has no end"
    return blocks


BLOCKS = [block for page in PAGES for block in blocks_of(page) if block.language in SHELL]
HERE = [block for block in BLOCKS if not block.paragraph.startswith(NEEDS_AZURE)]


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def _make_targets(command: str) -> list[str] | None:
    words = shlex.split(command)
    return [word for word in words[1:] if "=" not in word] if words[0] == "make" else None


def test_blocks_are_found_with_what_stands_before_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Needs Azure. So:\n\n```sh\naz login \\\n    --tenant x  # once\nexport A=b\n```\n\nHere.\n```\nmake up\n```\n"
    )
    azure, here = blocks_of(page)
    assert (azure.paragraph, azure.commands) == ("Needs Azure. So:", ["az login --tenant x"])
    assert (here.paragraph, here.commands) == ("Here.", ["make up"])


def test_every_command_is_run_by_a_test_or_is_a_target_or_needs_azure() -> None:
    unknown = []
    for block in HERE:
        for command in block.commands:
            targets = _make_targets(command)
            known = command in RUN_BY if targets is None else targets and set(targets) <= _targets()
            if not known:
                unknown.append(f"{block.page.name}: {command}")
    assert unknown == [], f"say in RUN_BY which test runs it, or write {NEEDS_AZURE!r} before the block"


def test_only_blocks_with_commands_for_azure_are_marked_as_such() -> None:
    programs = re.compile(r"\b(az|azd|databricks|curl|hubctl|scripts/(deploy_bundle|publish_\w+|configure_pip)\.sh)\b")
    for page in PAGES:
        for block in blocks_of(page):
            if block.paragraph.startswith(NEEDS_AZURE) and block.language in SHELL:
                assert programs.search(block.text), f"{page.name}: {block.text}"


def test_every_test_that_is_named_exists_and_every_command_stands_in_a_page() -> None:
    for named in {*RUN_BY.values(), *IN_PASSING.values()}:
        file, _, function = named.partition("::")
        defined = {one.name for one in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))) if hasattr(one, "name")}
        assert function in defined, named
    assert set(RUN_BY) <= {command for block in HERE for command in block.commands}


def test_commands_that_sentences_name_are_run_by_tests_too() -> None:
    for page in PAGES:
        outside = re.sub(r"^\s*```.*?^\s*```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for command in re.findall(r"`((?:make|hubctl) [^`]+)`", outside):
            targets = _make_targets(command)
            if targets is not None:
                assert set(targets) <= _targets(), f"{page.name}: {command}"
            else:
                assert any(command.startswith(known) for known in IN_PASSING), f"{page.name}: {command}"


@pytest.fixture(scope="module")
def hub() -> Iterator[dict[str, str]]:
    """The environment that leads to a hub with a load."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.unit.served_hub"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        yield json.loads(process.stdout.readline())
        assert process.stdin
        process.stdin.close()
        assert process.wait(timeout=30) == 0


EXPECTED = {
    "hubctl config check falcon": "1 good feeds, 0 errors",
    "hubctl load ": "SUCCESS",
    "curl ": '"ACCEPTED"',
    "hubctl config check examples": "0 errors",
    "hubctl spoke new": "1 good feeds, 0 errors",
}
"""How a block of README.md or spokes.md begins → what it says."""


@pytest.mark.parametrize(
    "block",
    [one for one in HERE if one.page.name in {"README.md", "spokes.md"} and not one.commands[0].startswith("make")],
    ids=lambda block: block.commands[0][:30],
)
def test_a_block_runs_as_it_stands(block: Block, hub: dict[str, str], tmp_path: Path) -> None:
    [csv] = [one.text for one in blocks_of(PAGES[0]) if one.language == "csv"]
    (tmp_path / "falcon_config.csv").write_text("\n".join(line.strip() for line in csv.splitlines()) + "\n")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        # A new spoke's tests on Spark are run by tests/spokes, on the run's one Spark.
        env={**os.environ, **hub, "PATH": programs, "PYTEST_ADDOPTS": "-m 'not spark' -p no:cacheprovider"},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    [expected] = [said for begin, said in EXPECTED.items() if block.commands[0].startswith(begin)]
    assert expected in done.stdout
