"""The list of what is checked of TGI's contract is the list of the tests."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent
LIST = HERE.parents[1] / "docs" / "measurements" / "train.md"
CHECKED = ("test_contract.py", "test_clients.py", "test_batching.py", "test_sampling.py")


def test_every_behaviour_that_is_checked_is_on_the_list_and_none_else():
    there = {
        node.name
        for name in CHECKED
        for node in ast.parse((HERE / name).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    section = LIST.read_text().partition("## TGI's contract")[2].partition("\n## ")[0]
    listed = {word for word in section.split("`") if word.startswith("test_")}
    assert listed == there
