"""What the hub asks of Azure Storage and of Spark's ABFS driver, asked of the stack's with unmodified clients."""

import gzip
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableClient, TableServiceClient, TableTransactionError, UpdateMode
from azure.storage.blob import BlobLeaseClient, ContainerClient
from azure.storage.queue import QueueClient

from local_stack.azurite import Azurite
from local_stack.stack import QUEUES, Stack
from tests.conftest import Folder


@pytest.fixture
def container(azurite: Azurite) -> Iterator[ContainerClient]:
    with ContainerClient.from_connection_string(azurite.connection_string, f"c{uuid4().hex}") as client:
        client.create_container()
        yield client
        client.delete_container()


@pytest.fixture
def table(azurite: Azurite) -> Iterator[TableClient]:
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        client = service.create_table(f"t{uuid4().hex}")
        yield client
        client.delete_table()


@pytest.fixture
def queue(azurite: Azurite) -> Iterator[QueueClient]:
    with QueueClient.from_connection_string(azurite.connection_string, f"q{uuid4().hex}") as client:
        client.create_queue()
        yield client
        client.delete_queue()


class TestBlobs:
    def test_a_listing_has_size_time_and_etag_and_is_recursive(self, container: ContainerClient) -> None:
        for name in ("raw/a.csv", "raw/2024/b.csv", "elsewhere/c.csv"):
            container.upload_blob(name, b"id\n1\n")
        listed = list(container.list_blobs(name_starts_with="raw/"))
        assert [(blob.name, blob.size) for blob in listed] == [("raw/2024/b.csv", 5), ("raw/a.csv", 5)]
        assert all(blob.etag and blob.last_modified for blob in listed)
        head = container.get_blob_client("raw/a.csv").get_blob_properties()
        assert (head.etag.strip('"'), head.last_modified) == (listed[1].etag.strip('"'), listed[1].last_modified)

    def test_a_listing_goes_on_by_its_token(self, container: ContainerClient) -> None:
        for number in range(5):
            container.upload_blob(f"{number}", b"")
        pages = container.list_blobs(results_per_page=2).by_page()
        first = [blob.name for blob in next(pages)]
        rest = container.list_blobs(results_per_page=2).by_page(pages.continuation_token)
        assert first + [blob.name for page in rest for blob in page] == ["0", "1", "2", "3", "4"]

    def test_a_file_written_again_is_a_new_version(self, container: ContainerClient) -> None:
        before = container.upload_blob("a", b"1").get_blob_properties()
        after = container.upload_blob("a", b"22", overwrite=True).get_blob_properties()
        assert (after.size, after.etag != before.etag) == (2, True)

    def test_a_write_on_an_old_etag_is_refused(self, container: ContainerClient) -> None:
        blob = container.upload_blob("a", b"1")
        old = blob.get_blob_properties().etag
        blob.upload_blob(b"2", overwrite=True)
        with pytest.raises(ResourceModifiedError):
            blob.upload_blob(b"3", overwrite=True, etag=old, match_condition=MatchConditions.IfNotModified)
        with pytest.raises(ResourceExistsError):
            blob.upload_blob(b"3", overwrite=False)
        assert blob.download_blob().readall() == b"2"

    def test_a_leased_blob_is_written_by_its_holder_only(self, container: ContainerClient) -> None:
        blob = container.upload_blob("a", b"1")
        lease = BlobLeaseClient(blob)
        lease.acquire(lease_duration=15)
        with pytest.raises(HttpResponseError, match="LeaseIdMissing"):
            blob.upload_blob(b"2", overwrite=True)
        with pytest.raises(ResourceExistsError):
            BlobLeaseClient(blob).acquire(lease_duration=15)
        blob.upload_blob(b"3", overwrite=True, lease=lease)
        lease.release()
        assert blob.download_blob().readall() == b"3"


class TestTables:
    def test_an_entity_is_inserted_once(self, table: TableClient) -> None:
        table.create_entity({"PartitionKey": "loads", "RowKey": "1", "State": "ACCEPTED"})
        with pytest.raises(ResourceExistsError):
            table.create_entity({"PartitionKey": "loads", "RowKey": "1", "State": "RUNNING"})

    def test_an_update_on_an_old_etag_is_refused(self, table: TableClient) -> None:
        entity = {"PartitionKey": "loads", "RowKey": "1", "State": "ACCEPTED"}
        etag = table.create_entity(entity)["etag"]
        condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified, "mode": UpdateMode.REPLACE}
        table.update_entity(entity | {"State": "RUNNING"}, **condition)
        with pytest.raises(ResourceModifiedError):
            table.update_entity(entity | {"State": "CANCELED"}, **condition)
        assert table.get_entity("loads", "1")["State"] == "RUNNING"

    def test_a_group_of_changes_is_made_as_a_whole_or_not_at_all(self, table: TableClient) -> None:
        table.create_entity({"PartitionKey": "p", "RowKey": "taken"})
        rows = [("create", {"PartitionKey": "p", "RowKey": key}) for key in ("new", "taken")]
        with pytest.raises(TableTransactionError):
            table.submit_transaction(rows)
        with pytest.raises(ResourceNotFoundError):
            table.get_entity("p", "new")
        table.submit_transaction(rows[:1])
        assert [row["RowKey"] for row in table.query_entities("PartitionKey eq 'p'")] == ["new", "taken"]

    def test_a_query_filters_in_row_order_and_goes_on_by_its_token(self, table: TableClient) -> None:
        for key in ("3", "1", "2", "4"):
            table.create_entity({"PartitionKey": "p", "RowKey": key, "When": datetime(2024, 1, int(key), tzinfo=UTC)})
        query = {"query_filter": "RowKey gt @k", "parameters": {"k": "1"}, "results_per_page": 2}
        pages = table.query_entities(**query).by_page()
        first = [row["RowKey"] for row in next(pages)]
        rest = table.query_entities(**query).by_page(pages.continuation_token)
        assert (first, [row["RowKey"] for page in rest for row in page]) == (["2", "3"], ["4"])


