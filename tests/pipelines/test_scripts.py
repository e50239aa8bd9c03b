"""The scripts that the pipelines call, run as they are; where Azure would answer, a recorder does."""

import base64
import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import deltalake_hub
from tests.pipelines.index_server import index_server
from tests.pipelines.processes import ROOT, SCRIPTS, Recorded, run

HOST = "https://adb-1.2.azuredatabricks.net"
TOKEN = "dapi-0123456789-secret"
USAGE_ERRORS = {
    "build_wheel.sh": [["a", "b"]],
    "build_function_app.sh": [["a", "b"]],
    "run_tests.sh": [["--help"]],
    "publish_wheel.sh": [[], ["http://127.0.0.1:1/"], ["", "token"], ["a", "b", "c", "d"]],
    "deploy_bundle.sh": [
        [],
        ["dev"],
        ["dev", HOST],
        ["dev", ".", HOST, "t", "more"],
        ["dev", ".", HOST],
        ["", HOST, "t"],
    ],
    "publish_config.sh": [[], ["a.csv", "falcon"], [__file__, "falcon", "https://acct.blob.core.windows.net/config"]],
    "configure_pip.sh": [["a", "b"]],
    "tag_release.sh": [["a", "b"]],
}


@pytest.mark.parametrize(("script", "wrong"), [(script, one) for script, all_ in USAGE_ERRORS.items() for one in all_])
def test_a_wrong_call_is_answered_with_the_usage_and_2(script: str, wrong: list[str]) -> None:
    done = run(script, *wrong)
    assert done.returncode == 2
    assert f"usage: {script}" in done.stderr


def test_scripts_are_executable() -> None:
    for script in SCRIPTS.glob("*.sh"):
        assert script.stat().st_mode & stat.S_IXUSR, script.name


# build_wheel.sh


def test_the_wheel_has_the_version_of_the_package_and_is_the_same_bytes_each_time(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "deltalake_hub-0.0.1-py3-none-any.whl").touch()
    (tmp_path / "other.whl").touch()
    again = Path(run("build_wheel.sh", tmp_path).stdout.strip())
    assert again.name == f"deltalake_hub-{deltalake_hub.__version__}-py3-none-any.whl"
    assert again.read_bytes() == wheel.read_bytes()
    assert {one.name for one in tmp_path.iterdir()} == {again.name, "other.whl"}, "one wheel of the hub, others stay"


# run_tests.sh


