"""No key, token or connection string is in a log or an answer, whatever went wrong before."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.e2e.service import Service


def _secrets(service: Service) -> dict[str, str]:
    account_key = re.search("AccountKey=([^;]+)", service.stack.storage_connection_string)
    assert account_key is not None
    plain = {
        "account key": account_key[1],
        "function key": service.stack.function_key,
        "databricks token": service.stack.databricks_token,
    }
    return {
        **plain,
        **{f"{name}, percent-encoded": quote(secret, safe="") for name, secret in plain.items()},
        **{f"{name}, in base64": base64.b64encode(secret.encode()).decode() for name, secret in plain.items()},
    }


def _logs(service: Service) -> Iterator[Path]:
    for path in service.stack.log("functions").parent.parent.rglob("*"):
        if path.is_file() and (path.suffix in {".log", ".out", ".err"} or "log" in path.parent.name):
            yield path


def _misfortunes(service: Service) -> Iterator[httpx.Response]:
    """Answers to what goes wrong in the service, and to what it refuses."""
    key = service.stack.function_key
    yield service.http.post("/api/loads", content=b"{")
    yield service.http.get("/api/loads", params={"code": key, "limit": "x"})
    yield service.http.get("/api/loads", params={"code": key, "limit": "1"})
    yield service.http.get(f"/api/loads/{key}")
    yield httpx.get(f"{service.stack.functions_url}/api/loads", params={"code": "wrong"})
    yield httpx.post(service.stack.event_grid_url, content=b"no event")
    yield service.http.get("/api/ready")
    yield service.http.get("/api/openapi.json")
    yield service.http.get("/api/ui")


def test_a_failed_load_and_refused_requests_leave_no_secret_behind(service: Service) -> None:
    service.configure(service.row("secrets"), service.row("bad").replace("delimited", "xls"))
    service.land("secrets", "torn.csv", "id,name\n1\n")
    load = service.ended(service.post()["id"])
    assert load["state"] == "FAILED"
    answers = [*_misfortunes(service), service.http.get(f"/api/loads/{load['id']}/files")]
    said = {f"{answer.request.method} {answer.request.url.path}": answer.text for answer in answers}
    said |= {str(answer.headers): str(answer.headers) for answer in answers}
    logs = {path.name: path.read_text("utf-8", errors="replace") for path in _logs(service)}
    assert {"functions.log", "spark.log", "databricks.log"} <= set(logs)
    assert load["id"] in logs["functions.log"]
    for name, secret in _secrets(service).items():
        found = [where for where, text in {**logs, **said}.items() if secret in text]
        # A key that was sent as a load's id comes back as what was sent, to who sent it.
        assert found in ([], [f"GET /api/loads/{service.stack.function_key}"]), f"{name} in {found}"


@pytest.mark.parametrize("spelled", ["AccountKey=c2VjcmV0c2VjcmV0", "?sig=abcdefghijkl", "&code=abcdefghijkl"])
def test_what_looks_like_a_key_in_a_url_is_masked_in_the_local_hosts_log(spelled: str) -> None:
    from local_stack.functions_host.logs import masked

    assert masked(f"GET https://x/y{spelled}").endswith("=***")
