"""The taxonomy over HTTP: versions, edits, YAML, and who may."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from services.classify.taxonomy import from_yaml
from shared.access import Role

YAML = {"Content-Type": "application/yaml"}


@pytest.fixture
def kept(client: TestClient, tree_yaml: str) -> dict[str, object]:
    answer = client.put("/v1/taxonomy", content=tree_yaml, headers=YAML)
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    return body


def test_before_the_first_version_there_are_levels_and_no_classes(client: TestClient) -> None:
    assert client.get("/v1/taxonomy").json() == {"version": 0, "levels": ["category", "type", "kind"], "nodes": []}


def test_yaml_goes_in_and_comes_out_whole(client: TestClient, kept: dict[str, object], tree_yaml: str) -> None:
    exported = client.get("/v1/taxonomy", headers={"Accept": "application/yaml"})
    assert exported.headers["content-type"].startswith("application/yaml")
    assert from_yaml(exported.text) == from_yaml(tree_yaml)


def test_what_get_answers_can_be_put_back_and_makes_no_new_version(client: TestClient, kept: dict[str, object]) -> None:
    assert client.put("/v1/taxonomy", json=client.get("/v1/taxonomy").json()).json()["version"] == kept["version"] == 1


def test_every_edit_is_a_version_with_its_author(client: TestClient, kept: dict[str, object]) -> None:
    added = client.post("/v1/taxonomy/nodes", json={"parent": ["claims"], "name": "theft"})
    assert (added.status_code, added.json()["version"]) == (201, 2)
    renamed = client.patch("/v1/taxonomy/nodes", json={"path": ["claims", "theft"], "name": "burglary"})
    assert [node["name"] for node in renamed.json()["nodes"][0]["children"]][-1] == "burglary"
    removed = client.delete("/v1/taxonomy/nodes", params={"path": ["claims", "burglary"]})
    assert removed.json()["nodes"] == kept["nodes"]
    listed = client.get("/v1/taxonomy/versions", params={"limit": 3}).json()
    assert [item["version"] for item in listed["items"]] == [4, 3, 2]
    assert listed["items"][0]["author"] == "test admin"
    rest = client.get("/v1/taxonomy/versions", params={"cursor": listed["next_cursor"]}).json()
    assert [item["version"] for item in rest["items"]] == [1]


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        ("nodes: [", YAML),
        ("{", {"Content-Type": "application/json"}),
        ("[1]", {"Content-Type": "application/json"}),
        ("nodes: [{name: a}, {name: a}]", YAML),
        (b"\xff\xfe", YAML),
    ],
)
def test_what_is_no_taxonomy_is_refused_with_a_reason(
    client: TestClient, content: str | bytes, headers: dict[str, str]
) -> None:
    answer = client.put("/v1/taxonomy", content=content, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_a_reader_looks_and_does_not_touch(client: TestClient, key_for: Callable[[Role], str], tree_yaml: str) -> None:
    reader = {"Authorization": f"Bearer {key_for('reader')}"}
    assert client.get("/v1/taxonomy", headers=reader).status_code == 200
    assert client.put("/v1/taxonomy", content=tree_yaml, headers=reader | YAML).status_code == 403


def test_a_foreign_document_is_not_found(client: TestClient) -> None:
    assert client.get("/v1/documents/doc_elsewhere/classes").status_code == 404


def test_a_finished_document_without_a_class_is_classified_when_there_is_a_taxonomy(
    client: TestClient, read: Callable[[str], str], engine: Engine, tree_yaml: str
) -> None:
    document = read("An invoice.")
    with engine.begin() as connection:
        connection.execute(text("UPDATE ledger.documents SET state = 'succeeded'"))
    client.put("/v1/taxonomy", content=tree_yaml, headers=YAML)
    with engine.connect() as connection:
        jobs = connection.execute(text("SELECT name, document_id FROM ledger.jobs")).all()
    assert [tuple(job) for job in jobs] == [("classify.classify", document)]
