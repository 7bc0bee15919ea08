"""Each job's JSON on the wire, as it was: a job that is under way while Dossier is updated must still be understood.

A file here changes only together with shared/jobs.py: a new optional field adds a line, and nothing ever goes.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.jobs import JOBS, parse

GOLDEN = Path(__file__).parent / "jobs"


@pytest.mark.parametrize("name", JOBS)
def test_a_job_reads_and_writes_its_golden_json(name):
    text = (GOLDEN / f"{name}.json").read_text()
    job = parse(name, json.loads(text))
    assert type(job) is JOBS[name]
    assert json.dumps(job.model_dump(mode="json"), indent=2) + "\n" == text


def test_no_golden_json_is_left_of_a_job_that_is_gone():
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(JOBS)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_carries_identities_and_never_content(name):
    body = json.loads((GOLDEN / f"{name}.json").read_text())
    assert body
    assert all(isinstance(value, str) and len(value) <= 40 for value in body.values())


@pytest.mark.parametrize("name", JOBS)
def test_a_job_with_a_field_too_many_is_refused(name):
    body = json.loads((GOLDEN / f"{name}.json").read_text())
    with pytest.raises(ValidationError, match="Extra inputs"):
        parse(name, {**body, "content": "JVBERi0="})


def test_a_job_of_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"no job is called 'ingest\.shred'"):
        parse("ingest.shred", {"document": "doc_1"})
