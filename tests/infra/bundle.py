"""The bundle of `infra/bundle` as its YAML stands: files included, references filled in for a target."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "infra" / "bundle"
GIVEN = {"service_principal_id": "the-service", "loader_principal_id": "the-loader"}
"""What a deployment gives from outside: variables without a default."""

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def read() -> dict[str, Any]:
    """databricks.yml, with the jobs of all files that it includes."""
    bundle: dict[str, Any] = yaml.safe_load((BUNDLE / "databricks.yml").read_text("utf-8"))
    jobs = bundle.setdefault("resources", {}).setdefault("jobs", {})
    for pattern in bundle["include"]:
        for file in sorted(BUNDLE.glob(pattern)):
            more = yaml.safe_load(file.read_text("utf-8"))["resources"]["jobs"]
            assert not set(jobs) & set(more)
            jobs |= more
    return bundle


def variables(bundle: dict[str, Any], target: str) -> dict[str, str]:
    """The variables' values in a target; one that nothing gives is missing."""
    defaults = {name: one["default"] for name, one in bundle["variables"].items() if "default" in one}
    return defaults | bundle["targets"][target].get("variables", {})


def resolved(value: Any, known: dict[str, str]) -> Any:
    """`value` with its references filled in; KeyError for one that is not known."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: known[match[1]], value)
    if isinstance(value, dict):
        return {key: resolved(one, known) for key, one in value.items()}
    return [resolved(one, known) for one in value] if isinstance(value, list) else value


def for_target(target: str) -> dict[str, Any]:
    """The bundle as a deployment to `target` sees it."""
    bundle = read()
    known = {f"var.{name}": value for name, value in (variables(bundle, target) | GIVEN).items()}
    known |= {
        "bundle.name": bundle["bundle"]["name"],
        "bundle.target": target,
        "workspace.current_user.userName": "release@example.org",
    }
    return dict(resolved(bundle, known))