def test_results_and_coverage_of_a_project_are_written_and_a_failed_test_fails_the_step(tmp_path: Path) -> None:
    (tmp_path / "loader.py").write_text("def load():\n    return 1\n\n\ndef never():\n    return 2\n")
    (tmp_path / "test_loader.py").write_text(
        "from loader import load\n\n\n"
        "def test_good():\n    assert load() == 1\n\n\n"
        "def test_bad():\n    assert load() == 2\n"
    )
    done = run("run_tests.sh", "results", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    results = (tmp_path / "results" / "junit.xml").read_text()
    assert re.search(r'failures="1"[^>]* tests="2"', results)
    coverage = (tmp_path / "results" / "coverage.xml").read_text()
    assert re.search(r'filename="loader.py"[^>]* line-rate="0.75"', coverage)
    good = run("run_tests.sh", "results", "-p", "no:cacheprovider", "-k", "good", cwd=tmp_path)
    assert good.returncode == 0, good.stdout


# publish_wheel.sh


def test_a_wheel_is_published_once_and_the_same_again_is_no_error(wheel: Path, tmp_path: Path) -> None:
    with index_server(tmp_path, TOKEN) as url:
        for feed in (url, url, f"{url}simple/"):
            done = run("publish_wheel.sh", feed, "-", wheel.parent, stdin=TOKEN)
            assert done.returncode == 0, done.stderr
            assert TOKEN not in done.stdout + done.stderr
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [wheel.read_bytes()]


def test_other_content_under_a_published_version_is_refused(wheel: Path, tmp_path: Path) -> None:
    packages, changed = tmp_path / "packages", tmp_path / "changed"
    packages.mkdir()
    changed.mkdir()
    shutil.copy(wheel, packages)
    with ZipFile(shutil.copy(wheel, changed), "a") as archive:
        archive.writestr("deltalake_hub/more.py", "")
    with index_server(packages, TOKEN) as url:
        done = run("publish_wheel.sh", url, TOKEN, changed)
    assert done.returncode == 1
    assert (packages / wheel.name).read_bytes() == wheel.read_bytes()


def test_a_wrong_token_publishes_nothing_and_is_not_shown(wheel: Path, tmp_path: Path) -> None:
    with index_server(tmp_path, TOKEN) as url:
        done = run("publish_wheel.sh", url, "wrong-token-1234", wheel.parent)
    assert done.returncode == 1
    assert "wrong-token-1234" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("said", ["upload/", "upload", "simple/", "simple"])
def test_of_a_feed_uploads_go_to_upload_and_are_compared_with_simple(wheel: Path, tmp_path: Path, said: str) -> None:
    feed = "https://pkgs.dev.azure.com/company/_packaging/deltalake-artifacts/pypi"
    # A copy without the project's own uv beside it calls the one on PATH.
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(SCRIPTS / "publish_wheel.sh", tmp_path / "scripts")
    uv = Recorded(tmp_path / "bin", "uv")
    done = run(script, f"{feed}/{said}", "-", wheel, stdin=TOKEN, path=uv.program.parent)
    assert done.returncode == 0, done.stderr
    [call] = uv.calls
    assert call.argv[call.argv.index("--publish-url") + 1] == f"{feed}/upload/"
    assert call.env["UV_PUBLISH_CHECK_URL"] == f"{feed}/simple/".replace("//", f"//__token__:{TOKEN}@", 1)
    assert call.argv[-1] == str(wheel)
    assert call.env["UV_PUBLISH_PASSWORD"] == TOKEN
    assert not any(TOKEN in word for word in call.argv)


def test_there_must_be_one_wheel_to_publish(tmp_path: Path) -> None:
    assert run("publish_wheel.sh", "http://127.0.0.1:1/", TOKEN, tmp_path).returncode == 2
    for version in ("0.1.0", "0.2.0"):
        (tmp_path / f"deltalake_hub-{version}-py3-none-any.whl").touch()
    done = run("publish_wheel.sh", "http://127.0.0.1:1/", TOKEN, tmp_path)
    assert done.returncode == 2
    assert "0.1.0" in done.stderr


# deploy_bundle.sh


@pytest.fixture
def databricks(tmp_path: Path) -> Recorded:
    """The Databricks CLI's stand-in, on PATH in `bin`."""
    return Recorded(tmp_path / "bin", "databricks")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder with a bundle."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "databricks.yml").write_text("bundle:\n  name: some\n")
    return folder


@pytest.mark.parametrize("on_stdin", [True, False])
def test_a_bundle_is_validated_then_deployed_with_the_token_in_the_environment(
    databricks: Recorded, bundle: Path, on_stdin: bool
) -> None:
    token = "-" if on_stdin else TOKEN
    done = run("deploy_bundle.sh", "staging", bundle, HOST, token, stdin=TOKEN, path=databricks.program.parent)
    assert done.returncode == 0, done.stderr
    assert [call.argv for call in databricks.calls] == [
        ["bundle", "validate", "-t", "staging"],
        ["bundle", "deploy", "-t", "staging"],
    ]
    for call in databricks.calls:
        assert call.cwd == str(bundle)
        assert call.env["DATABRICKS_HOST"] == HOST
        assert call.env["DATABRICKS_TOKEN"] == TOKEN
        assert call.env["DATABRICKS_AUTH_TYPE"] == "pat"
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "used"), [({}, "azure-cli"), ({"DATABRICKS_AUTH_TYPE": "azure-devops-oidc"}, "azure-devops-oidc")]
)
def test_without_a_token_the_signed_in_identity_deploys(
    databricks: Recorded, bundle: Path, given: dict[str, str], used: str
) -> None:
    env = {"DATABRICKS_TOKEN": "left-over", **given}
    done = run("deploy_bundle.sh", "dev", HOST, "", cwd=bundle, env=env, path=databricks.program.parent)
    assert done.returncode == 0, done.stderr
    assert [call.cwd for call in databricks.calls] == [str(bundle)] * 2
    for call in databricks.calls:
        assert "DATABRICKS_TOKEN" not in call.env
        assert call.env["DATABRICKS_AUTH_TYPE"] == used


