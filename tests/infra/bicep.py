"""Read Bicep without the Bicep CLI: tree-sitter's nodes, turned into declarations that checks can ask."""

from dataclasses import dataclass, field
from pathlib import Path

import tree_sitter
import tree_sitter_bicep

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))

# What Bicep has without a declaration, as far as these templates need it. A name outside this list and
# outside the file's own declarations is a mistake (or a function to add here).
BUILT_IN = frozenset(
    {
        *("az", "sys", "environment", "resourceGroup", "subscription", "tenant", "deployment"),
        *("uniqueString", "guid", "toLower", "take", "replace", "format", "substring", "split", "join"),
        *("union", "concat", "contains", "empty", "length", "first", "last", "range", "items", "max", "min"),
        *("json", "string", "bool", "int", "subscriptionResourceId", "resourceId", "null", "true", "false"),
    }
)


class BicepSyntaxError(Exception):
    """The text does not parse."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One ``param``, ``var``, ``resource``, ``module`` or ``output``.

    Attributes:
        kind: The keyword.
        name: The symbol.
        value: The node after ``=``, None for a parameter without a default.
        type: A parameter's or output's type; a resource's ``Namespace/type@version``; a module's path.
        decorators: Their texts, ``@secure()`` and so on.
        is_existing: For a resource: whether it is only referred to.
    """

    kind: str
    name: str
    value: tree_sitter.Node | None
    type: str = ""
    decorators: tuple[str, ...] = ()
    is_existing: bool = False

    @property
    def body(self) -> tree_sitter.Node | None:
        """The object behind ``= {``, ``= if (…) {`` or ``= [for …: {``."""
        node = self.value
        while node is not None and node.type in {"if_statement", "for_statement"}:
            node = next((child for child in reversed(node.children) if child.type in OBJECT_LIKE), None)
        return node if node is not None and node.type == "object" else None


OBJECT_LIKE = {"object", "if_statement", "for_statement"}


@dataclass(slots=True)
class Template:
    """A parsed Bicep file."""

    path: Path
    text: str
    declarations: dict[str, Declaration] = field(default_factory=dict)
    outputs: dict[str, Declaration] = field(default_factory=dict)
    root: tree_sitter.Node | None = None

    def of(self, kind: str) -> list[Declaration]:
        """Return the declarations of one kind, in the order of the file."""
        return [one for one in self.declarations.values() if one.kind == kind]


def text_of(node: tree_sitter.Node | None) -> str:
    """Return the source text of a node."""
    return "" if node is None or node.text is None else node.text.decode()


def literal(node: tree_sitter.Node | None) -> str | None:
    """Return the value of a string without interpolation, else None."""
    if node is None or node.type != "string" or any(c.type == "interpolation" for c in node.children):
        return None
    return "".join(text_of(c) for c in node.children if c.type == "string_content")


def properties(node: tree_sitter.Node | None) -> dict[str, tree_sitter.Node]:
    """Return an object's properties by name."""
    found: dict[str, tree_sitter.Node] = {}
    for child in node.named_children if node is not None else ():
        if child.type == "object_property":
            key, value = child.named_children[0], child.named_children[-1]
            found[literal(key) or text_of(key)] = value
    return found


def at(node: tree_sitter.Node | None, path: str) -> tree_sitter.Node | None:
    """Return the value at a dotted path of nested objects, else None."""
    for part in path.split("."):
        node = properties(node).get(part)
    return node


def walk(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    """Return a node and everything below it."""
    found, queue = [], [node]
    while queue:
        one = queue.pop()
        found.append(one)
        queue.extend(one.children)
    return found


def parse(path: Path, text: str | None = None) -> Template:
    """Parse a ``.bicep`` or ``.bicepparam`` file.

    Raises:
        BicepSyntaxError: Where the text is no Bicep.
    """
    source = path.read_text("utf-8") if text is None else text
    if path.suffix == ".bicepparam":
        # The grammar has no parameter files: a `param x = …` of theirs is a `var x = …` of a template's.
        lines = [f"// {line}" if line.startswith("using ") else line for line in source.splitlines()]
        source = "\n".join("var " + line[6:] if line.startswith("param ") else line for line in lines) + "\n"
    tree = PARSER.parse(source.encode())
    if tree.root_node.has_error:
        bad = next(n for n in walk(tree.root_node) if n.type == "ERROR" or n.is_missing)
        raise BicepSyntaxError(f"{path.name}:{bad.start_point.row + 1}: {text_of(bad)[:60]!r}")
    template = Template(path, source, root=tree.root_node)
    decorators: tuple[str, ...] = ()
    for node in tree.root_node.named_children:
        if node.type == "decorators":
            decorators = tuple(text_of(child) for child in node.named_children)
            continue
        if node.type.endswith("_declaration"):
            declare(template, node, decorators)
        decorators = ()
    return template


def declare(template: Template, node: tree_sitter.Node, decorators: tuple[str, ...]) -> None:
    """Enter one declaration, refusing a name that is taken."""
    kind = node.type.removesuffix("_declaration")
    kind = {"parameter": "param", "variable": "var"}.get(kind, kind)
    children = node.named_children
    name = text_of(children[0])
    rest = children[1:]
    type_name = ""
    if kind in {"param", "output"}:
        type_name, rest = text_of(rest[0]), rest[1:]
    elif kind in {"resource", "module"}:
        type_name, rest = literal(rest[0]) or "", rest[1:]
    existing = any(child.type == "existing" or text_of(child) == "existing" for child in node.children)
    one = Declaration(kind, name, rest[-1] if rest else None, type_name, decorators, existing)
    names = template.outputs if kind == "output" else template.declarations
    if name in names:
        raise BicepSyntaxError(f"{template.path.name}: {name!r} is declared twice")
    names[name] = one
