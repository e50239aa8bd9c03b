"""The bundle as its YAML says it, and a small Spark for what works on DataFrames."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[1]
LOB = "falcon"
# A Spark of this process' own, quick with a handful of rows.
LOCAL = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.ui.enabled": "false",
}


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


@pytest.fixture(scope="session")
def bundle() -> dict[str, Any]:
    return read("databricks.yml")


@pytest.fixture(scope="session")
def jobs() -> dict[str, dict[str, Any]]:
    """All jobs of resources/, by key."""
    files = sorted((ROOT / "resources").glob("*.yml"))
    return {key: job for file in files for key, job in yaml.safe_load(file.read_text())["resources"]["jobs"].items()}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:
    """SPARK_REMOTE's session, else a Spark in this process; skipped where there is neither."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        pytest.skip("pyspark is not installed: pip install -r requirements.txt")
    builder = SparkSession.builder
    if remote := os.environ.get("SPARK_REMOTE"):
        session = builder.remote(remote).getOrCreate()
    else:
        os.environ["PYSPARK_PYTHON"] = sys.executable
        try:
            warehouse = str(tmp_path_factory.mktemp("warehouse"))
            builder = builder.master("local[1]").config(map=LOCAL | {"spark.sql.warehouse.dir": warehouse})
            session = builder.getOrCreate()
        except Exception as error:  # pyspark raises whatever the launcher met; without Java there is no Spark here
            if "JAVA" in str(error).upper():
                pytest.skip(f"no Java for a local Spark: {error}")
            raise
    yield session
    session.stop()
