"""The built wheel, installed with only what it declares, on the Pythons of Databricks and of Azure Functions."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.pipelines.processes import ROOT, UV, run

SHIPPED = {"ddl", "deltalake_hub", "hub_core", "hubctl", "spark_jobs"}
# Imports every module below the packages named in its arguments; prints those that lack another package, and which.
IMPORT_ALL = """
import importlib, json, pkgutil, sys
missing, modules = {}, 0
for root in sys.argv[1:]:
    package = importlib.import_module(root)
    names = [root, *(one.name for one in pkgutil.walk_packages(package.__path__, f"{root}.", onerror=lambda _: None))]
    modules += len(names)
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing[name] = error.name.partition(".")[0]
print(json.dumps({"missing": missing, "modules": modules, "azure": sorted(
    name for name in sys.modules if name.partition(".")[0] in {"azure", "msal", "databricks"})}))
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it."""

    python: Path

    def run(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run its Python, away from the checkout and from this process's environment."""
        return subprocess.run(
            [self.python, "-I", *arguments],
            cwd=self.python.parent,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.python.parent)},
            text=True,
            capture_output=True,
            check=check,
        )

    def imports(self, *packages: str) -> dict[str, str]:
        """The modules that can't be imported, each with the package that it lacks; fails for any other reason."""
        told = json.loads(self.run("-c", IMPORT_ALL, *packages).stdout)
        assert told["azure"] == []
        assert told["modules"] > 1
        return dict(told["missing"])


def _interpreter(version: str) -> Path:
    """A Python of this version on this machine: on PATH, or among pyenv's; else the test is skipped."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    on_path = shutil.which(f"python{version}")
    found = [*([on_path] if on_path else []), *sorted(pyenv.glob(f"{version}.*/bin/python{version}")), sys.executable]
    for candidate in found:
        # Asked away from the checkout, whose .python-version makes some of pyenv's shims fail; the answer is no shim.
        told = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
        asked = subprocess.run([candidate, "-c", told], text=True, capture_output=True, check=False, cwd="/")
        if asked.returncode == 0 and asked.stdout.startswith(f"{version} "):
            return Path(asked.stdout.split(maxsplit=1)[1].strip())
    pytest.skip(f"there is no Python {version} on PATH or below {pyenv}")


def _environment(folder: Path, version: str, requirement: str) -> Installed:
    subprocess.run([UV, "venv", "-q", "-p", _interpreter(version), folder], check=True, cwd=folder.parent)
    python = folder / "bin" / "python"
    subprocess.run([UV, "pip", "install", "-q", "-p", python, requirement], check=True, cwd=folder.parent)
    return Installed(python)


@pytest.fixture(scope="module", params=["3.12", "3.13"])
def version(request: pytest.FixtureRequest) -> str:
    """Databricks Runtime's Python, and the Functions worker's."""
    return str(request.param)


@pytest.fixture(scope="module")
def bare(wheel: Path, version: str, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel without an extra, as a notebook installs it."""
    return _environment(tmp_path_factory.mktemp("bare") / "env", version, str(wheel))


