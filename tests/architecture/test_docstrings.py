"""What a reader may call is explained where it stands."""

from __future__ import annotations

import ast

import pytest

from shared.jobs import JOBS


def test_every_module_says_what_it_is_for(modules):
    silent = [m.path for m in modules if m.tree.body and ast.get_docstring(m.tree) is None]
    assert not silent, f"no module docstring: {silent}"


def test_every_public_function_and_class_has_a_docstring(modules):
    silent = [
        f"{module.path}:{node.lineno} {node.name}"
        for module in modules
        if ".migrations." not in module.name
        for scope in ast.walk(module.tree)
        if isinstance(scope, ast.Module | ast.ClassDef) and not getattr(scope, "name", "").startswith("_")
        for node in scope.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if ast.get_docstring(node) is None and "overload" not in map(ast.unparse, node.decorator_list)
    ]
    assert not silent, "no docstring:\n" + "\n".join(silent)


@pytest.mark.parametrize("job", JOBS.values(), ids=lambda job: job.name)
def test_a_job_says_who_sends_it_who_handles_it_and_what_it_leaves(job):
    words = " ".join((job.__doc__ or "").split())
    assert "Sent by " in words
    assert f"Handled by {job.service()}" in words, "the noun of the name is the service that handles it"
    assert "Leaves " in words
