"""Requests over HTTP on the real stack: good ones, bad ones, repeated ones; and what blob events do."""

import time
import uuid
from typing import Any

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from hub_core.paths import parse_abfss
from local_stack.event_grid import blob_event, deliver
from tests.e2e.service import Service

pytestmark = pytest.mark.stack

BAD = {
    "not JSON": b"{",
    "empty": b"",
    "not an object": b"[]",
    "not UTF-8": b'{"lob": "\xff"}',
    "deeper than anyone reads": b'{"lob":' * 9_000,
    "wrong type": b'{"force": "yes"}',
    "a number for a name": b'{"lob": 5}',
    "unknown field": b'{"lob_name": "x"}',
    "begin after end": b'{"begin_date": "2026-02-01", "end_date": "2026-01-01"}',
    "impossible date": b'{"begin_date": "2026-02-30"}',
    "not a date": b'{"end_date": "yesterday"}',
    "unknown LOB": b'{"lob": "nobody"}',
    "file_name with ..": b'{"file_name": "../x.csv"}',
    "file_name from the root": b'{"file_name": "/etc/passwd"}',
    "file_name with a control character": b'{"file_name": "a\\u0000b"}',
    "file_name percent-encoded": b'{"file_name": "%2e%2e/x.csv"}',
    "file_name with a backslash": b'{"file_name": "a\\\\b.csv"}',
}


def _traces(service: Service) -> tuple[int, int]:
    connection = service.stack.storage_connection_string
    table = TableServiceClient.from_connection_string(connection).get_table_client("loads")
    queue = QueueServiceClient.from_connection_string(connection).get_queue_client("loads")
    loads = sum(1 for _ in table.query_entities("PartitionKey eq 'load'", select=["RowKey"]))
    return loads, queue.get_queue_properties().approximate_message_count or 0


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_with_field_and_remedy_and_leaves_no_trace(body: bytes, service: Service) -> None:
    before = _traces(service)
    answer = service.http.post("/api/loads", content=body)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    document = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= document.keys()
    assert document["status"] == answer.status_code
    assert document["errors"]
    assert all(error["message"] and error["remedy"] for error in document["errors"])
    assert _traces(service) == before


def test_a_body_that_is_too_large_is_refused(service: Service) -> None:
    assert service.http.post("/api/loads", content=b" " * 70_000).status_code == 413


def test_without_a_key_nothing_but_health_answers(service: Service) -> None:
    import httpx

    with httpx.Client(base_url=service.stack.functions_url) as anonymous:
        assert anonymous.get("/api/health").status_code == 200
        for route in ("/api/loads", "/api/loads/x", "/api/loads/x/files", "/api/feeds", "/api/ready"):
            assert anonymous.get(route).status_code == 401, route
        assert anonymous.post("/api/loads", json={}).status_code == 401


def test_every_dependency_is_ready(service: Service) -> None:
    answer = service.http.get("/api/ready")
    assert answer.status_code == 200, answer.text
    assert {one["name"] for one in answer.json()["dependencies"]} >= {"warehouse", "jobs", "loads table"}


def test_an_unknown_load_is_404(service: Service) -> None:
    for route in ("/api/loads/unknown", "/api/loads/unknown/files"):
        answer = service.http.get(route)
        assert (answer.status_code, answer.json()["code"]) == (404, "NO_SUCH_LOAD")


