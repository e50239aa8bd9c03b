"""The HTTP side: one port, bearer token, and the way to the warehouse or to the Jobs API."""

from __future__ import annotations

import hmac
import json
import logging
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from thrift.transport import TTransport

from local_stack.databricks.jobs_api import JobsApi
from local_stack.databricks.jobs_definition import ApiError
from local_stack.databricks.warehouse import Warehouse
from local_stack.databricks.warehouse_errors import WarehouseUnavailable
from local_stack.databricks.warehouse_spark import require_spark

_LOG = logging.getLogger(__name__)
_WAREHOUSE = re.compile(r"/sql/1\.0/(?:warehouses|endpoints)/[\w-]+")
_RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
        """A JSON response."""
        return cls(status, json.dumps(document).encode(), headers=headers or {})

    @classmethod
    def error(cls, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
        """A refusal in Databricks' shape: the SDK reads the body, the SQL connector reads the header."""
        reason = {"x-databricks-reason-phrase": message.splitlines()[0] if message else code}
        return cls.of_json(status, {"error_code": code, "message": message}, reason | (headers or {}))


class Databricks:
    """Answers requests: health and discovery to anyone, everything else to who holds the token."""

    def __init__(self, token: str, spark_remote: str, warehouse: Warehouse, jobs: JobsApi) -> None:
        self._authorization = f"Bearer {token}".encode()
        self._spark_remote = spark_remote
        self._warehouse = warehouse
        self._jobs = jobs

    def answer(self, method: str, target: str, authorization: str | None, body: bytes) -> Answer:
        """The response to one request; never raises."""
        url = urlsplit(target)
        try:
            if (method, url.path) == ("GET", "/health"):
                return self._health()
            if (method, url.path) == ("GET", "/.well-known/databricks-config"):
                # The SDK asks this first, without a token, and warns when it gets no document. No OIDC here.
                return Answer.of_json(200, {"oidc_endpoint": ""})
            if authorization is None or not authorization.startswith("Bearer "):
                return Answer.error(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type.")
            if not hmac.compare_digest(authorization.encode(), self._authorization):
                return Answer.error(403, "PERMISSION_DENIED", "Invalid access token.")
            if method == "POST" and _WAREHOUSE.fullmatch(url.path):
                return Answer(200, self._warehouse.answer(body), "application/x-thrift")
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            return Answer.of_json(200, self._jobs.answer(method, url.path, query, _parsed(body)))
        except ApiError as error:
            return Answer.error(error.status, error.code, error.message)
        except WarehouseUnavailable as error:
            retry = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
            return Answer.error(503, "TEMPORARILY_UNAVAILABLE", str(error.message), retry)
        except (TTransport.TTransportException, EOFError) as error:
            return Answer.error(400, "BAD_REQUEST", f"Not a Thrift message: {error}")
        except Exception as error:  # noqa: BLE001  The client is to have an answer, and the log the traceback.
            _LOG.exception("%s %s", method, url.path)
            return Answer.error(500, "INTERNAL_ERROR", f"{type(error).__name__}: {error}")

    def _health(self) -> Answer:
        require_spark(self._spark_remote)
        return Answer.of_json(200, {"status": "ok"})


def serve(port: int, databricks: Databricks) -> ThreadingHTTPServer:
    """A server bound to the port on the loopback interface; the caller runs `serve_forever`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in one segment, at once: Nagle's algorithm would add 40 ms to every call.
        wbufsize = -1
        disable_nagle_algorithm = True

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = databricks.answer(self.command, self.path, self.headers.get("Authorization"), body)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value.encode("latin-1", "replace").decode("latin-1"))
            self.end_headers()
            self.wfile.write(answer.body)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815  http.server's names.

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  The name is the base class's.
            _LOG.debug(format, *args)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    return Server(("127.0.0.1", port), Handler)


def _parsed(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ApiError(400, "MALFORMED_REQUEST", f"The body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ApiError(400, "MALFORMED_REQUEST", "The body is not a JSON object.")
    return document
