"""What a notebook is given: its parameters, held to what a request may be, and its CSV."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hub_core.errors import Broken, FieldError, Rejected
from hub_core.paths import parse_abfss
from hub_core.request import LoadRequest, parse_request
from spark_jobs.failures import first_line, is_passing
from spark_jobs.spark_paths import literal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OF_A_REQUEST = ("lob", "category", "subcategory", "file_name", "begin_date", "end_date", "force")
OF_A_RUN = ("batch_id", "catalog", "run_id", "traceparent")
BUNDLE = "databricks.yml"


def read_config(spark: "SparkSession", config_path: str) -> bytes:
    """The CSV's bytes; a relative path starts at the nearest folder upwards that holds a bundle."""
    if "://" in config_path:
        return _read_with_spark(spark, config_path)
    path = Path(config_path)
    if not path.is_absolute():
        here = Path.cwd()
        path = next((one for one in (here, *here.parents) if (one / BUNDLE).is_file()), here) / path
    try:
        return path.read_bytes()
    except OSError as error:
        said = f"{path}: {error.strerror}; a relative config_path starts at the folder of {BUNDLE}"
        raise Broken("CONFIG_UNREADABLE", said) from error


def _read_with_spark(spark: "SparkSession", url: str) -> bytes:
    parse_abfss(url)
    try:
        rows = spark.read.format("binaryFile").load(literal(url)).select("content").collect()
    except Exception as error:
        if is_passing(error):
            raise
        raise Broken("CONFIG_UNREADABLE", f"{url}: {first_line(error)}") from error
    return bytes(rows[0]["content"])


def refuse_unknown(given: Mapping[str, object]) -> None:
    """Rejected where a parameter is none of those that are known."""
    known = (*OF_A_REQUEST, *OF_A_RUN)
    remedy = f"they are {', '.join(known)}"
    errors = [FieldError(name, "no such parameter", remedy) for name in given if name not in known]
    if errors:
        said = "; ".join(f"{error.field}: {error.message}" for error in errors)
        raise Rejected("BAD_REQUEST", f"{said}; {remedy}", errors=errors)


def request_of(given: Mapping[str, object]) -> LoadRequest:
    """The request; `force` may be a word, as widgets have no other values."""
    words = {"true": True, "false": False}
    body = {
        name: words.get(value.lower(), value) if name == "force" and isinstance(value, str) else value
        for name, value in given.items()
    }
    return parse_request(json.dumps(body, default=str).encode())


def run_id_of(given: Mapping[str, object]) -> str | None:
    """The run's id; Rejected where it is not a number."""
    text = text_of(given, "run_id")
    if text is not None and not (text.isascii() and text.isdigit()):
        problem = FieldError("run_id", f"{text!r} is no run's id", "pass {{job.run_id}}, or leave it out")
        raise Rejected("BAD_REQUEST", f"run_id: {problem.message}; {problem.remedy}", errors=[problem])
    return text


def text_of(given: Mapping[str, object], name: str) -> str | None:
    """The parameter as text, or None."""
    return str(given[name]) if name in given else None
