"""One version of the hub, wherever it is pinned."""

import re
from typing import Any

from conftest import LOB, ROOT, read

PIPELINES = ("azure-pipelines/ci.yml", "azure-pipelines/release.yml")


def test_every_pin_of_the_hub_is_the_same(bundle: dict[str, Any], jobs: dict[str, Any]) -> None:
    version = bundle["variables"]["hub_version"]["default"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version), "a release, in full"
    assert re.findall(r"^deltalake-hub==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE) == [version]
    libraries = [
        library["pypi"]["package"] for job in jobs.values() for task in job["tasks"] for library in task["libraries"]
    ]
    assert {package.replace("${var.hub_version}", version) for package in libraries} == {f"deltalake-hub=={version}"}
    for pipeline in PIPELINES:
        (hub,) = (each for each in read(pipeline)["resources"]["repositories"] if each["repository"] == "hub")
        assert hub["ref"] == f"refs/tags/v{version}", pipeline


def test_the_release_sets_variables_that_the_bundle_has(bundle: dict[str, Any]) -> None:
    targets = read(PIPELINES[1])["extends"]["parameters"]["targets"]
    assert [target["targetEnvironment"] for target in targets] == list(bundle["targets"])
    for target in targets:
        assert set(target["bundleVariables"]) <= set(bundle["variables"])
        if "run_as" in bundle["targets"][target["targetEnvironment"]]:
            assert "service_principal" in target["bundleVariables"]


def test_no_target_has_another_hub(bundle: dict[str, Any]) -> None:
    assert not any("hub_version" in target.get("variables", {}) for target in bundle["targets"].values())


def test_the_pipelines_extend_the_hubs_templates_for_this_spoke() -> None:
    for pipeline, kind in zip(PIPELINES, ("ci", "release"), strict=True):
        extends = read(pipeline)["extends"]
        assert extends["template"] == f"azure-pipelines/templates/spoke-{kind}-template.yml@hub"
        assert extends["parameters"]["spokeName"] == LOB
    assert read(PIPELINES[1])["resources"]["pipelines"][0]["source"] == f"spoke-{LOB}-ci"
