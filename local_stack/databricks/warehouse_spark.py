"""One Thrift session's Spark session: statements in, Arrow tables out.

Delta 4.1.0's SQL parser drops the parameters of a statement on every path but one: a command executed eagerly,
with `spark.sql.legacy.parameterSubstitution.constantsOnly`. So a parameterised query takes another way here:
its text and values become session variables, and EXECUTE IMMEDIATE binds them, still typed and beside the text.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlparse

import grpc
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql.connect import plan as spark_plan
from pyspark.sql.connect.column import Column
from pyspark.sql.connect.expressions import LiteralExpression
from pyspark.sql.connect.proto import base_pb2
from pyspark.sql.types import StringType

from local_stack.databricks.spark_client import close_channel, spark_client
from local_stack.databricks.warehouse_errors import WarehouseUnavailable, from_spark
from local_stack.databricks.warehouse_parameters import Parameter

_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
}
# A query for certain; anything else (WITH may begin an INSERT) is offered to Spark as a command first.
_QUERY = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:SELECT|VALUES)\b", re.IGNORECASE | re.DOTALL)
_TEXT = "STRING"


def require_spark(spark_remote: str) -> None:
    """Raise WarehouseUnavailable unless Spark accepts a connection now."""
    address = urlparse(spark_remote)
    try:
        socket.create_connection((address.hostname or "127.0.0.1", address.port or 15002), timeout=2).close()
    except OSError as error:
        raise WarehouseUnavailable(message=f"Spark at {spark_remote}: {error}") from error


class SparkStatements:
    """Runs statements in one Spark session of its own; any number of threads at once."""

    def __init__(self, spark_remote: str, settings: dict[str, str]) -> None:
        self._client = spark_client(spark_remote)
        self._variables = _Variables()
        pairs = [base_pb2.KeyValue(key=key, value=value) for key, value in (_SETTINGS | settings).items()]
        with _spark_errors():
            self._client.config(base_pb2.ConfigRequest.Operation(set=base_pb2.ConfigRequest.Set(pairs=pairs)))

    def use(self, catalog: str | None, schema: str | None) -> None:
        """Make these the session's current catalog and schema."""
        with _spark_errors():
            if catalog:
                self._relation(spark_plan.SetCurrentCatalog(catalog))
            if schema:
                self._relation(spark_plan.SetCurrentDatabase(schema))

    def run(self, statement: str, parameters: list[Parameter], tag: str) -> pa.Table:
        """Execute one statement and return its rows; `tag` is what `interrupt` knows it by."""
        # Tags belong to the thread: each statement has a thread of its own.
        self._client.add_tag(tag)
        with _spark_errors():
            if not parameters:
                return self._relation(spark_plan.SQL(statement))
            if not _QUERY.match(statement):
                rows = self._command(statement, parameters)
                if rows is not None:
                    return rows
            return self._query(statement, parameters)

    def interrupt(self, tag: str) -> None:
        """Stop what runs under this tag."""
        with _spark_errors():
            self._client.interrupt_tag(tag)

    def close(self) -> None:
        """Release the session at Spark, if it still is there."""
        with contextlib.suppress(PySparkException, grpc.RpcError):
            self._client.release_session()
        close_channel(self._client)

    def _relation(self, plan: Any) -> pa.Table:
        """One round trip; Spark executes a command in it too, once."""
        table: pa.Table = self._client.to_table(plan.to_proto(self._client), {})[0]
        return table

    def _command(self, statement: str, parameters: list[Parameter]) -> pa.Table | None:
        """The rows of a command, or None when Spark finds that the statement is a query (nothing ran then)."""
        ordinal, named = _bound(parameters)
        command = spark_plan.SQL(statement, ordinal, named).command(self._client)
        result = self._client.execute_command(command)[1]["sql_command_result"]
        if not result.HasField("local_relation"):
            return None
        table: pa.Table = pa.ipc.open_stream(result.local_relation.data).read_all()
        return table

    def _query(self, statement: str, parameters: list[Parameter]) -> pa.Table:
        text = Parameter(None, _TEXT, LiteralExpression(statement, StringType()))
        with self._variables.held([text, *parameters], self._declare) as names:
            valued = [
                (name, each) for name, each in zip(names, [text, *parameters], strict=True) if each.sql_type != "VOID"
            ]
            markers = {f"p{i}": Column(each.literal) for i, (_, each) in enumerate(valued)}
            targets = ", ".join(name for name, _ in valued)
            sources = ", ".join(f":{marker}" for marker in markers)
            assign = spark_plan.SQL(f"SET VAR ({targets}) = (SELECT {sources})", None, markers)
            self._client.execute_command(assign.command(self._client))
            using = ", ".join(_using(name, each) for name, each in zip(names[1:], parameters, strict=True))
            return self._relation(spark_plan.SQL(f"EXECUTE IMMEDIATE {names[0]} USING {using}"))

    def _declare(self, name: str, sql_type: str) -> None:
        self._relation(spark_plan.SQL(f"DECLARE OR REPLACE VARIABLE {name} {sql_type}"))


class _Variables:
    """The session variables that no running statement holds, by type: a session declares few, once."""

    def __init__(self) -> None:
        self._free: dict[str, list[str]] = defaultdict(list)
        self._count = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def held(self, parameters: list[Parameter], declare: Callable[[str, str], None]) -> Iterator[list[str]]:
        """A variable for each parameter, declared where there was none, nobody else's until the end."""
        names: list[str] = []
        try:
            # One by one: those that are taken must be given back when a later DECLARE fails.
            for each in parameters:
                names.append(self._take(each.sql_type) or self._new(each.sql_type, declare))  # noqa: PERF401
            yield names
        finally:
            with self._lock:
                for name, each in zip(names, parameters, strict=False):
                    self._free[each.sql_type].append(name)

    def _take(self, sql_type: str) -> str | None:
        with self._lock:
            free = self._free[sql_type]
            return free.pop() if free else None

    def _new(self, sql_type: str, declare: Callable[[str, str], None]) -> str:
        with self._lock:
            self._count += 1
            name = f"__statement_parameter_{self._count}"
        declare(name, sql_type)
        return name


def _bound(parameters: list[Parameter]) -> tuple[list[Column] | None, dict[str, Column] | None]:
    ordinal = [Column(each.literal) for each in parameters if each.name is None]
    named = {each.name: Column(each.literal) for each in parameters if each.name is not None}
    return ordinal or None, named or None


def _using(variable: str, parameter: Parameter) -> str:
    if parameter.name is None:
        return variable
    quoted = parameter.name.replace("`", "``")
    return f"{variable} AS `{quoted}`"


@contextlib.contextmanager
def _spark_errors() -> Iterator[None]:
    try:
        yield
    except (PySparkException, grpc.RpcError) as error:
        raise from_spark(error) from error