class TestQueues:
    def test_a_message_taken_is_hidden_and_comes_back_counted(self, queue: QueueClient) -> None:
        queue.send_message("load 1")
        taken = queue.receive_message(visibility_timeout=1)
        assert taken is not None
        assert taken.dequeue_count == 1
        assert queue.receive_message() is None
        time.sleep(1.2)
        again = queue.receive_message()
        assert again is not None
        assert (again.content, again.dequeue_count) == ("load 1", 2)
        with pytest.raises(HttpResponseError):
            queue.delete_message(taken)
        queue.delete_message(again)

    def test_a_message_may_be_put_off(self, queue: QueueClient) -> None:
        queue.send_message("later", visibility_timeout=1)
        assert queue.receive_message() is None
        time.sleep(1.2)
        assert queue.receive_message() is not None

    def test_the_stack_has_the_hubs_queues(self, azurite: Azurite) -> None:
        for name in QUEUES:
            with QueueClient.from_connection_string(azurite.connection_string, name) as client:
                assert client.get_queue_properties().name == name


class TestSparkOnStorage:
    def test_spark_reads_what_a_blob_client_wrote(self, spark, landing: Folder) -> None:
        landing.put("a.csv", "id,name\n1,x\n")
        landing.put("2024/b.csv.gz", gzip.compress(b"id,name\n2,y\n"))
        read = spark.read.option("header", True).option("recursiveFileLookup", True).csv(landing.url)
        rows = read.selectExpr("id", "name", "_metadata.file_path path", "_metadata.file_size size").orderBy("id")
        assert [(row.id, row.name, row.path) for row in rows.select("id", "name", "path").collect()] == [
            ("1", "x", f"{landing.url}/a.csv"),
            ("2", "y", f"{landing.url}/2024/b.csv.gz"),
        ]

    def test_spark_and_the_blob_client_agree_on_size_and_second(self, spark, landing: Folder) -> None:
        landing.put("a.csv", "id\n1\n")
        file = spark.read.format("binaryFile").load(landing.url).select("path", "length", "modificationTime").first()
        blob = next(iter(landing.container.list_blobs(name_starts_with=f"{landing.prefix}/a.csv")))
        assert (file.path, file.length) == (f"{landing.url}/a.csv", blob.size)
        assert file.modificationTime.astimezone(UTC) == blob.last_modified

    def test_a_delta_table_on_storage_takes_a_transaction_once(self, spark, landing: Folder) -> None:
        url = f"{landing.url}/delta"
        for version in (1, 1, 2):
            spark.range(3).write.format("delta").mode("append").options(txnAppId="c", txnVersion=version).save(url)
        assert spark.read.format("delta").load(url).count() == 6
        assert list(landing.container.list_blobs(name_starts_with=f"{landing.prefix}/delta/_delta_log/"))

    def test_a_table_of_the_catalog_takes_a_transaction_once(self, spark, lob: str) -> None:
        spark.sql(f"CREATE SCHEMA spark_catalog.{lob}_bronze")
        for _ in range(2):
            frame = spark.range(3).write.format("delta").mode("append").options(txnAppId="c", txnVersion=1)
            frame.saveAsTable(f"spark_catalog.{lob}_bronze.orders")
        assert spark.table(f"spark_catalog.{lob}_bronze.orders").count() == 3

    def test_a_merge_binds_its_parameters(self, spark, lob: str) -> None:
        spark.sql(f"CREATE SCHEMA spark_catalog.{lob}_bronze")
        spark.sql(f"CREATE TABLE spark_catalog.{lob}_bronze.t (k STRING, v STRING) USING delta")
        merge = (
            f"MERGE INTO spark_catalog.{lob}_bronze.t USING "
            "(SELECT inline(from_json(:rows, 'array<struct<k string, v string>>'))) s "
            "ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT *"
        )
        for value in "ab":
            spark.sql(merge, args={"rows": f'[{{"k": "1", "v": "{value}"}}]'}).collect()
        assert [tuple(row) for row in spark.table(f"spark_catalog.{lob}_bronze.t").collect()] == [("1", "b")]

    def test_times_are_utc(self, spark) -> None:
        assert spark.sql("SELECT current_timezone()").first()[0] == "UTC"


class TestStack:
    def test_stack_json_holds_the_addresses_under_the_agreed_names(self, stack: Stack) -> None:
        import json

        written = json.loads(stack.stack_file.read_text())
        assert {*written} >= {
            *("functions_url", "function_key", "event_grid_url", "storage_connection_string", "account_host"),
            *("databricks_host", "databricks_token", "warehouse_http_path", "loader_job_id", "spark_remote"),
            *("catalog", "config_root", "landing_root"),
        }
        assert stack.stack_file.stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize("component", ["databricks", "functions"])
    def test_a_killed_component_comes_back_at_its_address(self, stack: Stack, component: str) -> None:
        before = stack.pid(component)
        stack.kill(component)
        assert not stack.runs(component)
        stack.start(component)
        assert stack.pid(component) != before