@pytest.fixture(scope="module")
def with_cli(wheel: Path, version: str, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel with what hubctl needs, as a spoke's pipeline installs it."""
    return _environment(tmp_path_factory.mktemp("cli") / "env", version, f"deltalake-hub[cli] @ {wheel.as_uri()}")


@pytest.fixture
def pyspark(bare: Installed, version: str) -> Iterator[Installed]:
    """The bare environment on a cluster, which has pyspark of its own."""
    ours = Path(str(find_spec("pyspark").origin)).parents[1]  # type: ignore[union-attr]
    packages = bare.python.parents[1] / "lib" / f"python{version}" / "site-packages"
    links = [packages / name for name in ("pyspark", "py4j")]
    for link in links:
        link.symlink_to(ours / link.name)
    yield bare
    for link in links:
        link.unlink()


def test_the_wheel_ships_the_five_packages_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == SHIPPED
    assert [name for name in names if name.endswith((".pyc", ".pyi"))] == []
    tables = {name for name in names if name.startswith("ddl/") and name.endswith(".sql")}
    assert tables == {f"ddl/{one.name}" for one in (ROOT / "ddl").glob("*.sql")}


def test_it_installs_with_what_it_declares_and_no_azure_package(bare: Installed) -> None:
    told = subprocess.run([UV, "pip", "list", "-p", bare.python, "--format", "json"], capture_output=True, check=True)
    names = {one["name"] for one in json.loads(told.stdout)}
    assert {"deltalake-hub", "pydantic", "sqlglot"} <= names
    assert {name for name in names if name.startswith(("azure", "databricks", "msal", "pyspark"))} == set()
    assert {"typer", "httpx", "rich"} & names == set()


def test_every_module_that_a_notebook_needs_imports_where_spark_is(pyspark: Installed) -> None:
    assert pyspark.imports("deltalake_hub", "spark_jobs") == {}


def test_without_spark_only_modules_that_work_on_it_cannot_be_imported(bare: Installed) -> None:
    missing = bare.imports("deltalake_hub", "spark_jobs", "ddl")
    assert set(missing.values()) <= {"pyspark"}
    assert "deltalake_hub.core.widget_manager" not in missing


def test_of_the_core_only_the_services_edge_needs_more(bare: Installed) -> None:
    missing = bare.imports("hub_core")
    core = {name: lacks for name, lacks in missing.items() if not name.startswith("hub_core.adapters.")}
    assert core == {"hub_core.otel": "opentelemetry"}


def test_the_front_door_opens(pyspark: Installed) -> None:
    pyspark.run(
        "-c",
        "from deltalake_hub.bronze.base_loader import BronzeLoader\n"
        "from deltalake_hub.core.widget_manager import WidgetManager\n"
        "import deltalake_hub.quality\n"
        "assert WidgetManager().get('no_such_widget', default='7') == '7'",
    )


def test_the_tables_are_data_that_can_be_read(bare: Installed) -> None:
    told = bare.run(
        "-c", "from importlib.resources import files\nprint((files('ddl') / 'load_tracker.sql').read_text())"
    )
    assert told.stdout.strip() == (ROOT / "ddl" / "load_tracker.sql").read_text("utf-8").strip()


def test_the_loader_jobs_entry_point_is_there_and_says_how_it_is_called(pyspark: Installed) -> None:
    told = pyspark.run(pyspark.python.parent / "bronze_load", "--help")
    assert "--batch-id" in told.stdout


def test_without_the_extra_hubctl_says_what_it_lacks(bare: Installed) -> None:
    told = bare.run(bare.python.parent / "hubctl", "--help", check=False)
    assert told.returncode != 0
    assert "typer" in told.stderr


def test_with_the_extra_hubctl_checks_a_csv(with_cli: Installed, tmp_path: Path) -> None:
    config = tmp_path / "falcon_config.csv"
    row = "falcon,a,b,x_*.csv,abfss://raw@acct.dfs.core.windows.net/falcon/x/,delimited,,true,${catalog},falcon_bronze,x,true"
    columns = (
        "lob,category,subcategory,file_pattern,source_path,file_format,delimiter,has_header,"
        "dest_catalog,dest_schema,dest_table,is_active"
    )
    config.write_text(f"{columns}\n{row}\n")
    hubctl = with_cli.python.parent / "hubctl"
    assert "1 good feeds, 0 errors" in with_cli.run(hubctl, "config", "check", config).stdout
    config.write_text(f"{columns}\n{row.replace('delimited', 'excel')}\n")
    bad = with_cli.run(hubctl, "config", "check", config, check=False)
    assert bad.returncode == 1, bad.stderr
    with_cli.run(hubctl, "load", "--help")


def test_the_function_app_runs_on_what_its_package_holds(tmp_path: Path) -> None:
    done = run("build_function_app.sh", tmp_path)
    assert done.returncode == 0, done.stderr
    with ZipFile(done.stdout.strip()) as archive:
        archive.extractall(tmp_path / "app")
    app = tmp_path / "app"
    assert {one.name for one in app.iterdir()} == {
        ".python_packages", "ddl", "function_app", "function_app.py", "host.json", "hub_core", "requirements.txt",
    }  # fmt: skip
    code = (
        "import sys\n"
        f"sys.path[:0] = [{str(app)!r}, {str(app / '.python_packages/lib/site-packages')!r}]\n"
        "import function_app\n"
        "import hub_core.bootstrap, hub_core.adapters.warehouse, hub_core.adapters.jobs, hub_core.adapters.table\n"
        "print(sorted(one.get_function_name() for one in function_app.app.get_functions()))\n"
    )
    told = subprocess.run(
        [_interpreter("3.13"), "-I", "-S", "-c", code], text=True, capture_output=True, check=False, cwd=tmp_path
    )
    assert told.returncode == 0, told.stderr
    for function in ("plan_load", "on_blob_created", "drain_events", "reconcile"):
        assert function in told.stdout
