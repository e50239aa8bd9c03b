"""The SQL warehouse endpoint as the unmodified SQL connector sees it."""

# ruff: noqa: S608, DTZ001 - table names are made here; TIMESTAMP_NTZ and column results have no time zone.

import json
import logging
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlparse

import pyarrow as pa
import pytest
from databricks import sql
from databricks.sql import exc
from databricks.sql.backend import thrift_backend
from databricks.sql.client import Connection, Cursor
from databricks.sql.parameters import (
    BigIntegerParameter,
    BooleanParameter,
    DateParameter,
    DecimalParameter,
    DoubleParameter,
    FloatParameter,
    IntegerParameter,
    SmallIntParameter,
    StringParameter,
    TimestampNTZParameter,
    TimestampParameter,
    TinyIntParameter,
    VoidParameter,
)
from databricks.sql.parameters.native import ArrayParameter

from local_stack.processes import answers, free_port

pytestmark = pytest.mark.stack

LONG = "SELECT sum(a.id - b.id) FROM range(1000000000) a CROSS JOIN range(100000000) b GROUP BY a.id - b.id"
MOMENT = datetime(2024, 2, 29, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=2)))


def connected(host: str, path: str, token: str, **options: object) -> Connection:
    return sql.connect(
        server_hostname=urlparse(host).hostname,
        http_path=path,
        access_token=token,
        _connection_uri=f"{host}{path}",
        enable_telemetry=False,
        **options,
    )


@pytest.fixture(scope="module")
def connect(stack) -> Callable[..., Connection]:
    return lambda **options: connected(
        stack.databricks_host, stack.warehouse_http_path, stack.databricks_token, **options
    )


@pytest.fixture(scope="module")
def connection(connect) -> Iterator[Connection]:
    with connect() as opened:
        yield opened


@pytest.fixture
def cursor(connection) -> Iterator[Cursor]:
    with connection.cursor() as opened:
        yield opened


@pytest.fixture
def table(cursor) -> Iterator[str]:
    name = f"default.contract_{uuid.uuid4().hex}"
    cursor.execute(f"CREATE TABLE {name} (id BIGINT, name STRING) USING delta")
    yield name
    cursor.execute(f"DROP TABLE {name}")


def one(cursor: Cursor, statement: str, parameters: object = None) -> tuple[object, ...]:
    cursor.execute(statement, parameters)
    (row,) = cursor.fetchall()
    return tuple(row)