def test_where_there_is_no_bundle_the_hubs_own_is_deployed(databricks: Recorded, tmp_path: Path) -> None:
    done = run("deploy_bundle.sh", "dev", HOST, "", cwd=tmp_path, path=databricks.program.parent)
    assert done.returncode == 0, done.stderr
    assert [call.cwd for call in databricks.calls] == [str(ROOT / "infra" / "bundle")] * 2


def test_a_bundle_that_is_not_valid_is_not_deployed(databricks: Recorded, bundle: Path) -> None:
    databricks.fails_with("validate")
    done = run("deploy_bundle.sh", "prod", bundle, HOST, TOKEN, path=databricks.program.parent)
    assert done.returncode == 7
    assert [call.argv[1] for call in databricks.calls] == ["validate"]


def test_a_deployment_that_fails_fails_the_step(databricks: Recorded, bundle: Path) -> None:
    databricks.fails_with("deploy")
    assert run("deploy_bundle.sh", "prod", bundle, HOST, TOKEN, path=databricks.program.parent).returncode == 7


# publish_config.sh

HEADER = (
    "lob,category,subcategory,file_pattern,source_path,file_format,delimiter,has_header,"
    "dest_catalog,dest_schema,dest_table,is_active\n"
)
GOOD = (
    "falcon,a,b,x_*.csv,abfss://raw@acct.dfs.core.windows.net/falcon/x/,delimited,,true,"
    "${catalog},falcon_bronze,x,true\n"
)


@pytest.mark.parametrize(
    ("root", "blob"),
    [
        ("abfss://config@acct.dfs.core.windows.net/", "falcon_config.csv"),
        ("abfss://config@acct.dfs.core.windows.net", "falcon_config.csv"),
        ("abfss://config@acct.dfs.core.windows.net/hub/feeds/", "hub/feeds/falcon_config.csv"),
    ],
)
def test_a_good_csv_is_put_under_the_config_root(tmp_path: Path, root: str, blob: str) -> None:
    az = Recorded(tmp_path / "bin", "az")
    config = tmp_path / "feeds.csv"
    config.write_text(HEADER + GOOD)
    done = run("publish_config.sh", config, "falcon", root, path=az.program.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    [call] = az.calls
    assert call.argv[:3] == ["storage", "blob", "upload"]
    options = dict(zip(call.argv[3:], call.argv[4:], strict=False))
    assert options["--account-name"] == "acct"
    assert options["--container-name"] == "config"
    assert options["--name"] == blob
    assert options["--file"] == str(config)
    assert options["--auth-mode"] == "login"
    assert "--overwrite" in call.argv


def test_a_csv_with_a_bad_row_is_not_put(tmp_path: Path) -> None:
    az = Recorded(tmp_path / "bin", "az")
    config = tmp_path / "falcon_config.csv"
    config.write_text(HEADER + GOOD.replace("delimited", "excel"))
    done = run(
        "publish_config.sh", config, "falcon", "abfss://config@acct.dfs.core.windows.net/", path=az.program.parent
    )
    assert done.returncode == 1
    assert "file_format" in done.stdout
    assert az.calls == []


# configure_pip.sh


def test_pip_installs_from_the_feed_and_nobody_else_can_read_the_token(wheel: Path, tmp_path: Path) -> None:
    token = "pat/with:odd@signs%"
    config, netrc = tmp_path / "etc" / "pip.conf", tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1\n  login old\n  password old\nmachine other login a password b\n")
    with index_server(wheel.parent, token) as url:
        env = {
            "ADO_PAT": token,
            "HUB_FEED_URL": f"{url}simple/",
            "PIP_CONFIG_FILE": str(config),
            "HOME": str(tmp_path),
        }
        done = run("configure_pip.sh", env=env)
        assert done.returncode == 0, done.stderr
        assert token not in done.stdout + done.stderr + config.read_text()
        assert stat.S_IMODE(netrc.stat().st_mode) == 0o600
        signed_in = f"machine 127.0.0.1 login build password {token}"
        assert netrc.read_text().splitlines() == [signed_in, "machine other login a password b"]
        bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PIP_CONFIG_FILE": str(config)}
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-input",
            "--no-deps",
            "--no-cache-dir",
            "deltalake-hub",
        ]
        # As it is configured, and as a cluster installs a library that has a `repo`.
        for folder, options in (("plain", []), ("by-repo", ["--index-url", f"{url}simple/"])):
            downloaded = [*command, "-d", tmp_path / folder, *options]
            subprocess.run(downloaded, env=bare, check=True, capture_output=True)
            assert (tmp_path / folder / wheel.name).read_bytes() == wheel.read_bytes()


