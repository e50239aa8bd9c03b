"""hubctl against a service of httpx's MockTransport: exit codes, clean stdout, watching, problems, the key."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from hubctl.main import app
from hubctl.shell import Shell

KEY = "s3cret-function-key"
TOKEN = "eyJ0.s3cret-token"
URL = "https://hub.example"


class FakeClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Service:
    """Answers each route with its answers in turn, the last one for ever; refuses any other route."""

    def __init__(self, **routes: list[httpx.Response | Exception]) -> None:
        self.routes = routes
        self.requests: list[httpx.Request] = []
        self.clock = FakeClock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix("/api/")
        name = {"loads": f"{request.method.lower()}_loads", "feeds": "feeds"}.get(path) or (
            "files" if path.endswith("/files") else path.rsplit("/", 1)[1] if request.method == "POST" else "load"
        )
        answers = self.routes[name]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def run(self, *arguments: str, stack_file: Path = Path("no-such-file")) -> Result:
        shell = Shell(httpx.MockTransport(self), self.clock, stack_file)
        environment = {"HUB_URL": URL, "HUB_KEY": KEY, "HUB_TOKEN": TOKEN}
        return CliRunner().invoke(app, list(arguments), obj=shell, env=environment)


def a_load(state: str, total: int = 0, success: int = 0, **more: object) -> dict[str, object]:
    files = {"total": total, "claimed": total - success, "success": success, "failed": 0, "quarantined": 0}
    return {"id": "load-1", "state": state, "lob": "falcon", "trigger": "request", "files": files, **more}


def a_file(name: str, status: str = "SUCCESS", **more: object) -> dict[str, object]:
    return {"file_name": name, "status": status, "dest_table": "main.falcon_bronze.flights", "row_count": 3, **more}


def ok(document: object, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=document, headers={k.replace("_", "-"): v for k, v in headers.items()})


def page(*values: object, next_link: str | None = None) -> httpx.Response:
    return ok({"value": list(values), "nextLink": next_link})


def problem(status: int, detail: str = "no", **more: object) -> httpx.Response:
    document = {"type": "about:blank", "title": "Bad", "status": status, "detail": detail, "code": "SOME_CODE", **more}
    return httpx.Response(status, json=document, headers={"content-type": "application/problem+json"})


def test_a_load_is_posted_with_only_the_fields_that_were_given() -> None:
    service = Service(post_loads=[ok(a_load("ACCEPTED"), 202)])
    result = service.run("load", "--lob", "falcon", "--begin-date", "2013-01-01", "--category", "", "--force")
    assert result.exit_code == 0
    assert json.loads(service.requests[0].content) == {"lob": "falcon", "begin_date": "2013-01-01", "force": True}
    assert service.requests[0].headers["x-functions-key"] == KEY


def test_the_callers_idempotency_key_is_sent_and_otherwise_a_new_one_each_time() -> None:
    service = Service(post_loads=[ok(a_load("ACCEPTED"), 202)])
    service.run("load", "--idempotency-key", "mine")
    service.run("load")
    service.run("load")
    mine, one, other = (request.headers["Idempotency-Key"] for request in service.requests)
    assert mine == "mine"
    assert one != other


def test_a_post_without_an_answer_is_sent_again_with_the_same_idempotency_key() -> None:
    service = Service(post_loads=[httpx.ReadTimeout("late"), ok(a_load("ACCEPTED"), 202)])
    assert service.run("load").exit_code == 0
    assert len({request.headers["Idempotency-Key"] for request in service.requests}) == 1


@pytest.mark.parametrize(
    ("state", "code"), [("SUCCESS", 0), ("EMPTY", 0), ("PARTIAL", 1), ("FAILED", 1), ("CANCELED", 1)]
)
def test_watching_ends_with_the_exit_code_of_the_final_state(state: str, code: int) -> None:
    service = Service(
        post_loads=[ok(a_load("ACCEPTED"), 202, Retry_After="5")],
        load=[ok(a_load("RUNNING", 2, 1), Retry_After="7"), ok(a_load(state, 2, 2))],
        files=[page(a_file("a.csv"), a_file("b.csv"))],
    )
    assert service.run("load", "--watch").exit_code == code
    assert service.clock.slept == [5.0, 7.0]


def test_watching_shows_why_a_file_is_not_in_bronze() -> None:
    bad = a_file("b[1].csv", "QUARANTINED", error_code="MALFORMED", error_message="line 3 has 9 fields, not 8")
    service = Service(
        post_loads=[ok(a_load("PARTIAL", 2, 1), 202)],
        files=[page(a_file("a.csv"), next_link="https://other.example/api/x?continuation=2"), page(bad)],
    )
    result = service.run("load", "--watch")
    assert "b[1].csv" in result.stdout
    assert "MALFORMED: line 3 has 9 fields, not 8" in result.stdout


def test_json_is_all_there_is_on_stdout_while_messages_go_to_stderr() -> None:
    service = Service(
        post_loads=[ok(a_load("ACCEPTED"), 202)],
        load=[ok(a_load("SUCCESS", 1, 1, news="kept"))],
        files=[page(a_file("a.csv"))],
    )
    result = service.run("load", "--watch", "--json")
    document = json.loads(result.stdout)
    assert (document["state"], document["news"]) == ("SUCCESS", "kept")
    assert document["file_outcomes"] == [a_file("a.csv")]
    assert "ACCEPTED" in result.stderr


def test_passing_faults_while_watching_are_sat_out() -> None:
    down = [problem(503), httpx.ConnectError("refused"), problem(500), problem(429)]
    service = Service(post_loads=[ok(a_load("RUNNING"), 202)], load=[*down, ok(a_load("EMPTY"))])
    assert service.run("load", "--watch").exit_code == 0
    assert service.clock.slept == [2.0, 1.0, 2.0, 4.0, 8.0]


def test_a_service_that_stays_away_ends_watching_with_exit_code_3() -> None:
    service = Service(post_loads=[ok(a_load("RUNNING"), 202)], load=[httpx.ConnectError("refused")])
    result = service.run("load", "--watch")
    assert result.exit_code == 3
    assert len(service.requests) == 1 + 8


def test_a_timeout_ends_watching_and_says_how_to_go_on() -> None:
    service = Service(post_loads=[ok(a_load("RUNNING"), 202)], load=[ok(a_load("RUNNING"))])
    result = service.run("load", "--watch", "--timeout", "9")
    assert result.exit_code == 4
    assert "hubctl status load-1 --watch" in result.stderr
    assert service.clock.now() == 9


def test_a_problem_is_shown_with_field_and_remedy_and_exit_code_2() -> None:
    errors = [{"field": "begin_date", "message": "is not YYYY-MM-DD", "remedy": "write e.g. 2026-01-31"}]
    result = Service(post_loads=[problem(400, "begin_date: bad", errors=errors)]).run("load", "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    for part in ("begin_date: is not YYYY-MM-DD", "write e.g. 2026-01-31", "SOME_CODE"):
        assert part in result.stderr


def test_an_answer_that_is_no_json_is_an_error_and_no_traceback() -> None:
    result = Service(load=[httpx.Response(200, text="<html>")]).run("status", "load-1")
    assert (result.exit_code, type(result.exception)) == (3, SystemExit)


@pytest.mark.parametrize(("status", "code"), [(401, 2), (404, 2), (302, 2), (503, 3)])
def test_other_answers_have_the_exit_code_of_whose_move_it_is(status: int, code: int) -> None:
    assert Service(load=[problem(status)]).run("status", "load-1").exit_code == code


def test_a_dry_run_shows_counts_and_files_and_needs_no_idempotency_key() -> None:
    plan = {
        "dry_run": True,
        "lob": "falcon",
        "counts": {"due": 1, "SUCCESS": 4},
        "files": [{"path": "abfss://x/a.csv"}],
    }
    service = Service(post_loads=[ok(plan)])
    result = service.run("load", "--dry-run")
    assert "due 1, SUCCESS 4" in result.stdout
    assert "Idempotency-Key" not in service.requests[0].headers
    assert json.loads(service.run("load", "--dry-run", "--json").stdout) == plan


def test_loads_stops_at_the_limit_and_all_follows_every_page() -> None:
    def service() -> Service:
        return Service(
            get_loads=[page(a_load("SUCCESS"), next_link="/api/loads?continuation=x"), page(a_load("EMPTY"))]
        )

    assert len(json.loads(service().run("loads", "--limit", "1", "--json").stdout)["value"]) == 1
    every = service()
    assert len(json.loads(every.run("loads", "--all", "--json").stdout)["value"]) == 2
    assert every.requests[1].url.params["continuation"] == "x"


def test_a_limit_above_the_services_largest_page_is_met_page_by_page() -> None:
    first = page(*[a_load("SUCCESS")] * 200, next_link="/api/loads?continuation=x&limit=200")
    service = Service(get_loads=[first, page(*[a_load("EMPTY")] * 200)])
    assert len(json.loads(service.run("loads", "--limit", "250", "--json").stdout)["value"]) == 250
    assert service.requests[0].url.params["limit"] == "200"


def test_the_key_stays_with_its_host_whatever_a_next_link_says() -> None:
    service = Service(get_loads=[page(next_link="https://evil.example/api/loads?continuation=1"), page()])
    service.run("loads", "--all")
    assert {request.url.host for request in service.requests} == {"hub.example"}


@pytest.mark.parametrize("load_id", ["", ".", "..", "../feeds?x=1", "a/b", "ä", "x" * 65])
def test_what_is_no_id_is_refused_and_asked_for_nowhere(load_id: str) -> None:
    service = Service(load=[ok(page().json())])
    result = service.run("status", load_id, "--watch")
    assert (result.exit_code, service.requests) == (2, [])
    assert "is no load's id" in result.stderr


def test_an_answer_that_is_no_load_is_not_watched() -> None:
    result = Service(load=[page()]).run("status", "load-1", "--watch")
    assert result.exit_code == 3
    assert "no load" in result.stderr


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}  "])
def test_white_space_round_the_key_is_no_part_of_it(key: str) -> None:
    service = Service(feeds=[ok({"value": []})])
    assert service.run("feeds", "--key", key).exit_code == 0
    assert service.requests[0].headers["x-functions-key"] == KEY


@pytest.mark.parametrize("key", [f"{KEY}\nx", f"{KEY}ü", f"{KEY}\x00"])
def test_a_key_that_can_be_none_is_refused_and_never_shown(key: str) -> None:
    result = Service(feeds=[ok({"value": []})]).run("feeds", "--key", key)
    assert result.exit_code == 2
    assert KEY not in result.stderr + result.stdout


@pytest.mark.parametrize("key", ["schlüssel", "x ", "a\nb"])
def test_an_idempotency_key_that_no_header_can_hold_is_refused(key: str) -> None:
    service = Service(post_loads=[ok(a_load("ACCEPTED"), 202)])
    assert service.run("load", "--lob", "falcon", "--idempotency-key", key).exit_code == 2
    assert service.requests == []


@pytest.mark.parametrize("url", ["http://☃..x", "http://ex_ampleü"])
def test_an_address_of_no_host_is_refused(url: str) -> None:
    result = Service(feeds=[ok({"value": []})]).run("feeds", "--url", url)
    assert (result.exit_code, "Traceback" in result.output) == (2, False)


def test_a_call_gets_no_more_time_than_the_command_has_left() -> None:
    service = Service(post_loads=[httpx.ReadTimeout("silent")])
    allowed: list[float] = []

    def silent(request: httpx.Request) -> httpx.Response:
        allowed.append(request.extensions["timeout"]["read"])
        service.clock.sleep(allowed[-1])
        raise httpx.ReadTimeout("silent")

    shell = Shell(httpx.MockTransport(silent), service.clock, Path("no-such-file"))
    arguments = ["load", "--lob", "falcon", "--watch", "--timeout", "30"]
    result = CliRunner().invoke(app, arguments, obj=shell, env={"HUB_URL": URL, "HUB_KEY": KEY})
    assert (result.exit_code, allowed, service.clock.now()) == (4, [30], 30)


def test_a_name_cannot_steer_the_terminal() -> None:
    bad = {"line": 2, "column": "category", "value": "a\x1b[2Jb", "message": "\x9b31m", "remedy": "r"}
    document = {"as_of": None, "value": [], "config_errors": [bad]}
    service = Service(feeds=[ok(document)])
    shown = service.run("feeds").stdout
    assert "a\\x1b[2Jb" in shown
    assert not {"\x1b", "\x9b"} & set(shown)
    assert json.loads(service.run("feeds", "--json").stdout) == document


def test_feeds_can_be_narrowed_to_a_lob() -> None:
    document = {"as_of": None, "value": [{"lob": "falcon", "due": 2}]}
    service = Service(feeds=[ok(document)])
    assert json.loads(service.run("feeds", "--lob", "falcon", "--json").stdout) == document
    assert service.requests[0].url.query == b"lob=falcon"
    service.run("feeds")
    assert service.requests[1].url.query == b""


def test_a_retry_is_a_new_load() -> None:
    service = Service(retry=[ok(a_load("ACCEPTED", retry_of="load-0"), 202)])
    assert "request of load-0" in service.run("retry", "load-0").stdout


@pytest.mark.parametrize("answer", [problem(401), problem(500), httpx.ConnectError("no"), ok(a_load("FAILED", 1, 1))])
@pytest.mark.parametrize("arguments", [["status", "load-1", "--watch"], ["status", "load-1", "--json"]])
def test_key_and_token_are_sent_as_headers_and_never_printed(
    answer: httpx.Response | Exception, arguments: list[str]
) -> None:
    service = Service(load=[answer], files=[page()])
    result = service.run(*arguments)
    for request in service.requests:
        assert (request.headers["x-functions-key"], request.headers["Authorization"]) == (KEY, f"Bearer {TOKEN}")
        assert not {part for part in (KEY, TOKEN) if part in str(request.url)}
    assert KEY not in result.output
    assert TOKEN not in result.output


def test_a_token_that_no_header_can_carry_is_refused_and_not_repeated() -> None:
    shell = Shell(httpx.MockTransport(Service()), FakeClock(), Path("no-such-file"))
    result = CliRunner().invoke(app, ["loads"], obj=shell, env={"HUB_URL": URL, "HUB_TOKEN": "se\ncret"})
    assert result.exit_code == 2
    assert "HUB_TOKEN" in result.stderr
    assert "cret" not in result.output


def _stack(tmp_path: Path) -> Path:
    stack = tmp_path / "stack.json"
    stack.write_text(json.dumps({"functions_url": "http://127.0.0.1:7071", "function_key": "local-key"}), "utf-8")
    return stack


def _without_environment(service: Callable[[httpx.Request], httpx.Response], stack: Path, *arguments: str) -> Result:
    shell = Shell(httpx.MockTransport(service), FakeClock(), stack)
    return CliRunner().invoke(
        app, list(arguments), obj=shell, env={"HUB_URL": None, "HUB_KEY": None, "HUB_TOKEN": None}
    )


def test_without_options_the_local_stack_is_meant(tmp_path: Path) -> None:
    service = Service(get_loads=[page()])
    assert _without_environment(service, _stack(tmp_path), "loads").exit_code == 0
    assert str(service.requests[0].url).startswith("http://127.0.0.1:7071/api/loads")
    assert service.requests[0].headers["x-functions-key"] == "local-key"


def test_the_local_stacks_key_is_not_sent_to_another_service(tmp_path: Path) -> None:
    service = Service(get_loads=[page()])
    _without_environment(service, _stack(tmp_path), "loads", "--url", URL)
    assert "x-functions-key" not in service.requests[0].headers


def test_without_any_service_the_command_says_how_to_name_one(tmp_path: Path) -> None:
    result = _without_environment(Service(), tmp_path / "none.json", "loads")
    assert result.exit_code == 2
    assert "HUB_URL" in result.stderr


def test_a_key_inside_the_url_is_refused_and_not_repeated() -> None:
    result = Service().run("loads", "--url", f"{URL}/api?code={KEY}")
    assert result.exit_code == 2
    assert KEY not in result.output
