"""A statement's parameters as typed Spark literals: values travel beside the text, never inside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, DecimalException
from typing import Any

from pyspark.sql import types as spark_types
from pyspark.sql.connect.expressions import LiteralExpression

from local_stack.databricks.warehouse_errors import StatementFailed, failure

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_INTEGERS: dict[str, tuple[int, Any]] = {
    "TINYINT": (8, spark_types.ByteType),
    "SMALLINT": (16, spark_types.ShortType),
    "INT": (32, spark_types.IntegerType),
    "BIGINT": (64, spark_types.LongType),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One bound value; `name` is None for a `?` marker, `sql_type` what DECLARE VARIABLE calls its type."""

    name: str | None
    sql_type: str
    literal: LiteralExpression


def parameters_of(sent: list[Any] | None) -> list[Parameter]:
    """Parameters in the order sent; raises StatementFailed for a value that is none of its type."""
    return [_parameter(each) for each in sent or []]


def _parameter(sent: Any) -> Parameter:
    declared = (sent.type or "STRING").upper()
    name = None if sent.ordinal else sent.name
    if sent.arguments is not None:
        raise failure("UNSUPPORTED_FEATURE.PARAMETER_TYPE", f"A parameter of type {declared}.", "0A000")
    text = sent.value.stringValue if sent.value is not None else None
    spark_type, parse = _reader(declared)
    if text is None or parse is None:
        return Parameter(name, declared, LiteralExpression(None, spark_type))
    try:
        value = parse(text)
    except (ValueError, DecimalException):
        raise _malformed(text, declared) from None
    return Parameter(name, declared, LiteralExpression(value, spark_type))


def _reader(declared: str) -> tuple[Any, Callable[[str], Any] | None]:
    """The Spark type for a Databricks type name, and what turns the connector's text into its value."""
    if declared in _INTEGERS:
        bits, integer_type = _INTEGERS[declared]
        return integer_type(), lambda text: _integer(text, bits, declared)
    if match := _DECIMAL.fullmatch(declared):
        precision, scale = int(match[1]), int(match[2])
        return spark_types.DecimalType(precision, scale), lambda text: _decimal(text, precision, scale)
    readers: dict[str, tuple[Any, Callable[[str], Any] | None]] = {
        "STRING": (spark_types.StringType(), str),
        "BOOLEAN": (spark_types.BooleanType(), _boolean),
        "FLOAT": (spark_types.FloatType(), float),
        "DOUBLE": (spark_types.DoubleType(), float),
        "DATE": (spark_types.DateType(), date.fromisoformat),
        "TIMESTAMP": (spark_types.TimestampType(), _timestamp),
        "TIMESTAMP_NTZ": (spark_types.TimestampNTZType(), _local_timestamp),
        "VOID": (spark_types.NullType(), None),
    }
    try:
        return readers[declared]
    except KeyError:
        raise failure("UNSUPPORTED_FEATURE.PARAMETER_TYPE", f"A parameter of type {declared}.", "0A000") from None


def _integer(text: str, bits: int, declared: str) -> int:
    value = int(text)
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise failure("CAST_OVERFLOW", f'The value {text} cannot be cast to "{declared}" due to an overflow.', "22003")
    return value


def _decimal(text: str, precision: int, scale: int) -> Decimal:
    value = Decimal(text).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if len(value.as_tuple().digits) > precision:
        told = f"{text} cannot be represented as Decimal({precision}, {scale})."
        raise failure("NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION", told, "22003")
    return value


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.strip().lower()]
    except KeyError:
        raise ValueError(text) from None


def _timestamp(text: str) -> datetime:
    """An instant; without an offset it is UTC, the session's time zone."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _local_timestamp(text: str) -> datetime:
    """A wall clock reading; an offset is dropped, as the connector documents."""
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _malformed(text: str, declared: str) -> StatementFailed:
    told = f'The value \'{text}\' of the type "STRING" cannot be cast to "{declared}" because it is malformed.'
    return failure("CAST_INVALID_INPUT", told, "22018")