def test_a_spokes_script_is_the_hubs() -> None:
    ours = (SCRIPTS / "configure_pip.sh").read_bytes()
    assert (ROOT / "examples" / "spoke_falcon" / "scripts" / "configure_pip.sh").read_bytes() == ours


def test_where_no_variable_has_the_token_it_is_read_from_the_secret_scope(databricks: Recorded, tmp_path: Path) -> None:
    databricks.answers(json.dumps({"key": "ado-pat", "value": base64.b64encode(b"from-the-scope").decode()}))
    config = tmp_path / "pip.conf"
    feed = "https://pkgs.dev.azure.com/company/_packaging/deltalake-artifacts/pypi/simple/"
    env = {"PIP_CONFIG_FILE": str(config), "HOME": str(tmp_path)}
    done = run("configure_pip.sh", feed, env=env, path=databricks.program.parent)
    assert done.returncode == 0, done.stderr
    assert [call.argv for call in databricks.calls] == [
        ["secrets", "get-secret", "ado-artifacts", "ado-pat", "--output", "json"]
    ]
    assert config.read_text() == f"[global]\nindex-url = {feed}\n"
    line = "machine pkgs.dev.azure.com login build password from-the-scope\n"
    assert (tmp_path / ".netrc").read_text() == line


def test_a_secret_that_cannot_be_read_leaves_pip_as_it_was(databricks: Recorded, tmp_path: Path) -> None:
    databricks.fails_with("get-secret")
    env = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "HUB_FEED_URL": "https://feed.example/simple/"}
    env["HOME"] = str(tmp_path)
    assert run("configure_pip.sh", env=env, path=databricks.program.parent).returncode != 0
    assert not (tmp_path / "pip.conf").exists()


# tag_release.sh


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, text=True, capture_output=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of version 3.2.1 with the project's scripts and a remote, and one commit."""
    _git(tmp_path, "init", "--bare", "remote.git")
    folder = tmp_path / "checkout"
    _git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), str(folder))
    shutil.copytree(SCRIPTS, folder / "scripts")
    (folder / "deltalake_hub").mkdir()
    (folder / "deltalake_hub" / "__init__.py").write_text('__version__ = "3.2.1"\n')
    _git(folder, "add", ".")
    _git(folder, "commit", "-q", "-m", "one")
    return folder


def test_a_release_is_tagged_once_and_again_without_harm(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "HEAD")
    for _ in range(2):
        done = run(checkout / "scripts" / "tag_release.sh", commit, cwd=checkout)
        assert done.returncode == 0, done.stderr
    assert _git(checkout, "ls-remote", "--tags", "origin").split() == [commit, "refs/tags/v3.2.1"]


def test_a_version_is_not_tagged_on_a_second_commit(checkout: Path) -> None:
    tagged = _git(checkout, "rev-parse", "HEAD")
    _git(checkout, "tag", "-m", "by hand", "v3.2.1")
    _git(checkout, "push", "-q", "origin", "v3.2.1")
    assert run(checkout / "scripts" / "tag_release.sh", cwd=checkout).returncode == 0
    _git(checkout, "commit", "-q", "--allow-empty", "-m", "two")
    done = run(checkout / "scripts" / "tag_release.sh", cwd=checkout)
    assert done.returncode == 1
    assert tagged in done.stderr


def test_the_version_that_scripts_read_is_the_packages(tmp_path: Path) -> None:
    assert run("version.sh", cwd=tmp_path).stdout.strip() == deltalake_hub.__version__
