"""Arrow tables as Thrift results: metadata, Arrow batches, and columns for clients that cannot read Arrow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from databricks.sql.thrift_api.TCLIService import ttypes

# One answer stays far below the 16 MB that Thrift's newer clients accept in one string.
MAX_CHUNK_ROWS = 50_000
MAX_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Format:
    """What the client said it can read."""

    arrow: bool = True
    decimals: bool = True
    timestamps: bool = True
    complex_types: bool = True

    @classmethod
    def asked(cls, request: Any) -> Format:
        """The format that an ExecuteStatement request asks for."""
        native = request.useArrowNativeTypes or ttypes.TSparkArrowTypes()
        return cls(
            arrow=bool(request.canReadArrowResult),
            decimals=bool(native.decimalAsArrow),
            timestamps=bool(native.timestampAsArrow),
            complex_types=bool(native.complexTypesAsArrow),
        )


class Rows:
    """A statement's rows, handed out once from front to back."""

    def __init__(self, table: pa.Table, wanted: Format) -> None:
        self._schema = table.schema
        self._format = wanted
        self._table = _presented(table, wanted)
        self._next = 0

    @property
    def exhausted(self) -> bool:
        """Whether every row has been handed out."""
        return self._next >= self._table.num_rows

    def modified(self) -> int | None:
        """How many rows a DML statement says it changed; None for everything else."""
        if self._table.num_rows == 1 and self._schema.names[:1] == ["num_affected_rows"]:
            count: int = self._table.column(0)[0].as_py()
            return count
        return None

    def metadata(self) -> Any:
        """The GetResultSetMetadata answer."""
        columns = [_column(position, field) for position, field in enumerate(self._schema, 1)]
        return ttypes.TGetResultSetMetadataResp(
            status=SUCCESS,
            schema=ttypes.TTableSchema(columns=columns),
            resultFormat=_ARROW if self._format.arrow else _COLUMNS,
            lz4Compressed=False,
            arrowSchema=self._table.schema.serialize().to_pybytes() if self._format.arrow else None,
            isStagingOperation=False,
        )

    def chunk(self, max_rows: int | None, max_bytes: int | None) -> Any:
        """The next rows, as many as fit, as a FetchResults answer."""
        start = self._next
        part = self._table.slice(start, self._chunk_rows(max_rows, max_bytes))
        self._next = start + part.num_rows
        rows = ttypes.TRowSet(startRowOffset=start, rows=[])
        if self._format.arrow:
            rows.arrowBatches = [
                ttypes.TSparkArrowBatch(batch=batch.serialize().to_pybytes(), rowCount=batch.num_rows)
                for batch in part.to_batches()
            ]
        else:
            rows.columns = [_thrift_column(part.column(i)) for i in range(part.num_columns)]
        return ttypes.TFetchResultsResp(status=SUCCESS, hasMoreRows=not self.exhausted, results=rows)

    def _chunk_rows(self, max_rows: int | None, max_bytes: int | None) -> int:
        width = max(1, self._table.nbytes // max(1, self._table.num_rows))
        return max(
            1,
            min(
                max_rows or MAX_CHUNK_ROWS, MAX_CHUNK_ROWS, min(max_bytes or MAX_CHUNK_BYTES, MAX_CHUNK_BYTES) // width
            ),
        )


SUCCESS = ttypes.TStatus(statusCode=ttypes.TStatusCode.SUCCESS_STATUS)
_ARROW = ttypes.TSparkRowSetType.ARROW_BASED_SET
_COLUMNS = ttypes.TSparkRowSetType.COLUMN_BASED_SET


def _column(position: int, field: pa.Field[Any]) -> Any:
    entry = ttypes.TPrimitiveTypeEntry(type=_type_id(field.type))
    if pa.types.is_decimal(field.type):
        qualifiers = {
            "precision": ttypes.TTypeQualifierValue(i32Value=field.type.precision),
            "scale": ttypes.TTypeQualifierValue(i32Value=field.type.scale),
        }
        entry.typeQualifiers = ttypes.TTypeQualifiers(qualifiers=qualifiers)
    kind = ttypes.TTypeDesc(types=[ttypes.TTypeEntry(primitiveEntry=entry)])
    return ttypes.TColumnDesc(columnName=field.name, typeDesc=kind, position=position, comment="")


def _type_id(kind: pa.DataType) -> int:
    """The Thrift type of an Arrow type, as Spark produces them."""
    ids = ttypes.TTypeId
    tests: list[tuple[Any, int]] = [
        (pa.types.is_boolean, ids.BOOLEAN_TYPE),
        (pa.types.is_int8, ids.TINYINT_TYPE),
        (pa.types.is_int16, ids.SMALLINT_TYPE),
        (pa.types.is_int32, ids.INT_TYPE),
        (pa.types.is_int64, ids.BIGINT_TYPE),
        (pa.types.is_float32, ids.FLOAT_TYPE),
        (pa.types.is_float64, ids.DOUBLE_TYPE),
        (pa.types.is_decimal, ids.DECIMAL_TYPE),
        (pa.types.is_date, ids.DATE_TYPE),
        (pa.types.is_timestamp, ids.TIMESTAMP_TYPE),
        (pa.types.is_binary, ids.BINARY_TYPE),
        (pa.types.is_list, ids.ARRAY_TYPE),
        (pa.types.is_map, ids.MAP_TYPE),
        (pa.types.is_struct, ids.STRUCT_TYPE),
        (pa.types.is_null, ids.NULL_TYPE),
        (pa.types.is_duration, ids.INTERVAL_DAY_TIME_TYPE),
    ]
    found: int = next((identifier for test, identifier in tests if test(kind)), ids.STRING_TYPE)
    return found


def _presented(table: pa.Table, wanted: Format) -> pa.Table:
    """The table with text in place of every column that the client cannot take natively."""
    for position, field in enumerate(table.schema):
        if _as_text(field.type, wanted):
            texts = pa.array([_text(value) for value in table.column(position).to_pylist()], pa.string())
            table = table.set_column(position, field.with_type(pa.string()), texts)
    return table


def _as_text(kind: pa.DataType, wanted: Format) -> bool:
    if pa.types.is_duration(kind):
        return True
    if pa.types.is_nested(kind):
        return not (wanted.arrow and wanted.complex_types)
    if pa.types.is_decimal(kind):
        return not (wanted.arrow and wanted.decimals)
    if pa.types.is_timestamp(kind):
        return not (wanted.arrow and wanted.timestamps)
    return (pa.types.is_date(kind) or pa.types.is_null(kind)) and not wanted.arrow


def _text(value: Any) -> str | None:
    """The value as Spark would print it; containers as JSON."""
    if value is None:
        return None
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=_text, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.isoformat(sep=" ").rstrip("0").rstrip(".") if moment.microsecond else moment.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _interval(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _interval(value: timedelta) -> str:
    sign = "-" if value < timedelta(0) else ""
    seconds, micros = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
    days, rest = divmod(seconds, 86_400)
    return f"{sign}{days} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}.{micros:06}000"


def _thrift_column(column: pa.ChunkedArray[Any]) -> Any:
    values = column.to_pylist()
    nulls = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        if value is None:
            nulls[index >> 3] |= 1 << (index & 7)
    field, holder, filler = _holder(column.type)
    filled = [filler if value is None else value for value in values]
    return ttypes.TColumn(**{field: holder(values=filled, nulls=bytes(nulls))})


def _holder(kind: pa.DataType) -> tuple[str, Any, Any]:
    tests: list[tuple[Any, tuple[str, Any, Any]]] = [
        (pa.types.is_boolean, ("boolVal", ttypes.TBoolColumn, False)),
        (pa.types.is_int8, ("byteVal", ttypes.TByteColumn, 0)),
        (pa.types.is_int16, ("i16Val", ttypes.TI16Column, 0)),
        (pa.types.is_int32, ("i32Val", ttypes.TI32Column, 0)),
        (pa.types.is_int64, ("i64Val", ttypes.TI64Column, 0)),
        (pa.types.is_floating, ("doubleVal", ttypes.TDoubleColumn, 0.0)),
        (pa.types.is_binary, ("binaryVal", ttypes.TBinaryColumn, b"")),
    ]
    return next((found for test, found in tests if test(kind)), ("stringVal", ttypes.TStringColumn, ""))
