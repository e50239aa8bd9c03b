"""A task attempt's Spark session: known beforehand, so that what a killed process left running can be stopped."""

from __future__ import annotations

import logging
import uuid

import grpc
from pyspark.errors import PySparkException

from local_stack.databricks.spark_client import close_channel, spark_client
from local_stack.databricks.warehouse_errors import WarehouseUnavailable
from local_stack.databricks.warehouse_spark import require_spark

_LOG = logging.getLogger(__name__)
_NAMESPACE = uuid.UUID("6f0f2f5e-7a0a-4c7e-9d0c-0c6d6c4c1f4b")


def attempt_remote(spark_remote: str, attempt_id: int) -> str:
    """SPARK_REMOTE for an attempt: the server's address with a session id and user of the attempt's own."""
    separator = ";" if "/;" in spark_remote else "/;"
    return f"{spark_remote}{separator}session_id={uuid.uuid5(_NAMESPACE, str(attempt_id))};user_id=job"


def stop_spark_work(spark_remote: str, attempt_id: int) -> None:
    """Interrupt and release the attempt's session, as the end of a job's process does on Databricks.

    Spark would otherwise go on with a dead client's statement, up to its commit.
    """
    try:
        require_spark(spark_remote)
    except WarehouseUnavailable:
        # Its sessions went with it.
        return
    client = spark_client(attempt_remote(spark_remote, attempt_id))
    try:
        client.interrupt_all()
        client.release_session()
    except (PySparkException, grpc.RpcError) as error:
        _LOG.info("attempt %s: its Spark session could not be released: %s", attempt_id, str(error)[:200])
    finally:
        close_channel(client)