class TestLoads:
    """One after another, on one feed."""

    @pytest.fixture(scope="class", autouse=True)
    def _files(self, service: Service) -> None:
        service.configure(service.row("main"), service.row("other"))
        service.land("main", "first_20200101.csv")
        service.land("other", "second.csv", "id,name\n9,z\n")

    def test_a_dry_run_says_what_is_due_and_writes_nothing(self, service: Service) -> None:
        before = _traces(service)
        found = service.post(dry_run=True)
        assert found["counts"]["due"] == 2
        assert {file["dest_table"].rsplit(".", 1)[1] for file in found["files"]} == {"main_raw", "other_raw"}
        assert _traces(service) == before
        assert service.query("SELECT * FROM bronze_metadata.file_config WHERE lob = :lob", lob=service.lob) == []

    def test_a_post_ends_as_rows_in_bronze(self, service: Service) -> None:
        accepted = service.http.post("/api/loads", json={"lob": service.lob})
        assert accepted.status_code == 202
        load = accepted.json()
        assert accepted.headers["location"] == f"/api/loads/{load['id']}"
        assert int(accepted.headers["retry-after"]) > 0
        done = service.ended(load["id"])
        assert (done["state"], done["files"]["success"], done["rows"]["loaded"]) == ("SUCCESS", 2, 3)
        assert done["run_id"]
        assert service.bronze_count("main") == 2
        files = service.files(load["id"])
        assert {(file["file_name"], file["status"], file["row_count"]) for file in files} == {
            ("first_20200101.csv", "SUCCESS", 2),
            ("second.csv", "SUCCESS", 1),
        }
        rows = service.query("SELECT * FROM bronze_metadata.file_config WHERE lob = :lob", lob=service.lob)
        assert len(rows) == 2

    def test_the_same_request_again_is_empty(self, service: Service) -> None:
        assert service.ended(service.post()["id"])["state"] == "EMPTY"

    def test_given_dates_count_by_the_files_date_alone(self, service: Service) -> None:
        found = service.post(dry_run=True, begin_date="2020-01-01", end_date="2020-01-01")
        assert found["counts"] == {"due": 0, "loaded": 1, "outside_window": 1}

    def test_force_loads_again_and_replaces(self, service: Service) -> None:
        done = service.ended(service.post(subcategory="main", force=True)["id"])
        assert (done["state"], done["files"]["success"]) == ("SUCCESS", 1)
        assert service.bronze_count("main") == 2

    def test_the_same_key_and_body_is_the_same_load_and_another_body_is_422(self, service: Service) -> None:
        headers = {"Idempotency-Key": uuid.uuid4().hex}

        def post(body: dict[str, Any]) -> Any:
            return service.http.post("/api/loads", json={"lob": service.lob, **body}, headers=headers)

        first, second, other = post({}), post({}), post({"force": True})
        assert (first.status_code, second.status_code, other.status_code) == (202, 202, 422)
        assert first.json()["id"] == second.json()["id"]
        assert other.json()["code"] == "KEY_REUSED"

    def test_loads_are_listed_newest_first_in_pages(self, service: Service) -> None:
        page = service.http.get("/api/loads", params={"lob": service.lob, "limit": 2}).json()
        times = [load["created_at"] for load in page["value"]]
        assert times == sorted(times, reverse=True)
        assert len(times) == 2
        following = service.http.get(page["nextLink"]).json()
        assert following["value"][0]["created_at"] <= times[-1]
        assert service.http.get("/api/loads", params={"status": "sideways"}).status_code == 400

    def test_feeds_show_what_the_last_sweep_found(self, service: Service) -> None:
        service.hub.sweep.run()
        found = service.http.get("/api/feeds").json()
        mine = {feed["subcategory"]: feed for feed in found["value"] if feed["lob"] == service.lob}
        assert found["as_of"]
        assert (mine["main"]["due"], mine["main"]["files"]) == (0, 1)


def test_a_blob_event_ends_as_rows_in_bronze(service: Service) -> None:
    service.configure(service.row("main"), service.row("other"), service.row("events"))
    path = service.land("events", "arrived 1999-01-01.csv")
    nobody = service.land("events", "nobody.txt")
    arrived = parse_abfss(path)
    events = [blob_event(arrived), blob_event(arrived), blob_event(arrived, "CreateFile")]
    assert deliver(service.stack.event_grid_url, [*events, blob_event(parse_abfss(nobody))]) == 202
    deadline = time.monotonic() + 60
    while not (mine := _event_loads(service)):
        assert time.monotonic() < deadline, "no drain made a load of the events"
        time.sleep(1)
    done = service.ended(mine[0])
    assert (done["state"], done["files"]["total"], done["rows"]["loaded"]) == ("SUCCESS", 1, 2)
    assert service.bronze_count("events") == 2
    assert _event_loads(service) == mine


def _event_loads(service: Service) -> list[str]:
    loads = service.http.get("/api/loads", params={"lob": service.lob}).json()["value"]
    return [load["id"] for load in loads if load["trigger"] == "event"]
