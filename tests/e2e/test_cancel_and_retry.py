"""Cancel and retry over HTTP, with real runs."""

import time

import pytest

from tests.e2e.service import Service

pytestmark = pytest.mark.stack


def test_a_running_load_is_canceled_and_the_next_one_loads_its_files_once(service: Service) -> None:
    service.configure(service.row("things"))
    for number in range(3):
        service.land("things", f"t{number}.csv")
    load = service.post()
    deadline = time.monotonic() + 120
    while service.get(load["id"])["state"] != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    answer = service.http.post(f"/api/loads/{load['id']}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "CANCELING")
    assert answer.headers["retry-after"]
    ended = service.ended(load["id"])
    assert (ended["state"], ended["run_state"], ended["error"]["code"]) == ("CANCELED", "CANCELED", "CANCELED")
    assert {file["error_code"] for file in service.files(load["id"]) if file["status"] != "SUCCESS"} == {"CANCELED"}
    assert service.http.post(f"/api/loads/{load['id']}/cancel").status_code == 200
    again = service.ended(service.post()["id"])
    assert again["state"] == "SUCCESS"
    assert service.bronze_count("things") == 6


def test_a_retry_loads_the_file_that_was_bad_and_has_been_sent_again(service: Service) -> None:
    service.configure(service.row("mended"))
    service.land("mended", "good.csv")
    service.land("mended", "bad.csv", "id,name\n1\n")
    first = service.ended(service.post()["id"])
    assert first["state"] == "PARTIAL"
    time.sleep(1.1)
    service.land("mended", "bad.csv", "id,name\n1,mended\n")
    service.land("mended", "new.csv")
    answer = service.http.post(f"/api/loads/{first['id']}/retry")
    assert answer.status_code == 202
    again = service.ended(answer.json()["id"])
    assert (again["state"], again["trigger"], again["retry_of"]) == ("SUCCESS", "retry", first["id"])
    assert [file["file_name"] for file in service.files(again["id"])] == ["bad.csv"]
    assert answer.headers["location"] == f"/api/loads/{again['id']}"
    assert service.bronze_count("mended") == 3
    assert service.http.post(f"/api/loads/{again['id']}/retry").json()["code"] == "NOTHING_TO_RETRY"
    assert service.http.post("/api/loads/nobody/retry").status_code == 404
