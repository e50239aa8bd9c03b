"""The served app against its own OpenAPI document, with requests that nobody thought of."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks

from hub_core.openapi import document
from tests.browser.served import KEY, Scene, served
from tests.unit.doubles import serving

NOT_OURS = {
    # The Functions host answers a method that a route does not have with 404, before the app sees it.
    "unsupported_method",
    # What a schema allows may still be refused: a LOB that nobody has configured, dates the wrong way round.
    "positive_data_acceptance",
}


load_all_checks()
CHECKS = [check for check in schemathesis.checks.CHECKS.get_all() if check.__name__ not in NOT_OURS]
EXAMPLES = 60
OPERATIONS = sorted(operation["operationId"] for path in document()["paths"].values() for operation in path.values())


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    scene = Scene()
    scene.mixed()
    scene.running("transactions_20260310.csv")
    with serving(scene.hub), served() as origin:
        yield origin


@pytest.fixture(scope="module")
def api(origin: str) -> Any:
    """The document that the service serves; ids of loads that exist are among those that are tried."""
    with httpx.Client(base_url=origin, headers={"x-functions-key": KEY}) as http:
        document = http.get("/api/openapi.json").json()
        ids = [load["id"] for load in http.get("/api/loads").json()["value"]]
    for methods in document["paths"].values():
        for operation in methods.values():
            for one in operation.get("parameters", []):
                if one["in"] == "path":
                    one["schema"] = {"anyOf": [{"enum": ids}, {"type": "string", "minLength": 1}]}
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=f"{origin}/api")
    return schema


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_as_the_document_says(api: Any, operation: str, mode: GenerationMode) -> None:
    tried = api.find_operation_by_id(operation)
    if mode is GenerationMode.NEGATIVE and not tried.definition.raw.get("parameters") and not tried.body:
        pytest.skip("nothing can be sent that is wrong")

    # The same requests each time: now and then a random one is no longer wrong once it is written as a query.
    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(case=tried.as_strategy(generation_mode=mode))
    def keeps_to_it(case: Any) -> None:
        # What is empty is absent, here and in a query at large, and so can't be wrong.
        assume(all(value not in ("", [], {}) for value in (case.query or {}).values()))
        # In an id that is no string, `#` is not escaped: what follows it, the rest of the route too, is never sent.
        assume("#" not in case.formatted_path)
        case.call_and_validate(headers={"x-functions-key": KEY}, checks=CHECKS)

    keeps_to_it()