class TestParameters:
    @pytest.mark.parametrize(
        ("parameter", "sql_type", "value"),
        [
            (StringParameter('o\'clock "quoted"\n\\ :x ? é'), "string", 'o\'clock "quoted"\n\\ :x ? é'),
            (TinyIntParameter(-128), "tinyint", -128),
            (SmallIntParameter(-32768), "smallint", -32768),
            (IntegerParameter(2147483647), "int", 2147483647),
            (BigIntegerParameter(-(1 << 63)), "bigint", -(1 << 63)),
            (FloatParameter(1.5), "float", 1.5),
            (DoubleParameter(0.1), "double", 0.1),
            (DecimalParameter(Decimal("-1234.5600")), "decimal(9,4)", Decimal("-1234.5600")),
            (DecimalParameter(Decimal("12.3"), scale=38, precision=18), "decimal(38,18)", Decimal("12.3")),
            (DateParameter(date(2024, 2, 29)), "date", date(2024, 2, 29)),
            (TimestampParameter(MOMENT), "timestamp", MOMENT),
            (TimestampParameter(datetime(2024, 1, 2, 3, 4, 5)), "timestamp", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
            (
                TimestampNTZParameter(datetime(2024, 1, 2, 3, 4, 5, 6)),
                "timestamp_ntz",
                datetime(2024, 1, 2, 3, 4, 5, 6),
            ),
            (BooleanParameter(True), "boolean", True),
            (VoidParameter(None), "void", None),
        ],
        ids=lambda value: type(value).__name__ if hasattr(value, "CAST_EXPR") else "",
    )
    def test_a_value_of_each_type_arrives_as_that_type(self, cursor, parameter, sql_type, value):
        parameter.name = "x"
        assert one(cursor, "SELECT :x AS value, typeof(:x) AS type", [parameter]) == (value, sql_type)

    def test_a_command_binds_them_too(self, cursor, table):
        cursor.execute(f"INSERT INTO {table} VALUES (:id, :name)", {"id": 1, "name": None})
        cursor.execute(f"UPDATE {table} SET name = :name WHERE id = :id", {"id": 1, "name": "'); DROP TABLE x --"})
        assert one(cursor, f"SELECT * FROM {table} WHERE id = :id", {"id": 1}) == (1, "'); DROP TABLE x --")

    def test_a_with_clause_may_begin_a_query_or_a_command(self, cursor, table):
        cursor.execute(f"WITH s AS (SELECT :id AS id) INSERT INTO {table} SELECT id, 'x' FROM s", {"id": 5})
        query = f"WITH s AS (SELECT :id AS id) SELECT t.id FROM {table} t JOIN s USING (id)"
        assert one(cursor, query, {"id": 5}) == (5,)

    def test_they_may_stand_wherever_a_constant_may(self, cursor):
        cursor.execute("SELECT id FROM range(100) WHERE id > :least ORDER BY id LIMIT :many", {"least": 10, "many": 3})
        assert [row.id for row in cursor.fetchall()] == [11, 12, 13]

    def test_question_marks_are_bound_in_order(self, cursor):
        assert one(cursor, "SELECT ? AS a, ? AS b", ["x", 2]) == ("x", 2)

    def test_a_value_that_is_none_of_its_type_is_refused(self, cursor):
        with pytest.raises(exc.ServerOperationError, match=r"CAST_INVALID_INPUT.*SQLSTATE: 22018"):
            cursor.execute("SELECT :x", [IntegerParameter("many", name="x")])
        with pytest.raises(exc.ServerOperationError, match=r"CAST_OVERFLOW.*SQLSTATE: 22003"):
            cursor.execute("SELECT :x", [TinyIntParameter(128, name="x")])

    def test_a_type_that_is_not_done_here_is_refused_by_its_name(self, cursor):
        with pytest.raises(exc.ServerOperationError, match=r"type ARRAY.*SQLSTATE: 0A000"):
            cursor.execute("SELECT :x", [ArrayParameter([1], name="x")])

    def test_a_parameter_without_a_value_is_an_error(self, cursor):
        with pytest.raises(exc.ServerOperationError, match=r"UNBOUND_SQL_PARAMETER.*SQLSTATE: 42P02"):
            cursor.execute("SELECT :missing + :present", {"present": 1})

    def test_a_merge_takes_20000_rows_in_one_json_parameter(self, cursor, table):
        cursor.execute(f"INSERT INTO {table} VALUES (7, 'old')")
        rows = json.dumps([{"id": number, "name": f"näme {number}"} for number in range(20_000)])
        merge = f"""
            MERGE INTO {table} t
            USING (SELECT inline(from_json(:rows, 'array<struct<id bigint, name string>>'))) s ON t.id = s.id
            WHEN MATCHED THEN UPDATE SET name = s.name
            WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)"""
        assert one(cursor, merge, {"rows": rows}) == (20_000, 1, 0, 19_999)
        assert cursor.rowcount == 20_000
        assert one(cursor, f"SELECT count(*), max(name) FROM {table} WHERE id IN (7, 19999)") == (2, "näme 7")

    def test_a_query_takes_20000_rows_in_one_json_parameter(self, cursor):
        rows = json.dumps([{"id": number} for number in range(20_000)])
        query = "SELECT sum(id) FROM (SELECT inline(from_json(:rows, 'array<struct<id bigint>>')))"
        assert one(cursor, query, {"rows": rows}) == (sum(range(20_000)),)


class TestResults:
    def test_values_of_each_type_come_back(self, cursor):
        cursor.execute(
            """SELECT 1Y, 2S, 3, 4L, 1.5F, 2.5D, 12.30BD, 'text', X'0102', true, DATE'2024-02-29',
                      TIMESTAMP'2024-02-29 01:02:03.456789+02:00', TIMESTAMP_NTZ'2024-02-29 01:02:03.4',
                      array(1, NULL), map('k', 1), named_struct('a', 1, 'b c', array('x')), NULL,
                      CAST(NULL AS INT), INTERVAL '1 02:03:04.5' DAY TO SECOND"""
        )
        (row,) = cursor.fetchall_arrow().to_pylist()
        assert list(row.values()) == [
            *(1, 2, 3, 4, 1.5, 2.5, Decimal("12.30"), "text", b"\x01\x02", True, date(2024, 2, 29), MOMENT),
            datetime(2024, 2, 29, 1, 2, 3, 400000),
            *([1, None], [("k", 1)], {"a": 1, "b c": ["x"]}, None, None, "1 02:03:04.500000000"),
        ]
        assert [column[1] for column in cursor.description] == [
            *("tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "string", "binary", "boolean"),
            *("date", "timestamp", "timestamp", "array", "map", "struct", "null", "int", "interval_day_time"),
        ]
        assert cursor.description[6][4:6] == (4, 2)

    def test_columns_of_the_same_name_are_all_there(self, cursor):
        assert one(cursor, "SELECT 1 AS a, 2 AS a") == (1, 2)

    def test_100000_rows_come_in_several_chunks_each_once(self, cursor):
        cursor.execute("SELECT id, CAST(id AS STRING) AS text, id * 1.5 AS price FROM range(100000) ORDER BY id")
        rows = cursor.fetchall_arrow()
        assert rows.column("id").to_pylist() == list(range(100_000))
        assert rows.column("text")[99_999].as_py() == "99999"
        assert rows.column("price")[3].as_py() == Decimal("4.5")

    def test_rows_can_be_fetched_a_few_at_a_time(self, connect):
        with connect() as connection, connection.cursor(arraysize=10) as cursor:
            cursor.execute("SELECT id FROM range(35) ORDER BY id")
            assert [row.id for row in cursor.fetchmany(12)] == list(range(12))
            assert [row.id for row in cursor.fetchall()] == list(range(12, 35))
            assert cursor.fetchone() is None

    def test_a_large_value_comes_whole(self, cursor):
        ((text,),) = [one(cursor, "SELECT repeat('0123456789', 2000000) AS text")]
        assert len(text) == 20_000_000

    def test_no_rows_still_have_columns(self, cursor):
        cursor.execute("SELECT id FROM range(5) WHERE id > :most", {"most": 9})
        assert cursor.fetchall_arrow().schema == pa.schema([pa.field("id", pa.int64(), nullable=False)])

    def test_ddl_has_no_rows(self, cursor, table):
        cursor.execute(f"ALTER TABLE {table} SET TBLPROPERTIES ('a' = 'b')")
        assert cursor.fetchall() == []

    def test_dml_tells_the_number_of_its_rows(self, cursor, table):
        cursor.execute(f"INSERT INTO {table} SELECT id, 'x' FROM range(10)")
        cursor.execute(f"DELETE FROM {table} WHERE id < :limit", {"limit": 4})
        assert cursor.fetchall()[0].num_affected_rows == 4
        assert cursor.rowcount == 4

    def test_a_client_without_arrow_gets_columns(self, connect, monkeypatch):
        monkeypatch.setattr(thrift_backend, "pyarrow", None)
        statement = """SELECT 1 AS a, 'x' AS b, true AS c, CAST(1.5 AS DECIMAL(4, 2)) AS d, DATE'2024-01-02' AS e,
            TIMESTAMP'2024-01-02 03:04:05.5' AS f, array(1, 2) AS g, CAST(NULL AS STRING) AS h, 2.5D AS i, X'00' AS j"""
        with connect() as connection, connection.cursor() as cursor:
            moment = datetime(2024, 1, 2, 3, 4, 5, 500000)
            assert one(cursor, statement) == (
                *(1, "x", True, Decimal("1.50"), date(2024, 1, 2), moment, "[1,2]", None, 2.5, b"\x00"),
            )

    def test_a_statement_can_be_sent_and_asked_for_later(self, cursor):
        cursor.execute_async("SELECT count(*) FROM range(1000)")
        while cursor.is_query_pending():
            time.sleep(0.05)
        cursor.get_async_execution_result()
        assert cursor.fetchall()[0][0] == 1000


class TestErrors:
    @pytest.mark.parametrize(
        ("statement", "condition", "state"),
        [
            ("SELECT * FROM default.no_such_table", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
            ("SELEC 1", "PARSE_SYNTAX_ERROR", "42601"),
            ("SELECT no_such_column", "UNRESOLVED_COLUMN", "42703"),
            ("SELECT id / 0 FROM range(3)", "DIVIDE_BY_ZERO", "22012"),
            ("SELECT CAST('a' AS INT)", "CAST_INVALID_INPUT", "22018"),
            ("SELECT raise_error('boo')", "USER_RAISED_EXCEPTION", "P0001"),
            ("USE SCHEMA no_such_schema", "SCHEMA_NOT_FOUND", "42704"),
        ],
    )
    def test_an_error_begins_with_its_condition_and_tells_its_sqlstate(self, cursor, statement, condition, state):
        with pytest.raises(exc.ServerOperationError) as raised:
            cursor.execute(statement)
        assert raised.value.message.startswith(f"[{condition}")
        assert f"SQLSTATE: {state}" in raised.value.message
        assert "Project [" not in raised.value.message
        assert condition in raised.value.context["diagnostic-info"]

    def test_the_session_lives_on_after_an_error(self, cursor):
        with suppress(exc.ServerOperationError):
            cursor.execute("SELEC 1")
        assert one(cursor, "SELECT 1") == (1,)

    def test_concurrent_changes_of_one_row_fail_with_deltas_condition(self, connect, cursor, table):
        cursor.execute(f"INSERT INTO {table} VALUES (1, '')")
        cursor.execute(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.isolationLevel' = 'Serializable')")
        failures: list[str] = []

        def change() -> None:
            with connect() as connection, connection.cursor() as changing:
                for _ in range(2):
                    try:
                        changing.execute(f"UPDATE {table} SET name = concat(name, 'x') WHERE id = 1")
                    except exc.ServerOperationError as error:
                        failures.append(error.message)

        in_parallel([change] * 2)
        (written,) = one(cursor, f"SELECT length(name) FROM {table}")
        assert written + len(failures) == 4
        for failure in failures:
            assert failure.startswith("[DELTA_CONCURRENT_")
            assert "SQLSTATE: 2D521" in failure

    def test_a_thrift_call_that_is_not_done_here_is_refused_by_its_name(self, cursor):
        with pytest.raises(exc.DatabaseError, match=r"GetCatalogs.*SQLSTATE: 0A000"):
            cursor.catalogs()

    def test_a_wrong_token_is_refused(self, stack):
        with pytest.raises(exc.RequestError) as raised:
            connected(stack.databricks_host, stack.warehouse_http_path, "wrong")
        assert raised.value.context["http-code"] == 403


class TestSessions:
    def test_connections_do_not_see_each_others_settings_and_views(self, connect, cursor):
        with connect() as other, other.cursor() as theirs:
            theirs.execute("SET spark.sql.shuffle.partitions = 7")
            theirs.execute("CREATE TEMPORARY VIEW mine AS SELECT 1 AS one")
            assert one(theirs, "SELECT * FROM mine") == (1,)
            with pytest.raises(exc.ServerOperationError, match="TABLE_OR_VIEW_NOT_FOUND"):
                cursor.execute("SELECT * FROM mine")

    def test_statements_of_two_connections_run_at_once(self, connect):
        spans: list[tuple[float, float]] = []

        def sleep() -> None:
            with connect() as connection, connection.cursor() as cursor:
                started = time.monotonic()
                cursor.execute("SELECT java_method('java.lang.Thread', 'sleep', 1500L)")
                spans.append((started, time.monotonic()))

        in_parallel([sleep] * 2)
        assert max(started for started, _ in spans) < min(ended for _, ended in spans)

    def test_parameters_of_statements_at_once_do_not_mix(self, connect):
        def ask(number: int) -> None:
            with connect() as connection, connection.cursor() as cursor:
                for step in range(5):
                    assert one(cursor, "SELECT :a, :b", {"a": number, "b": f"{number}.{step}"}) == (
                        number,
                        f"{number}.{step}",
                    )

        in_parallel([lambda number=number: ask(number) for number in range(4)])

    def test_a_connection_begins_in_the_catalog_and_schema_asked_for(self, connect, cursor, stack):
        schema = f"contract_{uuid.uuid4().hex}"
        cursor.execute(f"CREATE SCHEMA {schema}")
        try:
            with connect(catalog=stack.catalog, schema=schema) as connection, connection.cursor() as there:
                assert one(there, "SELECT current_catalog(), current_schema()") == (stack.catalog, schema)
        finally:
            cursor.execute(f"DROP SCHEMA {schema}")
        with pytest.raises(exc.DatabaseError, match="SCHEMA_NOT_FOUND"):
            connect(schema="no_such_schema")

    def test_a_sessions_settings_are_applied_and_unknown_ones_refused(self, connect):
        with connect(session_configuration={"timezone": "Asia/Tokyo"}) as connection, connection.cursor() as cursor:
            assert one(cursor, "SELECT current_timezone()") == ("Asia/Tokyo",)
        with pytest.raises(exc.DatabaseError, match=r"CONFIG_NOT_AVAILABLE.*SQLSTATE: 42K0I"):
            connect(session_configuration={"no_such_setting": "1"})

    def test_a_closed_session_is_not_known_any_more(self, connect):
        connection = connect()
        handle = connection.session.session_id
        backend = connection.session.backend
        backend.close_session(handle)
        with pytest.raises(exc.DatabaseError, match="Invalid SessionHandle"):
            backend.close_session(handle)

    def test_a_cancelled_statement_stops_in_spark(self, connect):
        with connect() as connection, connection.cursor() as cursor:
            raised: list[BaseException] = []

            def run() -> None:
                try:
                    cursor.execute(LONG)
                except exc.Error as error:
                    raised.append(error)

            running = threading.Thread(target=run)
            running.start()
            time.sleep(3)
            cursor.cancel()
            running.join(20)
            assert "OPERATION_CANCELED" in str(raised[0])
            # Spark has few slots here: a statement that still ran would hold this one up.
            started = time.monotonic()
            assert one(cursor, "SELECT count(*) FROM range(10)") == (10,)
            assert time.monotonic() - started < 10

    def test_a_statement_that_exceeds_the_timeout_is_stopped(self, connect):
        limited = {"STATEMENT_TIMEOUT": "1"}
        with (
            connect(session_configuration=limited) as connection,
            connection.cursor() as cursor,
            pytest.raises(exc.ServerOperationError, match=r"SQLSTATE: 57KD0"),
        ):
            cursor.execute(LONG)


class Gate:
    """A TCP relay to Spark that can be shut: to the endpoint, Spark is then down."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._sockets: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = free_port()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        assert self._listener is not None
        for each in [self._listener, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._relay, args=pair, daemon=True).start()

    @staticmethod
    def _relay(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def endpoint(place: Path, spark_remote: str) -> Iterator[str]:
    """An endpoint of the test's own; its host."""
    (place / "jobs.json").write_text("[]")
    port = free_port()
    options = {"port": port, "token": "t", "spark-remote": spark_remote, "state": place, "jobs": place / "jobs.json"}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    process = subprocess.Popen([sys.executable, "-m", "local_stack.databricks", *arguments])
    try:
        deadline = time.monotonic() + 30
        while not answers(port, "/.well-known/databricks-config")():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


class TestSparkDown:
    def test_the_endpoint_says_so_and_works_again_when_spark_is_back(self, stack, tmp_path, caplog):
        spark = urlparse(stack.spark_remote)
        gate = Gate((spark.hostname, spark.port))
        path = stack.warehouse_http_path
        gate.open()
        with endpoint(tmp_path, f"sc://127.0.0.1:{gate.port}") as host:
            with connected(host, path, "t") as connection, connection.cursor() as cursor:
                assert one(cursor, "SELECT 1") == (1,)
            assert status(f"{host}/health") == (200, None)
            gate.shut()
            assert status(f"{host}/health") == (503, "1")
            caplog.set_level(logging.CRITICAL)
            with pytest.raises(exc.RequestError):
                connected(host, path, "t", _retry_delay_max=5, _retry_stop_after_attempts_duration=4)
            gate.open()
            with connected(host, path, "t") as connection, connection.cursor() as cursor:
                assert one(cursor, "SELECT :x", {"x": 2}) == (2,)
            gate.shut()


def status(url: str) -> tuple[int, str | None]:
    """An answer's HTTP status, and its Retry-After."""
    try:
        with closing(urllib.request.urlopen(url)) as response:  # noqa: S310  A URL of this test's own.
            return response.status, None
    except HTTPError as error:
        return error.code, error.headers["Retry-After"]


def in_parallel(tasks: list[Callable[[], None]]) -> None:
    """Run all at once; raises the first error of any."""
    errors: list[BaseException] = []

    def run(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001  Raised again in the test's own thread.
            errors.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
