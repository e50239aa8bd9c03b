"""The Functions host: routes as ASP.NET Core reads them."""

import pytest

from local_stack.functions_host.errors import StartFailed, Unsupported
from local_stack.functions_host.routes import RouteTable, Target, parse_route

GUID = "9a5b8f6e-0000-4000-8000-1234567890ab"


def table(*templates: str, methods: frozenset[str] = frozenset()) -> RouteTable[str]:
    return RouteTable(Target(parse_route(template), methods, template) for template in templates)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/loads", "/api/loads", {}),
        ("api/loads", "/API/Loads/", {}),
        ("api/loads/{id}", "/api/loads/a%20b", {"id": "a b"}),
        ("api/loads/{id}", "/api/loads/a%2Fb", {"id": "a%2Fb"}),
        ("api/loads/{id}/files", "/api/loads/7/files", {"id": "7"}),
        ("api/{a}/{b?}", "/api/1", {"a": "1"}),
        ("api/{a}/{b=2}", "/api/1", {"a": "1", "b": "2"}),
        ("api/{*path}", "/api/x/y%20z", {"path": "x/y z"}),
        ("api/{*path}", "/api", {}),
        ("api/{name}.{ext}", "/api/a.csv", {"name": "a", "ext": "csv"}),
        ("api/openapi.json", "/api/openapi.json", {}),
        ("api/{id:guid}", f"/api/{GUID}", {"id": GUID}),
        ("api/{n:int:min(2)}", "/api/2", {"n": "2"}),
        ("api/{n:range(1,9)}", "/api/9", {"n": "9"}),
        ("api/{d:regex(^\\d{{4}}$)}", "/api/2026", {"d": "2026"}),
    ],
)
def test_a_path_that_fits_gives_its_parameters(template: str, path: str, values: dict[str, str]) -> None:
    assert table(template).find("GET", path) == (template, values)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("api/loads", "/api/load"),
        ("api/loads", "/loads"),
        ("api/loads/{id}", "/api/loads"),
        ("api/loads/{id}", "/api/loads/1/2"),
        ("api/openapi.json", "/api/openapixjson"),
        ("api/{id:guid}", "/api/7"),
        ("api/{n:int}", "/api/x"),
        ("api/{n:int}", "/api/99999999999"),
        ("api/{n:int:min(2)}", "/api/1"),
        ("api/{b:bool}", "/api/maybe"),
        ("api/{s:length(2,3)}", "/api/abcd"),
        ("api/{s:alpha}", "/api/a1"),
    ],
)
def test_a_path_that_does_not_fit_finds_nothing(template: str, path: str) -> None:
    assert table(template).find("GET", path) is None


def test_the_more_literal_route_wins_whatever_the_order() -> None:
    routes = table("api/{*rest}", "api/items/{id}", "api/items/{id:int}", "api/items/latest")
    assert [routes.find("GET", f"/api/{path}") for path in ("items/latest", "items/7", "items/x", "other")] == [
        ("api/items/latest", {}),
        ("api/items/{id:int}", {"id": "7"}),
        ("api/items/{id}", {"id": "x"}),
        ("api/{*rest}", {"rest": "other"}),
    ]


def test_one_path_may_lead_to_two_functions_by_method() -> None:
    routes = RouteTable(Target(parse_route("api/loads"), frozenset({method}), method) for method in ("GET", "POST"))
    assert routes.find("POST", "/api/loads") == ("POST", {})
    assert routes.find("DELETE", "/api/loads") is None


@pytest.mark.parametrize("template", ["a/{id:mine}", "a/{id", "a/x{id?}y", "a/{n:int(3)}"])
def test_a_template_it_cannot_honour_is_refused_by_name(template: str) -> None:
    with pytest.raises(Unsupported, match="route"):
        parse_route(template)


def test_a_catch_all_must_come_last() -> None:
    with pytest.raises(StartFailed, match="last"):
        parse_route("a/{*rest}/b")
