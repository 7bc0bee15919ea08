"""The source as syntax trees: nothing here imports what it judges."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent
SERVICES = ("ingest", "classify", "extract", "review", "chat", "train")


class Module(NamedTuple):
    """One source file: its path in the repository, its dotted name, its syntax tree, and what it imports."""

    path: str
    name: str
    tree: ast.Module
    #: Dotted names with the line they stand on; `from a import b` gives both a and a.b.
    imports: list[tuple[str, int]]

    @property
    def service(self) -> str | None:
        """The service it belongs to; None for shared/, the command line and what sees several services."""
        top, *rest = self.name.split(".")
        return rest[0] if top == "services" and rest and rest[0] in SERVICES else None

    def imported_from(self, *packages: str) -> list[str]:
        """`path:line imports name` for each import of one of `packages` or of something inside them."""
        return [
            f"{self.path}:{line} imports {name}"
            for name, line in self.imports
            if any(name == package or name.startswith(package + ".") for package in packages)
        ]


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative import keeps its dots, which test_layers refuses.
            base = "." * node.level + (node.module or "")
            yield base, node.lineno
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """Every module of shared/ and services/."""
    found = []
    for path in sorted([*(ROOT / "shared").rglob("*.py"), *(ROOT / "services").rglob("*.py")]):
        relative = path.relative_to(ROOT)
        tree = ast.parse(path.read_text(), filename=str(relative))
        name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        found.append(Module(relative.as_posix(), name, tree, list(_imports(tree))))
    return found
