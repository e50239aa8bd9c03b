"""Environment → Settings → Hub: the only place that makes adapters. Nothing connects before a Hub is asked for."""

import os
import re
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING

from hub_core.identifiers import quote
from hub_core.paths import parse_abfss
from hub_core.settings import Settings
from hub_core.statements import SCHEMA

if TYPE_CHECKING:
    from hub_core.adapters.warehouse import WarehouseSql
    from hub_core.hub import Hub
    from hub_core.ports import Alerts
    from hub_core.sql import Sql
    from hub_core.telemetry import Telemetry

DOCUMENTS = "delta-hub"
SERVICE = "deltalake-hub"
APPLICATION_INSIGHTS = "APPLICATIONINSIGHTS_CONNECTION_STRING"
_NOT_NULL = re.compile(r"(?<=[A-Z]) NOT NULL")
_lock = threading.Lock()
_hub: "Hub | None" = None


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def hub() -> "Hub":
    """This process's Hub, made at the first call; Broken `BAD_SETTING` where the environment does not suffice."""
    global _hub  # noqa: PLW0603 — the worker is one process per app, and a Hub is its only state
    if _hub is None:
        with _lock:
            if _hub is None:
                _hub = build(Settings.from_environment())
    return _hub


def build(settings: Settings) -> "Hub":
    """A Hub on real adapters; makes the table, queues and container that it keeps its state in."""
    from hub_core.adapters import blob, databricks_sign_in, jobs, queue, storage_accounts, table
    from hub_core.gather import ConfigReader
    from hub_core.housekeeping import Housekeeping
    from hub_core.hub import Hub
    from hub_core.intake import Intake
    from hub_core.overseer import Overseer
    from hub_core.planning import Planner
    from hub_core.recent import RecentLoads
    from hub_core.sweep import Sweep
    from hub_core.tracker import SqlTracker

    accounts = storage_accounts.Accounts(settings.storage_connections)
    storage = storage_accounts.HostStorage()
    told = _telemetry()
    records = table.TableLoads(storage.tables(), now, telemetry=told)
    loads = RecentLoads(records, time.monotonic)
    queues = storage.queues()
    load_queue = queue.StorageQueue(queues, queue.LOADS)
    events = queue.StorageEvents(queues)
    documents = blob.BlobDocuments(storage.blobs(), DOCUMENTS)
    for store in (records, load_queue, events, documents):
        store.ensure()
    config_source = blob.BlobConfigs(accounts, settings.config_root)
    configs = ConfigReader(config_source, settings.catalog, settings.allowed_roots, settings.spokes)
    landing = blob.BlobLanding(accounts)
    tracker = SqlTracker(warehouse(settings), settings.catalog)
    runs = jobs.DatabricksJobs(databricks_sign_in.workspace(settings), settings.job_of, settings.catalog)
    planner = Planner(
        configs=configs,
        landing=landing,
        tracker=tracker,
        loads=loads,
        queue=load_queue,
        documents=documents,
        jobs=runs,
        clock=now,
        lookback_days=settings.lookback_days,
        settle_seconds=settings.settle_seconds,
        telemetry=told,
    )
    hosts = {parse_abfss(root).host for root in settings.allowed_roots}
    return Hub(
        planner=planner,
        intake=Intake(
            configs=configs,
            landing=landing,
            loads=loads,
            queue=load_queue,
            events=events,
            documents=documents,
            clock=now,
            endpoints=accounts.endpoints(hosts),
            telemetry=told,
        ),
        overseer=Overseer(planner, timedelta(hours=settings.overdue_hours), _alerts(settings)),
        sweep=Sweep(planner, configs, settings.sweep_minutes, settings.sweep_loads),
        housekeeping=Housekeeping(loads, documents, now, timedelta(days=settings.keep_loads_days)),
        configs=configs,
        recent=loads,
        dependencies={
            "loads table": lambda: loads.get("ready"),
            "documents": lambda: documents.read("ready"),
            "queue loads": load_queue.ping,
            "queue blob-events": events.ping,
            "configs": config_source.lobs,
            **{root: partial(landing.ping, root) for root in settings.allowed_roots},
            "jobs": runs.ping,
            "warehouse": tracker.ping,
        },
        telemetry=told,
    )


def _telemetry() -> "Telemetry":
    """To Azure Monitor where the Functions host is connected to it, else where OpenTelemetry's own variable says."""
    if connection_string := os.environ.get(APPLICATION_INSIGHTS):
        from hub_core.adapters.azure_monitor import azure_monitor

        return azure_monitor(SERVICE, connection_string)
    from hub_core.telemetry import from_environment

    return from_environment(SERVICE)


def _alerts(settings: Settings) -> "Alerts | None":
    if settings.alert_webhook is None:
        return None
    from hub_core.adapters.webhook import Webhook

    return Webhook(settings.alert_webhook, settings.alert_format)


def warehouse(settings: Settings) -> "WarehouseSql":
    """The SQL warehouse; who makes one of a short life closes it."""
    from hub_core.adapters import databricks_sign_in
    from hub_core.adapters.warehouse import WarehouseSql

    return WarehouseSql(
        settings.databricks_host, settings.warehouse_id, databricks_sign_in.for_connector(settings), time.monotonic
    )


def migrate(settings: Settings) -> list[str]:
    """Make the hub's schema and tables in `settings.catalog`, again and again without harm; the statements that ran."""
    with closing(warehouse(settings)) as sql:
        return migrate_with(sql, settings.catalog)


def migrate_with(sql: "Sql", catalog: str) -> list[str]:
    """As `migrate`, on any engine: makes what is missing, and adds columns that a later version brought.

    Unity Catalog wants the right to make schemas of `CREATE SCHEMA IF NOT EXISTS`, though there be nothing to make: so
    it is looked for first (https://github.com/databricks/dbt-databricks/issues/464).
    """
    ran = list[str]()
    if not sql.query(f"SHOW SCHEMAS IN {quote(catalog)} LIKE '{SCHEMA}'", {}):
        ran.append(f"CREATE SCHEMA IF NOT EXISTS {quote(catalog, SCHEMA)}")
        sql.execute(ran[0], {})
    tables = {one.name: one.read_text("utf-8") for one in files("ddl").iterdir() if one.name.endswith(".sql")}
    for name, ddl in sorted(tables.items()):
        table = quote(catalog, SCHEMA, name.removesuffix(".sql"))
        statements = [ddl.replace("{catalog}", quote(catalog))]
        sql.execute(statements[0], {})
        there = {str(row["col_name"]).lower() for row in sql.query(f"DESCRIBE TABLE {table}", {})}
        # Rows that are there have nothing in a later column, whatever the DDL asks of new tables.
        later = [_NOT_NULL.sub("", column) for column in _columns(ddl) if column.split()[0].lower() not in there]
        if later:
            statements.append(f"ALTER TABLE {table} ADD COLUMNS ({', '.join(later)})")
            sql.execute(statements[1], {})
        ran += statements
    return ran


def _columns(ddl: str) -> list[str]:
    """The column definitions of a .sql file of `ddl`, which has one a line."""
    body = ddl[ddl.index("(") + 1 : ddl.index("\n)")]
    return [line.strip().removesuffix(",") for line in body.splitlines() if line.strip()]
