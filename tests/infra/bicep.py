"""Bicep as tree-sitter reads it: a file's declarations, and what each expression refers to.

There is no Bicep compiler here: types and API versions of resources are Azure's to check (`az bicep build`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

INFRA = Path(__file__).parents[2] / "infra"
_parser = Parser(Language(tree_sitter_bicep.language()))

_SCOPES = {"for_statement", "lambda_expression"}
FUNCTIONS = frozenset(
    {
        "cidrSubnet", "concat", "empty", "environment", "filter", "guid", "indexOf", "items", "join", "loadTextContent",
        "map", "readEnvironmentVariable", "resourceGroup", "resourceId", "split", "string", "subscriptionResourceId",
        "take", "tenant", "union", "uniqueString",
    }
)  # fmt: skip
"""Bicep's own functions, as far as they are used here."""


@dataclass(frozen=True)
class Declaration:
    """A param, var, output, resource or module, with its node and, for the last two, its type or path."""

    kind: str
    name: str
    node: Node
    of: str
    decorators: str
    exists: bool

    @property
    def body(self) -> Node:
        """The object of a resource or module, within its condition and its loop."""
        return next(node for node in walk(self.node) if node.type == "object")

    @property
    def default(self) -> str | None:
        """The default of a param, as it is written; None where there is none."""
        _, sign, value = text(self.node).partition("=")
        return value.strip() if sign else None


class File:
    """One parsed .bicep file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        source = path.read_text("utf-8")
        if path.suffix == ".bicepparam":
            # The grammar knows a parameter's value with its type only; the expression is a variable's.
            source = re.sub(r"^param (\w+) =", r"var \1 =", source, flags=re.MULTILINE)
        self.root = _parser.parse(source.encode()).root_node
        self.declarations = {one.name: one for one in _declarations(self.root) if one.kind != "output"}
        self.outputs = {one.name: one for one in _declarations(self.root) if one.kind == "output"}

    def of_kind(self, kind: str) -> dict[str, Declaration]:
        """The declarations of a kind, by name."""
        return {name: one for name, one in self.declarations.items() if one.kind == kind}

    def errors(self) -> list[str]:
        """Where the parser gave up."""
        return [
            f"{self.path.name}:{node.start_point[0] + 1}"
            for node in walk(self.root)
            if node.is_error or node.is_missing
        ]

    def unknown(self) -> set[str]:
        """Names that expressions refer to and nothing declares."""
        return set(_unknown(self.root, frozenset(self.declarations)))


def text(node: Node) -> str:
    """A node's source."""
    assert node.text is not None
    return node.text.decode()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, from the top."""
    yield node
    for child in node.children:
        yield from walk(child)


def properties(node: Node) -> dict[str, Node]:
    """An object's own properties: their value nodes, by name."""
    found = {}
    for child in node.named_children:
        if child.type == "object_property":
            key, value = child.named_children[0], child.named_children[-1]
            found[text(key).strip("'")] = value
    return found


def strings(node: Node) -> list[str]:
    """All string literals below a node, with their interpolations as written."""
    return [text(one)[1:-1] for one in walk(node) if one.type == "string" and one.is_named]


def is_name_of_property(node: Node) -> bool:
    """Whether an identifier is a key of an object, not a reference."""
    parent = node.parent
    return parent is not None and parent.type == "object_property" and parent.named_children[0] == node


def _declarations(root: Node) -> Iterator[Declaration]:
    decorators = ""
    for node in root.named_children:
        if node.type == "decorators":
            decorators = text(node)
            continue
        kind = {
            "parameter_declaration": "param",
            "variable_declaration": "var",
            "output_declaration": "output",
            "resource_declaration": "resource",
            "module_declaration": "module",
        }.get(node.type)
        if kind:
            of = strings(node)[0] if kind in ("resource", "module") else ""
            exists = any(child.type == "existing" or text(child) == "existing" for child in node.children)
            yield Declaration(kind, text(node.named_children[0]), node, of, decorators, exists)
        decorators = ""


def _unknown(node: Node, known: frozenset[str]) -> Iterator[str]:
    if node.type in _SCOPES:
        known |= set(_bound(node))
    if node.type in ("type", "decorators", "comment", "target_scope_assignment", "using_statement"):
        return
    if node.type == "identifier" and not _declares(node) and not is_name_of_property(node):
        name = text(node)
        if name not in (known | (FUNCTIONS if _called(node) else frozenset())):
            yield name
    for child in node.children:
        yield from _unknown(child, known)


def _bound(node: Node) -> list[str]:
    if node.type == "lambda_expression":
        return [text(one) for parameter in node.named_children[:-1] for one in walk(parameter)]
    head = [child for child in node.named_children if child.type == "for_loop_parameters"]
    if head:
        return [text(one) for one in head[0].named_children]
    return [text(node.named_children[0])]


def _called(node: Node) -> bool:
    parent, after = node.parent, node.next_named_sibling
    if parent is not None and parent.type == "array":
        # The grammar reads a call that comes first in an array as a name and an expression in parentheses.
        return after is not None and after.type == "parenthesized_expression"
    return parent is not None and parent.type == "call_expression" and parent.named_children[0] == node


def _declares(node: Node) -> bool:
    parent = node.parent
    if parent is None:
        return False
    return parent.type.endswith("_declaration") and parent.named_children[0] == node


def bicep_files() -> dict[str, File]:
    """Every .bicep file of infra/, by its path there."""
    return {path.relative_to(INFRA).as_posix(): File(path) for path in sorted(INFRA.rglob("*.bicep"))}


def parameter_files() -> dict[str, File]:
    """Every .bicepparam file of infra/, by its name."""
    return {path.name: File(path) for path in sorted(INFRA.glob("*.bicepparam"))}


def module_file(path: Path, of: str) -> str:
    """The path in infra/ of the file that a module of `path` names."""
    return (path.parent / of).resolve().relative_to(INFRA).as_posix()
