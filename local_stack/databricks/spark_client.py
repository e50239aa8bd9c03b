"""A Spark Connect client that tells soon when Spark is down, and finds it soon when it is back."""

from __future__ import annotations

import logging

from pyspark.sql.connect.client import SparkConnectClient
from pyspark.sql.connect.client.retries import DefaultPolicy

# pyspark logs every failed statement, with the JVM's stack; who sent the statement is told instead.
logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)

_CHANNEL = [
    # A process's channels share connections, and so the back-off after one that was refused: without these a new
    # channel would report for up to two minutes that Spark, long back, refuses connections.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


def spark_client(remote: str) -> SparkConnectClient:
    """A client with a session of its own, or with the one that the address names."""
    client = SparkConnectClient(connection=remote, channel_options=_CHANNEL)
    # The default policy waits ten minutes for a Spark that is down.
    client.set_retry_policies(
        [DefaultPolicy(max_retries=5, initial_backoff=100, backoff_multiplier=2, max_backoff=1000, jitter=50)]
    )
    return client


def close_channel(client: SparkConnectClient) -> None:
    """Close the client's connection. Not `client.close()`, which shuts down a thread pool that all clients share."""
    client._channel.close()
