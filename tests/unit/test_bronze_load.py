"""The loader job's entry point, on a stand-in for Spark and for the load itself."""

import json
import sys
from types import ModuleType

import pytest
from pyspark.errors import AnalysisException

from spark_jobs import bronze_load
from spark_jobs.loader import LoadResult


class Settings:
    """Those of a session; a compute that keeps its own refuses all."""

    def __init__(self, *, refuses: bool) -> None:
        self.refuses = refuses
        self.made: dict[str, str] = {}

    def set(self, name: str, value: str) -> None:
        if self.refuses:
            raise AnalysisException(f"[CONFIG_NOT_AVAILABLE] {name}")
        self.made[name] = value


class Spark:
    """A session."""

    def __init__(self, *, refuses: bool) -> None:
        self.conf = Settings(refuses=refuses)


class Load:
    """A load that finds nothing to do."""

    def __init__(self, _spark: object, _catalog: str, batch_id: str, _run_id: str | None, **_say: object) -> None:
        self.batch_id = batch_id

    def run(self) -> LoadResult:
        return LoadResult(self.batch_id, {}, 0, 0, 0.1)


@pytest.mark.parametrize("refuses", [False, True])
def test_a_load_goes_on_where_the_compute_lets_no_setting_be_made(
    refuses: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spark = Spark(refuses=refuses)
    module = ModuleType("pyspark.sql")
    builder = type("Builder", (), {"getOrCreate": staticmethod(lambda: spark)})
    module.SparkSession = type("SparkSession", (), {"builder": builder})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyspark.sql", module)
    monkeypatch.setattr(bronze_load, "Loader", Load)
    bronze_load.main(["--batch-id", "b", "--catalog", "dev"])
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["batch_id"] == "b"
    assert spark.conf.made == ({} if refuses else dict(bronze_load.SETTINGS))
