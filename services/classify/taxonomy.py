"""The taxonomy: a tree of classes, at most three levels deep, with a description for each.

Values in, values out; this module keeps no versions and knows no documents. A path names a class from the top:
`("claims", "motor", "accident report")`; leaves may lie at different depths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.errors import Conflict, NotFound, Refused

Path = tuple[str, ...]

#: As deep as a path may be.
MOST_LEVELS = 3
MOST_CLASSES = 2000


def _one_line(value: Any) -> Any:
    # Spaces inside stay as they are: French names hold no-break spaces, and a path must equal the one in the labels.
    return " ".join(value.splitlines()).strip() if isinstance(value, str) else value


def _plain_lines(value: str) -> str:
    # YAML knows more line breaks than files do: only one kind survives the way there and back.
    return "\n".join(value.splitlines()).strip()


Name = Annotated[str, BeforeValidator(_one_line), Field(min_length=1, max_length=120)]
Description = Annotated[str, Field(max_length=2000), AfterValidator(_plain_lines)]


class Node(BaseModel):
    """One class. Until there are labels the machine goes by `name` and `description`, in any language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: Description = ""
    children: tuple[Node, ...] = ()


class Taxonomy(BaseModel):
    """`levels` names the levels from the top, such as ("category", "type", "kind"); `nodes` are the top classes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: tuple[Name, ...] = Field(default=("category", "type", "kind"), max_length=MOST_LEVELS)
    nodes: tuple[Node, ...] = ()

    def walk(self) -> Iterator[tuple[Path, Node]]:
        """Every class with its path, parents before their children, in the written order."""
        yield from _walk((), self.nodes)

    def leaves(self) -> list[Path]:
        """Paths of the classes that have no children: the answers a classifier may give."""
        return [path for path, node in self.walk() if not node.children]

    def find(self, path: Iterable[str]) -> Node:
        """The class at `path`; raises NotFound where there is none."""
        wanted = tuple(path)
        for here, node in self.walk():
            if here == wanted:
                return node
        raise NotFound(f"There is no class {' / '.join(wanted) or '(empty path)'} in the taxonomy.")


def checked(taxonomy: Taxonomy) -> Taxonomy:
    """`taxonomy`, where it is one: raises Refused, naming the class, where siblings share a name or it is too deep."""
    seen: set[Path] = set()
    for path, _ in taxonomy.walk():
        if len(path) > len(taxonomy.levels):
            raise Refused(
                f"{' / '.join(path)} is on level {len(path)}, but the taxonomy has {len(taxonomy.levels)} levels.",
                action=f"Move it up, or name more levels (at most {MOST_LEVELS}).",
                code="taxonomy_too_deep",
            )
        if path in seen:
            raise Refused(
                f"Two classes are called {' / '.join(path)}.", action="Rename one.", code="taxonomy_duplicate"
            )
        seen.add(path)
    if len(seen) > MOST_CLASSES:
        raise Refused(
            f"A taxonomy has at most {MOST_CLASSES} classes, this one has {len(seen)}.", code="taxonomy_too_large"
        )
    return taxonomy


def taxonomy_from(value: Any) -> Taxonomy:
    """The taxonomy in parsed JSON or YAML: `{levels, nodes: [{name, description, children}]}`; else Refused."""
    if not isinstance(value, dict):
        raise Refused("A taxonomy is a mapping with `levels` and `nodes`.", code="taxonomy_malformed")
    try:
        return checked(Taxonomy.model_validate({key: part for key, part in value.items() if key != "version"}))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(f"The taxonomy does not fit at {place}: {first['msg']}.", code="taxonomy_malformed") from wrong


def from_yaml(text: str) -> Taxonomy:
    """The taxonomy in a YAML file; raises Refused, with the place, where it is none."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as wrong:
        raise Refused(f"This is not YAML: {wrong}", code="taxonomy_malformed") from wrong
    return taxonomy_from(value)


def to_yaml(taxonomy: Taxonomy) -> str:
    """The inverse of `from_yaml`; empty descriptions and children are left out."""
    tree = {"levels": list(taxonomy.levels), "nodes": [_plain(node) for node in taxonomy.nodes]}
    return yaml.safe_dump(tree, allow_unicode=True, sort_keys=False, width=110)


def from_paths(paths: Iterable[Path]) -> Taxonomy:
    """The smallest taxonomy that has all of `paths`, with no descriptions; raises Refused where one is too deep."""
    tree: dict[str, Any] = {}
    deepest = 1
    for path in paths:
        deepest = max(deepest, len(path))
        place = tree
        for name in path:
            place = place.setdefault(name, {})
    levels = tuple(f"level {number}" for number in range(1, min(deepest, MOST_LEVELS) + 1))
    return checked(Taxonomy(levels=levels, nodes=_nodes(tree)))


def with_node(taxonomy: Taxonomy, parent: Path, node: Node) -> Taxonomy:
    """`taxonomy` with `node` as the last child of `parent` (() is the top)."""
    if parent:
        taxonomy.find(parent)
    if any(path == (*parent, node.name) for path, _ in taxonomy.walk()):
        raise Conflict(f"There is a class {' / '.join((*parent, node.name))} already.")
    return _checked_nodes(taxonomy, _edited(taxonomy.nodes, parent, lambda children: (*children, node)))


def with_changes(taxonomy: Taxonomy, path: Path, name: str | None, description: str | None) -> Taxonomy:
    """`taxonomy` with another name or description for the class at `path`; None leaves it as it is."""
    old = taxonomy.find(path)
    if name is not None and name != path[-1] and any(here == (*path[:-1], name) for here, _ in taxonomy.walk()):
        raise Conflict(f"There is a class {' / '.join((*path[:-1], name))} already.")
    new = Node(
        name=old.name if name is None else name,
        description=old.description if description is None else description,
        children=old.children,
    )
    change = lambda nodes: tuple(new if node.name == path[-1] else node for node in nodes)  # noqa: E731
    return _checked_nodes(taxonomy, _edited(taxonomy.nodes, path[:-1], change))


def without_node(taxonomy: Taxonomy, path: Path) -> Taxonomy:
    """`taxonomy` without the class at `path` and all that is below it."""
    taxonomy.find(path)
    drop = lambda nodes: tuple(node for node in nodes if node.name != path[-1])  # noqa: E731
    return _checked_nodes(taxonomy, _edited(taxonomy.nodes, path[:-1], drop))


def _walk(above: Path, nodes: Iterable[Node]) -> Iterator[tuple[Path, Node]]:
    for node in nodes:
        path = (*above, node.name)
        yield path, node
        yield from _walk(path, node.children)


def _plain(node: Node) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": node.name}
    if node.description:
        plain["description"] = node.description
    if node.children:
        plain["children"] = [_plain(child) for child in node.children]
    return plain


def _nodes(tree: dict[str, Any]) -> tuple[Node, ...]:
    return tuple(Node(name=name, children=_nodes(below)) for name, below in tree.items())


def _edited(nodes: tuple[Node, ...], parent: Path, change: Any) -> tuple[Node, ...]:
    """`nodes` with `change` applied to the children of `parent`, a path relative to them."""
    if not parent:
        changed: tuple[Node, ...] = change(nodes)
        return changed
    return tuple(
        node.model_copy(update={"children": _edited(node.children, parent[1:], change)})
        if node.name == parent[0]
        else node
        for node in nodes
    )


def _checked_nodes(taxonomy: Taxonomy, nodes: tuple[Node, ...]) -> Taxonomy:
    return checked(Taxonomy(levels=taxonomy.levels, nodes=nodes))
