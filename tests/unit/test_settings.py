"""Settings: one frozen value from the environment; a missing or bad one fails with its name and an example."""

from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.errors import Broken
from hub_core.feeds import House
from hub_core.settings import Settings

ROOT = "abfss://raw@acct.dfs.core.windows.net/"
LEAST = {
    "HUB_CATALOG": "prod",
    "HUB_CONFIG_ROOT": "abfss://config@acct.dfs.core.windows.net/feeds",
    "HUB_ALLOWED_ROOTS": ROOT,
    "HUB_LOADER_JOB_ID": "123",
    "DATABRICKS_HOST": "adb-1.2.azuredatabricks.net/",
    "HUB_WAREHOUSE_ID": "1a2b",
}


def refused(**environment: str) -> str:
    with pytest.raises(Broken) as caught:
        Settings.from_environment({**LEAST, **environment})
    assert caught.value.code == "BAD_SETTING"
    return caught.value.message


def test_six_settings_are_needed_and_the_rest_have_defaults() -> None:
    settings = Settings.from_environment(LEAST)
    assert settings.config_root == "abfss://config@acct.dfs.core.windows.net/feeds/"
    assert settings.allowed_roots == (ROOT,)
    assert settings.databricks_host == "https://adb-1.2.azuredatabricks.net"
    assert (settings.lookback_days, settings.settle_seconds) == (7, 30)
    assert settings.spokes == {}
    assert settings.job_of("falcon") == "123"


@pytest.mark.parametrize("name", sorted(LEAST))
@pytest.mark.parametrize("value", ["", "   "])
def test_a_missing_setting_is_named_with_an_example(name: str, value: str) -> None:
    message = refused(**{name: value})
    assert message.startswith(f"{name} is not set")
    assert "E.g. " in message


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(Broken) as caught:
        Settings.from_environment({})
    assert all(name in caught.value.message for name in LEAST)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUB_CATALOG", "a.b"),
        ("HUB_CONFIG_ROOT", "https://acct/config"),
        ("HUB_CONFIG_ROOT", "/mnt/config"),
        ("HUB_ALLOWED_ROOTS", ","),
        ("HUB_ALLOWED_ROOTS", f"{ROOT}, /mnt"),
        ("HUB_ALLOWED_ROOTS", "[1]"),
        ("HUB_ALLOWED_ROOTS", f"{ROOT}../"),
        ("HUB_LOADER_JOB_ID", "the-job"),
        ("HUB_LOADER_JOBS", "falcon=1"),
        ("HUB_LOADER_JOBS", "[1]"),
        ("HUB_LOADER_JOBS", '{"falcon": {"id": 1}}'),
        ("HUB_LOADER_JOBS", '{"falcon": "the-job"}'),
        ("HUB_LOOKBACK_DAYS", "week"),
        ("HUB_LOOKBACK_DAYS", "-1"),
        ("HUB_LOOKBACK_DAYS", "99999999999"),
        ("HUB_SETTLE_SECONDS", "1.5"),
        ("HUB_SPOKES", "falcon"),
        ("HUB_SPOKES", '["falcon"]'),
        ("HUB_SPOKES", '{"falcon": {}}'),
        ("HUB_SPOKES", '{"falcon": {"sources": ["/mnt"], "schemas": ["falcon_*"]}}'),
        # a string in the place of a list: its letters would be patterns, and * lets everything through
        ("HUB_SPOKES", f'{{"falcon": {{"sources": ["{ROOT}f/"], "schemas": "falcon_*"}}}}'),
        ("HUB_SPOKES", f'{{"falcon": {{"sources": "{ROOT}f/", "schemas": ["falcon_*"]}}}}'),
        ("HUB_SPOKES", f'{{"falcon": {{"sources": ["{ROOT}f/"], "schemas": []}}}}'),
        ("HUB_STORAGE_CONNECTIONS", "secret"),
    ],
)
def test_a_bad_setting_is_named_with_an_example_and_without_its_value(name: str, value: str) -> None:
    message = refused(**{name: value})
    assert message.startswith(f"{name} cannot be read")
    assert len(value) < 3 or value not in message.split("E.g. ")[0]


def test_a_lob_may_have_a_job_and_a_house_of_its_own() -> None:
    settings = Settings.from_environment(
        {
            **LEAST,
            "HUB_LOADER_JOBS": '{"falcon": 7, "heron": "8"}',
            "HUB_SPOKES": f'{{"falcon": {{"sources": ["{ROOT}f"], "schemas": ["f_*"]}}}}',
        }
    )
    assert [settings.job_of(lob) for lob in ("falcon", "heron", "kestrel")] == ["7", "8", "123"]
    assert settings.spokes == {"falcon": House((f"{ROOT}f/",), ("f_*",))}


def test_several_roots_are_a_list_with_commas_or_json() -> None:
    roots = (ROOT, "abfss://in@other.dfs.core.windows.net/x/")
    for text in (", ".join(roots), f'["{roots[0]}", "{roots[1]}"]'):
        assert Settings.from_environment({**LEAST, "HUB_ALLOWED_ROOTS": text}).allowed_roots == roots


def test_settings_are_frozen_and_do_not_show_their_secrets() -> None:
    settings = Settings.from_environment({**LEAST, "DATABRICKS_TOKEN": "dapi-secret"})
    assert settings.databricks_token == "dapi-secret"
    assert "dapi-secret" not in f"{settings!r} {settings}"
    with pytest.raises(FrozenInstanceError):
        settings.catalog = "other"


def test_each_setting_has_a_name_a_sentence_and_an_example_that_can_be_read() -> None:
    for one in fields(Settings):
        meta = one.metadata
        assert meta["env"].isupper()
        assert meta["sentence"].endswith(".")
        meta["parse"](meta["example"])


@given(st.dictionaries(st.sampled_from([one.metadata["env"] for one in fields(Settings)]), st.text(max_size=30)))
def test_any_environment_is_settings_or_broken(environment: dict[str, str]) -> None:
    try:
        Settings.from_environment({**LEAST, **environment})
    except Broken as error:
        assert error.code == "BAD_SETTING"  # noqa: PT017 — either way is right
