"""The feeds' CSV, as the hub will read it."""

import csv
import json
import subprocess
import sys
from typing import Any

from conftest import LOB, ROOT

CONFIG = ROOT / "configs" / "bronze" / f"{LOB}_config.csv"


def feeds() -> list[dict[str, str]]:
    with CONFIG.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_hubctl_finds_no_error_in_the_csv() -> None:
    command = [sys.executable, "-m", "hubctl.main", "config", "check", str(CONFIG), "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    document = json.loads(answer.stdout)
    assert (document["lob"], document["feeds"], document["errors"]) == (LOB, len(feeds()), [])


def test_bronze_is_where_silver_looks_for_it(bundle: dict[str, Any]) -> None:
    prefix = bundle["variables"]["schema_prefix"]["default"]
    assert {feed["dest_schema"] for feed in feeds()} == {f"{prefix}_bronze"}
    assert {feed["dest_catalog"] for feed in feeds()} == {"${catalog}"}


def test_the_export_is_no_feeds_source(bundle: dict[str, Any]) -> None:
    export = bundle["variables"]["export_path"]["default"]
    assert export.startswith("abfss://")
    assert not any(export.startswith(feed["source_path"]) for feed in feeds())
    assert not any(feed["source_path"].startswith(export) for feed in feeds())
