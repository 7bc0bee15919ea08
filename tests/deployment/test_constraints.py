"""constraints.txt installs on the oldest Python that Dossier runs on, whatever made it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

CONSTRAINTS = Path(__file__).parent.parent.parent / "constraints.txt"
#: Debian 12 has this one, and so have the images that are built on it.
DEBIAN_12 = "3.11.2"


def test_no_pinned_package_asks_for_a_newer_python_than_debian_has():
    pinned = [Requirement(line) for line in CONSTRAINTS.read_text().splitlines() if line and line[0] not in "#-"]
    assert pinned
    needs = {
        wanted.name: distribution.metadata["Requires-Python"]
        for wanted in pinned
        for distribution in metadata.distributions(name=wanted.name)
        if wanted.specifier.contains(distribution.version, prereleases=True)
    }
    too_new = {name: python for name, python in needs.items() if python and DEBIAN_12 not in SpecifierSet(python)}
    assert not too_new, f"pip finds none of these on Python {DEBIAN_12}: {too_new}"
