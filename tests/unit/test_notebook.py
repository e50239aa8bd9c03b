"""What a notebook is given and what it shows: parameters, the CSV's place, widgets, the environment, the result."""

import logging
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from deltalake_hub.bronze.base_loader import BronzeLoader, BronzeResult, FilesNotLoaded
from deltalake_hub.core.environment import Environment
from deltalake_hub.core.logs import get_logger
from deltalake_hub.core.widget_manager import WidgetManager
from hub_core.errors import Broken, Rejected
from hub_core.feeds import ConfigError, lob_named, parse_config
from hub_core.model import FileOutcome, FileStatus, LoadState
from hub_core.settings import Settings
from spark_jobs.notebook_params import read_config, request_of
from tests.unit.doubles import HEADER, config_row


def outcome(name: str, status: FileStatus, rows: int | None = None, why: str | None = None) -> FileOutcome:
    moment = datetime(2026, 3, 10, tzinfo=UTC)
    return FileOutcome(
        tracker_id=name, category="c", subcategory="s", file_name=name, path=f"abfss://r@a/{name}",
        dest_table="main.falcon_bronze.t", status=status, size=1, modified=moment, attempt=1, row_count=rows,
        rejected_count=None, error_code="FILE_GONE" if why else None, error_message=why, updated_at=moment,
    )  # fmt: skip


class TestParameters:
    @pytest.mark.parametrize(
        ("params", "named"),
        [
            ({"categori": "x"}, "categori"),
            ({"begin_date": "2026-02-30"}, "begin_date"),
            ({"file_name": "../x"}, "file_name"),
            ({"force": "yes"}, "force"),
            ({"run_id": "{{job.run_id}}"}, "run_id"),
        ],
    )
    def test_what_is_no_request_is_refused_by_name(self, params: dict[str, object], named: str) -> None:
        with pytest.raises(Rejected) as refused:
            BronzeLoader(None, "x.csv", params)
        assert [error.field for error in refused.value.errors] == [named]
        assert refused.value.errors[0].remedy

    def test_none_and_the_empty_string_mean_absent(self) -> None:
        BronzeLoader(None, "x.csv", {"category": "", "begin_date": None, "run_id": "", "batch_id": "", "unknown": ""})

    @pytest.mark.parametrize(("word", "meant"), [("true", True), ("False", False), (True, True)])
    def test_force_may_be_a_word(self, word: object, meant: bool) -> None:
        assert request_of({"force": word}).force is meant


