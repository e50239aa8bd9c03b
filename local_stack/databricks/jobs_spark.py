"""A task attempt's Spark session: known beforehand, so that what a killed process left running can be stopped."""

from __future__ import annotations

import logging
import uuid

import grpc
from pyspark.errors import PySparkException
from pyspark.sql.connect.client import SparkConnectClient
from pyspark.sql.connect.client.retries import DefaultPolicy

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
    client = SparkConnectClient(connection=attempt_remote(spark_remote, attempt_id))
    client.set_retry_policies([DefaultPolicy(max_retries=1, initial_backoff=100, max_backoff=100)])
    try:
        client.interrupt_all()
        client.release_session()
    except (PySparkException, grpc.RpcError) as error:
        _LOG.info("attempt %s: its Spark session could not be released: %s", attempt_id, str(error)[:200])
    finally:
        # Not client.close(): it shuts down a thread pool which all of the process's clients share.
        client._channel.close()
