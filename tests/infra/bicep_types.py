"""Check resources against Microsoft's published type definitions, as ``bicep build`` would."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter
from bicep import BUILT_IN, Declaration, Template, literal, properties, text_of, walk

REQUIRED, READ_ONLY = 1, 2


@dataclass(frozen=True, slots=True)
class Types:
    """An excerpt of bicep-types-az: resource types by ``Namespace/type@version``, and all types they use."""

    resources: dict[str, int]
    types: list[dict[str, Any]]


@cache
def load(path: Path) -> Types:
    """Read the excerpt."""
    data = json.loads(path.read_text("utf-8"))
    return Types(data["resources"], data["types"])


def check_template(template: Template, types: Types) -> list[str]:
    """Return what is wrong with the resources and names of a template, one sentence each."""
    findings = undeclared_names(template)
    for resource in template.of("resource"):
        findings += check_resource(template, resource, types)
    return findings


def check_resource(template: Template, resource: Declaration, types: Types) -> list[str]:
    """Check one resource: its type and version, and every property of its body."""
    where = f"{template.path.name}: {resource.name}"
    if resource.type not in types.resources:
        return [f"{where}: unknown type or API version {resource.type}"]
    if resource.body is None:
        return [f"{where}: has no body"]
    definition = types.types[types.resources[resource.type]]
    if resource.is_existing:
        return [] if "name" in properties(resource.body) else [f"{where}: an existing resource needs a name"]
    return check_object(resource.body, definition, types, where)


def check_object(node: tree_sitter.Node, definition: dict[str, Any], types: Types, where: str) -> list[str]:
    """Check the properties of an object literal: known, writable, of the right type, and all there."""
    known: dict[str, dict[str, Any]] = dict(definition.get("baseProperties", {})) | definition.get(
        "properties", {}
    )
    findings: list[str] = []
    given = properties(node)
    if definition["$type"] == "DiscriminatedObjectType":
        chosen = literal(given.get(definition["discriminator"]))
        branch = definition["elements"].get(chosen) if chosen else None
        if branch is None:
            return [
                f"{where}.{definition['discriminator']}: {chosen!r} is none of {[*definition['elements']]}"
            ]
        known |= types.types[branch["$ref"]]["properties"]
    is_resource = {"apiVersion", "type", "name"} <= known.keys()
    for name, value in given.items():
        if is_resource and name in {"parent", "scope", "dependsOn"}:
            continue
        if name not in known:
            extra = definition.get("additionalProperties")
            if extra is None:
                findings.append(f"{where}.{name}: no such property")
            else:
                findings += check_value(value, types.types[extra["$ref"]], types, f"{where}.{name}")
            continue
        if known[name]["flags"] & READ_ONLY:
            findings.append(f"{where}.{name}: is read-only")
            continue
        findings += check_value(value, types.types[known[name]["type"]["$ref"]], types, f"{where}.{name}")
    missing = [
        n for n, p in known.items() if p["flags"] & REQUIRED and not p["flags"] & READ_ONLY and n not in given
    ]
    return findings + [f"{where}.{name}: is required" for name in missing]


def check_value(node: tree_sitter.Node, definition: dict[str, Any], types: Types, where: str) -> list[str]:
    """Check a value against a type. What is computed (a name, a call, a member) is left to Azure."""
    kind = definition["$type"]
    if node.type == "ternary_expression":
        branches = node.named_children[1:]
        return [finding for branch in branches for finding in check_value(branch, definition, types, where)]
    if kind == "UnionType":
        options = [types.types[element["$ref"]] for element in definition["elements"]]
        answers = [check_value(node, option, types, where) for option in options]
        return (
            []
            if any(not answer for answer in answers)
            else [f"{where}: {text_of(node)[:40]} is none of the values"]
        )
    if node.type == "object" and kind in {"ObjectType", "DiscriminatedObjectType"}:
        return check_object(node, definition, types, where)
    if node.type == "array" and kind == "ArrayType":
        item = types.types[definition["itemType"]["$ref"]]
        return [
            finding
            for index, child in enumerate(node.named_children)
            if child.type != "comment"
            for finding in check_value(child, item, types, f"{where}[{index}]")
        ]
    return [] if fits(node, kind, definition) else [f"{where}: {text_of(node)[:40]} is no {kind}"]


LITERAL_KINDS = {
    "string": {"StringType", "StringLiteralType"},
    "number": {"IntegerType"},
    "unary_expression": {"IntegerType", "BooleanType"},
    "boolean": {"BooleanType", "BooleanLiteralType"},
    "object": {"ObjectType", "DiscriminatedObjectType"},
    "array": {"ArrayType"},
    "for_statement": {"ArrayType"},
}


def fits(node: tree_sitter.Node, kind: str, definition: dict[str, Any]) -> bool:
    """Whether a literal can be of a type; computed values always can."""
    if kind == "AnyType" or node.type not in LITERAL_KINDS:
        return True
    if kind not in LITERAL_KINDS[node.type]:
        return False
    if kind == "StringLiteralType" and (value := literal(node)) is not None:
        return value == str(definition["value"])
    return True


def undeclared_names(template: Template) -> list[str]:
    """Return the names that are used and declared nowhere."""
    assert template.root is not None
    known = BUILT_IN | template.declarations.keys()
    findings = []
    for node in walk(template.root):
        if node.type != "identifier" or node.parent is None:
            continue
        parent = node.parent
        first = parent.named_children[0] == node
        if parent.type == "object_property" and first:
            continue
        if parent.type.endswith("_declaration") and first:
            continue
        if in_decorator(node) or is_loop_variable(node):
            continue
        if text_of(node) not in known:
            findings.append(
                f"{template.path.name}:{node.start_point.row + 1}: {text_of(node)!r} is not declared"
            )
    return findings


def in_decorator(node: tree_sitter.Node) -> bool:
    """Whether a name stands in ``@description(…)`` and its like, which are always known to Bicep."""
    while node.parent is not None:
        node = node.parent
        if node.type == "decorator":
            return True
    return False


def is_loop_variable(node: tree_sitter.Node) -> bool:
    """Whether a name is, or refers to, the variable of a loop around it."""
    name, above = text_of(node), node.parent
    while above is not None:
        if above.type == "for_statement" and text_of(above.named_children[0]) == name:
            return True
        above = above.parent
    return False