class TestConfigPath:
    def test_a_relative_path_starts_at_the_nearest_bundle_upwards(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        notebook = tmp_path / "src" / "bronze"
        notebook.mkdir(parents=True)
        (tmp_path / "databricks.yml").touch()
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs" / "falcon_config.csv").write_bytes(b"x")
        monkeypatch.chdir(notebook)
        assert read_config(None, "./configs/falcon_config.csv") == b"x"

    def test_one_that_is_not_there_is_said_with_its_whole_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(Broken, match=rf"{tmp_path}/configs/x\.csv: No such file.*databricks\.yml"):
            read_config(None, "configs/x.csv")

    @pytest.mark.parametrize(
        ("text", "lob"),
        [(f"{HEADER}\n{config_row()}\n", "falcon"), (HEADER, None), ("", None), ('a\n"', None), ("lob\n\n", None)],
    )
    def test_the_lob_is_that_of_the_first_row(self, text: str, lob: str | None) -> None:
        assert lob_named(text) == lob

    def test_where_no_roots_are_known_a_source_may_lie_anywhere_but_schemas_stay_the_lobs(self) -> None:
        row = config_row().replace("/falcon/", "/elsewhere/")
        text = f"{HEADER}\n{row}\n{row.replace('falcon_bronze', 'eagle_bronze')}\n"
        parsed = parse_config(text, lob="falcon", catalog="main", allowed_roots=None)
        assert [feed.source_path for feed in parsed.feeds] == [row.split(",")[4]]
        assert [error.column for error in parsed.errors] == ["dest_schema"]


class TestSetting:
    def test_one_setting_is_read_alone(self) -> None:
        assert Settings.one("settle_seconds", {}) == 30
        assert Settings.one("settle_seconds", {"HUB_SETTLE_SECONDS": "0"}) == 0
        assert Settings.one("allowed_roots", {}) is None
        assert Settings.one("spokes", {}) == {}

    def test_a_bad_one_is_named_without_its_value(self) -> None:
        with pytest.raises(Broken, match="HUB_SETTLE_SECONDS cannot be read") as broken:
            Settings.one("settle_seconds", {"HUB_SETTLE_SECONDS": "soon"})
        assert "soon" not in str(broken.value)


class TestWidgets:
    def test_widgets_come_before_arguments_and_the_empty_string_counts_as_absent(self) -> None:
        dbutils = SimpleNamespace(widgets=SimpleNamespace(getAll=lambda: {"a": "widget", "b": ""}))
        widgets = WidgetManager(dbutils, ["--a=argument", "--b=argument", "--c", "spaced", "--d="])
        assert [widgets.get(name) for name in "abcde"] == ["widget", "argument", "spaced", None, None]
        assert widgets.get("d", "default") == "default"

    @pytest.mark.parametrize("place", ["__main__", "IPython"])
    def test_the_notebooks_own_dbutils_is_found(self, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
        dbutils = SimpleNamespace(widgets=SimpleNamespace(getAll=lambda: {"category": "falcon"}))
        shell = SimpleNamespace(user_ns={"dbutils": dbutils})
        modules = {"__main__": SimpleNamespace(dbutils=dbutils), "IPython": SimpleNamespace(get_ipython=lambda: shell)}
        monkeypatch.setitem(sys.modules, place, modules[place])
        assert WidgetManager(arguments=[]).get("category") == "falcon"

    def test_without_widgets_the_processs_arguments_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.argv", ["notebook.py", "--category", "falcon", "stray", "--flag"])
        widgets = WidgetManager()
        assert (widgets.get("category"), widgets.get("flag"), widgets.get("stray")) == ("falcon", None, None)


class TestEnvironment:
    def test_names_are_quoted_and_of_the_layer(self) -> None:
        given = {"environment": "dev", "catalog": "main", "schema_prefix": "falcon"}
        here = Environment.current(given.get)
        assert (here.name, here.schema("silver")) == ("dev", "`main`.`falcon_silver`")
        assert here.table("gold", "delays") == "`main`.`falcon_gold`.`delays`"

    def test_what_is_missing_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HUB_CATALOG", raising=False)
        with pytest.raises(Broken, match="environment, schema_prefix;"):
            Environment.current({"catalog": "main"}.get)

    def test_a_name_that_is_none_reaches_no_statement(self) -> None:
        with pytest.raises(Broken):
            Environment("dev", "main", "falcon`; DROP").schema("silver")


def test_asking_for_a_logger_again_shows_no_line_twice(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("falcon.silver")
    get_logger("falcon.silver").info("cleaned %d rows", 3)
    assert capsys.readouterr().out.count("INFO falcon.silver: cleaned 3 rows\n") == 1
    assert logging.getLogger("falcon.silver").handlers[1:] == []


class TestResult:
    RESULT = BronzeResult(
        batch_id="b1",
        state=LoadState.PARTIAL,
        files=(
            outcome("a.csv", FileStatus.SUCCESS, 1_000),
            outcome("b.csv", FileStatus.SUCCESS, 234),
            outcome("c.csv", FileStatus.FAILED, None, "the file was deleted\nbefore it was read"),
        ),
        waited=(outcome("d.csv", FileStatus.QUARANTINED),),
        config_errors=(ConfigError(3, "file_format", "xls", "unknown file_format", "use delimited"),),
        skipped={"loaded": 7},
        seconds=2.0,
    )

    def test_it_prints_as_a_table(self) -> None:
        lines = [line.split() for line in str(self.RESULT).splitlines()]
        assert lines[0] == ["batch", "b1:", "PARTIAL,", "3", "files,", "1,234", "rows,", "2.0", "s"]
        assert ["main.falcon_bronze.t", "SUCCESS", "2", "1,234", "0"] in lines
        assert "c.csv  FAILED       FILE_GONE  the file was deleted before it was read" in str(self.RESULT)
        assert "main.falcon_bronze.t  QUARANTINED (by another load)  1" in str(self.RESULT)
        assert "not due: 7 loaded" in str(self.RESULT)
        assert "3         file_format  unknown file_format  use delimited" in str(self.RESULT)

    def test_what_was_waited_for_counts(self) -> None:
        assert self.RESULT.count(FileStatus.QUARANTINED) == 1
        assert (self.RESULT.rows, self.RESULT.rejected) == (1_234, 0)

    def test_only_what_should_fail_the_task_does(self) -> None:
        assert self.RESULT.without() is self.RESULT
        for status in (FileStatus.FAILED, FileStatus.QUARANTINED):
            with pytest.raises(FilesNotLoaded) as raised:
                self.RESULT.without(status)
            assert raised.value.result is self.RESULT
        assert replace(self.RESULT, waited=()).without(FileStatus.QUARANTINED).files == self.RESULT.files

    def test_the_tasks_error_shows_the_table(self) -> None:
        assert "c.csv" in str(FilesNotLoaded(self.RESULT))
