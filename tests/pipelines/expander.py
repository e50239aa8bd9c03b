"""What Azure Pipelines makes of a pipeline before it runs: templates put in their places, `${{ }}` evaluated."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.pipelines.expressions import evaluate
from tests.pipelines.processes import ROOT

_EXPRESSION = re.compile(r"\$\{\{((?:(?!\}\}).)*)\}\}")
_CONTROL = re.compile(r"^\$\{\{\s*(if|elseif|else|each)\b(.*?)\}\}$")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "number": (int, float),
    "object": (dict, list, str),
}
Names = dict[str, Any]


class TemplateError(ValueError):
    """A reference, a parameter or a structure that Azure Pipelines would refuse."""


def expand_file(file: Path, parameters: Mapping[str, Any] | None = None, hub: Path = ROOT) -> dict[str, Any]:
    """A pipeline or template as it runs, `extends` resolved; TemplateError where Azure Pipelines would refuse it.

    `hub` is the folder that `@hub` in a template's name leads to.
    """
    document = yaml.safe_load(file.read_text("utf-8"))
    names = {"parameters": _checked(file, document.get("parameters") or [], parameters or {})}
    body = {key: value for key, value in document.items() if key != "parameters"}
    expanded = dict(_Expansion(file, hub).mapping(body, names))
    if extended := expanded.pop("extends", None):
        base = _found(extended["template"], file, hub, expanded)
        return {**expanded, **expand_file(base, extended.get("parameters") or {}, hub)}
    return expanded


def declared(file: Path) -> list[dict[str, Any]]:
    """The declarations of a file's parameters."""
    return list(yaml.safe_load(file.read_text("utf-8")).get("parameters") or [])


def _checked(file: Path, declarations: list[dict[str, Any]], given: Mapping[str, Any]) -> Names:
    known = {one["name"]: one for one in declarations}
    if unknown := sorted(set(given) - set(known)):
        raise TemplateError(f"{file.name} has no parameter {', '.join(unknown)}")
    values: Names = {}
    for name, one in known.items():
        if name not in given and "default" not in one:
            raise TemplateError(f"{file.name} needs the parameter {name}")
        value = given.get(name, one.get("default"))
        if not isinstance(value, _TYPES[one.get("type", "string")]):
            raise TemplateError(f"{file.name}: {name} is {value!r}, not of type {one.get('type', 'string')}")
        if "values" in one and value not in one["values"]:
            raise TemplateError(f"{file.name}: {name} is {value!r}, not one of {one['values']}")
        values[name] = value
    return values


def _found(reference: str, file: Path, hub: Path, pipeline: Mapping[str, Any]) -> Path:
    path, _, alias = reference.partition("@")
    if alias:
        repositories = {one["repository"] for one in pipeline.get("resources", {}).get("repositories", [])}
        if alias not in repositories or alias != "hub":
            raise TemplateError(f"{file.name}: {reference} is of no repository of the pipeline's resources")
        target = hub / path
    else:
        target = file.parent / path
    if not target.is_file():
        raise TemplateError(f"{file.name}: there is no {reference}")
    return target


class _Expansion:
    """Expands what stands in one file."""

    def __init__(self, file: Path, hub: Path) -> None:
        self._file, self._hub = file, hub

    def any(self, value: Any, names: Names) -> Any:
        if isinstance(value, Mapping):
            return dict(self.mapping(value, names))
        if isinstance(value, list):
            return list(self.items(value, names))
        return self.scalar(value, names) if isinstance(value, str) else value

    def scalar(self, text: str, names: Names) -> Any:
        whole = _EXPRESSION.fullmatch(text.strip())
        if whole:
            value = evaluate(whole[1], names)
            return "" if value is None else value
        return _EXPRESSION.sub(lambda match: str(evaluate(match[1], names)), text)

    def mapping(self, value: Mapping[str, Any], names: Names) -> Iterator[tuple[str, Any]]:
        taken: bool | None = None
        for key, inner in value.items():
            control = _CONTROL.match(str(key).strip())
            if control is None:
                taken = None
                yield str(self.scalar(str(key), names)), self.any(inner, names)
                continue
            scopes, taken = self._scopes(control, names, taken)
            for scope in scopes:
                yield from self.mapping(inner, scope)

    def items(self, values: list[Any], names: Names) -> Iterator[Any]:
        taken: bool | None = None
        for value in values:
            key = next(iter(value)) if isinstance(value, Mapping) and len(value) == 1 else ""
            control = _CONTROL.match(str(key).strip())
            if control is not None:
                scopes, taken = self._scopes(control, names, taken)
                for scope in scopes:
                    yield from self.items(value[key], scope)
                continue
            taken = None
            item = self.any(value, names)
            if isinstance(item, dict) and "template" in item:
                yield from self._template(item)
            else:
                yield item

    def _template(self, item: dict[str, Any]) -> list[Any]:
        target = _found(item["template"], self._file, self._hub, {})
        body = expand_file(target, item.get("parameters") or {}, self._hub)
        [(_, content)] = body.items()
        return list(content)

    def _scopes(self, control: re.Match[str], names: Names, taken: bool | None) -> tuple[list[Names], bool | None]:
        word, rest = control[1], control[2].strip()
        if word == "each":
            name, _, source = rest.partition(" in ")
            found = evaluate(source, names)
            values = [{"key": k, "value": v} for k, v in found.items()] if isinstance(found, Mapping) else found
            if not isinstance(values, list):
                raise TemplateError(f"{self._file.name}: {source} is neither a list nor a mapping")
            return [{**names, name.strip(): one} for one in values], None
        if word != "if" and taken is None:
            raise TemplateError(f"{self._file.name}: {word} without if")
        holds = not taken and (word == "else" or evaluate(rest, names) not in (None, "", False))
        return ([names] if holds else []), bool(taken) or holds
