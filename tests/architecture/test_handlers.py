"""Every job has exactly one handler, in the tasks of the service that its name says."""

from __future__ import annotations

import ast

import pytest

from shared.jobs import JOBS


@pytest.fixture(scope="session")
def handlers(modules) -> dict[str, list[str]]:
    """The modules that register a handler for each job class, by the class's name."""
    found: dict[str, list[str]] = {}
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("handles", "queues.handles") and node.args:
                found.setdefault(ast.unparse(node.args[0]).rpartition(".")[2], []).append(module.name)
    return found


@pytest.mark.parametrize("job", JOBS.values(), ids=lambda job: job.name)
def test_a_job_is_handled_once_by_its_own_service(job, handlers):
    assert handlers.get(job.__name__, []) == [f"services.{job.service()}.tasks"]


def test_nothing_is_handled_that_is_no_job(handlers):
    assert set(handlers) <= {job.__name__ for job in JOBS.values()}


def test_every_handler_declares_a_time_limit(modules):
    missing = [
        f"{module.path}:{node.lineno}"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("handles", "queues.handles")
        if "soft_time_limit_s" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not missing, f"a handler without a limit can hold a worker for ever: {missing}"
