"""The handlers on a real database: what they leave, whom they follow, and that a second run changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from services.classify.learning import Example
from shared import facts, ledger, queues, registry
from shared.desk import Desk
from shared.encoder import Encoder
from shared.errors import Unavailable
from shared.generation import Generation, ScriptedGenerator, Token
from shared.jobs import Classify, FitClassifier, Job
from shared.store import FolderStore

Letters = Callable[[int], list[Example]]
Read = Callable[[str], str]


@pytest.fixture
def with_taxonomy(client: TestClient, tree_yaml: str) -> None:
    answer = client.put("/v1/taxonomy", content=tree_yaml, headers={"Content-Type": "application/yaml"})
    assert answer.status_code == 200, answer.text


@pytest.fixture
def run_job(desk: Desk, workspace: str) -> Callable[[Job], list[str]]:
    """Runs one job as a worker would; the names of the jobs that follow."""

    def run(job: Job) -> list[str]:
        with desk.engine.begin() as connection:
            [(id_, *_)] = ledger.add(connection, workspace, [job])
        held = ledger.claim(desk.engine, id_)
        assert held is not None
        queues.run(desk, held)
        with desk.engine.connect() as connection:
            followed = text("SELECT name FROM ledger.jobs WHERE id > :id AND state = 'waiting' ORDER BY id")
            return list(connection.execute(followed, {"id": id_}).scalars())

    return run


@pytest.fixture
def fit(
    engine: Engine, store: FolderStore, workspace: str, read: Read, run_job: Callable[[Job], list[str]]
) -> Callable[..., registry.Version]:
    """Learns from letters as one run, a fifth of them held out, and promotes what came out."""

    def learn(letters: list[Example], run: str = "run_1") -> registry.Version:
        lines = [
            {
                "document": read(letter.text),
                "task": "class",
                "path": list(letter.accepted[0]),
                "held_out": number % 6 == 0,
            }
            for number, letter in enumerate(letters)
        ]
        key = store.put(workspace, "snapshots", "\n".join(map(json.dumps, lines)).encode()).key
        with engine.begin() as connection:
            connection.execute(
                text("INSERT INTO train.published_runs VALUES (:id, :workspace, 'classifier', :key, true, '{}')"),
                {"id": run, "workspace": workspace, "key": key},
            )
        assert run_job(FitClassifier(run=run)) == ["train.settle"]
        with engine.begin() as connection:
            version = registry.versions(connection, workspace, "classifier")[0]
            return registry.promote(connection, workspace, "classifier", version.id, "test", "a test")

    return learn


def test_a_document_is_classified_by_the_words_of_the_taxonomy_before_any_label(
    with_taxonomy: None, read: Read, run_job: Callable[[Job], list[str]], client: TestClient, engine: Engine
) -> None:
    document = read("Rechnung der Werkstatt: Gesamtbetrag 890,00 EUR, zahlbar innert 30 Tagen.")
    assert run_job(Classify(document=document)) == ["extract.extract"]
    answer = client.get(f"/v1/documents/{document}/classes").json()
    assert answer["path"] == ["money", "invoice"]
    assert answer["confidence"] == [None, None]
    assert answer["model"].startswith("cold@")
    with engine.connect() as connection:
        published = facts.class_of(connection, document)
    assert published is not None
    assert published.path == ("money", "invoice")


def test_classifying_twice_leaves_one_class(
    with_taxonomy: None, read: Read, run_job: Callable[[Job], list[str]], engine: Engine
) -> None:
    document = read("Mahnung: Ihre Prämie ist noch nicht bezahlt.")
    run_job(Classify(document=document))
    run_job(Classify(document=document))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM classify.classes")).scalar() == 1


def test_without_a_taxonomy_a_document_goes_on_without_a_class(
    read: Read, run_job: Callable[[Job], list[str]], client: TestClient
) -> None:
    document = read("A letter.")
    assert run_job(Classify(document=document)) == ["extract.extract"]
    answer = client.get(f"/v1/documents/{document}/classes")
    assert answer.status_code == 404
    assert "taxonomy" in answer.json()["action"]


def test_a_learned_version_answers_with_confidence_and_its_name(
    with_taxonomy: None,
    read: Read,
    fit: Callable[..., registry.Version],
    letters: Letters,
    run_job: Callable[[Job], list[str]],
    client: TestClient,
) -> None:
    version = fit(letters(18))
    assert version.metrics["held_out"] == 15
    assert version.metrics["held_out_accuracy"] > 0.9
    assert version.lineage["documents"] == 75
    document = read("The car of the insured was damaged in an accident with a lorry.")
    run_job(Classify(document=document))
    answer = client.get(f"/v1/documents/{document}/classes").json()
    assert answer["path"] == ["claims", "motor accident"]
    assert answer["model"] == version.id
    assert len(answer["alternatives"]) == 5
    assert 0 < answer["confidence"][1] <= answer["confidence"][0] < 1


def test_a_second_version_is_compared_with_the_one_in_use_pair_by_pair(
    with_taxonomy: None, fit: Callable[..., registry.Version], letters: Letters, store: FolderStore
) -> None:
    first = fit(letters(6), run="run_1")
    second = fit(letters(12), run="run_2")
    assert second.metrics["compared_with"] == first.id
    pairs = [json.loads(line) for line in store.get(second.metrics["comparison_key"]).splitlines()]
    assert len(pairs) == 10
    assert set(pairs[0]) == {"document", "about", "truth", "candidate", "promoted"}


def test_the_same_labels_make_the_same_version(
    with_taxonomy: None, fit: Callable[..., registry.Version], letters: Letters, read: Read
) -> None:
    assert fit(letters(4), run="run_1").digest == fit(letters(4), run="run_2").digest


def test_a_class_that_left_the_taxonomy_is_not_answered_any_more(
    with_taxonomy: None,
    read: Read,
    fit: Callable[..., registry.Version],
    letters: Letters,
    run_job: Callable[[Job], list[str]],
    client: TestClient,
) -> None:
    fit(letters(8))
    document = read("A pipe burst in our kitchen and the water ruined the floor.")
    run_job(Classify(document=document))
    assert client.get(f"/v1/documents/{document}/classes").json()["path"] == ["claims", "water damage"]
    client.delete("/v1/taxonomy/nodes", params={"path": ["claims", "water damage"]})
    run_job(Classify(document=document))
    assert client.get(f"/v1/documents/{document}/classes").json()["path"] != ["claims", "water damage"]


def test_a_run_without_class_labels_is_refused_in_words(
    with_taxonomy: None,
    engine: Engine,
    store: FolderStore,
    workspace: str,
    read: Read,
    run_job: Callable[[Job], list[str]],
) -> None:
    line = {"document": read("a"), "task": "field", "path": None, "held_out": False}
    key = store.put(workspace, "snapshots", json.dumps(line).encode()).key
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO train.published_runs VALUES ('run_x', :workspace, 'classifier', :key, true, '{}')"),
            {"workspace": workspace, "key": key},
        )
    assert run_job(FitClassifier(run="run_x")) == []
    with engine.connect() as connection:
        reason = ledger.trouble_of_run(connection, "run_x")
    assert reason is not None
    assert reason.code == "no_labels"


def test_a_class_is_explained_by_places_in_the_document(
    with_taxonomy: None,
    read: Read,
    fit: Callable[..., registry.Version],
    letters: Letters,
    run_job: Callable[[Job], list[str]],
    client: TestClient,
) -> None:
    version = fit(letters(8))
    content = "Hello. A pipe burst in our kitchen and the water ruined the floor."
    document = read(content)
    run_job(Classify(document=document))
    answer = client.get(f"/v1/documents/{document}/classes/explanation").json()
    assert (answer["model"], answer["path"]) == (version.id, ["claims", "water damage"])
    first = answer["sentences"][0]
    assert content[first["start"] : first["end"]] == first["text"]
    rather = client.get(f"/v1/documents/{document}/classes/explanation", params={"path": ["money", "invoice"]})
    assert rather.json()["against"] == ["claims", "water damage"]
    unknown = client.get(f"/v1/documents/{document}/classes/explanation", params={"path": ["money", "cheque"]})
    assert unknown.status_code == 422


def test_the_next_documents_to_label_are_proposed_until_they_have_labels(
    with_taxonomy: None,
    read: Read,
    run_job: Callable[[Job], list[str]],
    client: TestClient,
    engine: Engine,
    workspace: str,
    letters: Letters,
) -> None:
    documents = [read(letter.text) for letter in letters(2)]
    for document in documents:
        run_job(Classify(document=document))
    with engine.begin() as connection:
        connection.execute(text("UPDATE ledger.documents SET state = 'succeeded'"))
    proposed = client.get("/v1/labels/proposals", params={"limit": 3}).json()["items"]
    assert len(proposed) == 3
    assert proposed[0]["gain"] >= proposed[1]["gain"] >= proposed[2]["gain"] > 0
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO review.published_labels (id, workspace_id, document_id, task, path, audit, created_at)"
                " VALUES ('lab_1', :workspace, :document, 'class', '{money,invoice}', false, now())"
            ),
            {"workspace": workspace, "document": proposed[0]["document"]},
        )
    again = client.get("/v1/labels/proposals", params={"limit": 50}).json()["items"]
    assert proposed[0]["document"] not in {item["document"] for item in again}


def test_a_wrong_label_is_named_in_the_advice(
    with_taxonomy: None, fit: Callable[..., registry.Version], letters: Letters, client: TestClient
) -> None:
    assert client.get("/v1/taxonomy/advice").json()["model"] is None
    written = letters(8)
    written[5] = Example(written[5].text, (("money", "invoice"),))
    version = fit(written)
    advice = client.get("/v1/taxonomy/advice").json()
    assert advice["model"] == version.id
    wrong = [doubt for doubt in advice["doubts"] if doubt["said"] == ["money", "invoice"]]
    assert [doubt["rather"] for doubt in wrong] == [["claims", "motor accident"]]
    assert wrong[0]["chance"] > wrong[0]["said_chance"]
    assert advice["few_labels"] == []


def test_a_second_fit_looks_only_at_documents_that_the_first_did_not_see(
    with_taxonomy: None,
    engine: Engine,
    store: FolderStore,
    workspace: str,
    read: Read,
    letters: Letters,
    run_job: Callable[[Job], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[int] = []
    encode = Encoder.encode_deep_and_middle
    monkeypatch.setattr(
        Encoder,
        "encode_deep_and_middle",
        lambda self, texts, *rest, **more: looked_at.append(len(texts)) or encode(self, texts, *rest, **more),
    )
    lines = [
        {"document": read(one.text), "task": "class", "path": list(one.accepted[0]), "held_out": False}
        for one in letters(4)
    ]
    for run, count in (("run_1", 19), ("run_2", 20)):
        key = store.put(workspace, "snapshots", "\n".join(map(json.dumps, lines[:count])).encode()).key
        with engine.begin() as connection:
            connection.execute(
                text("INSERT INTO train.published_runs VALUES (:id, :workspace, 'classifier', :key, true, '{}')"),
                {"id": run, "workspace": workspace, "key": key},
            )
        looked_at.clear()
        run_job(FitClassifier(run=run))
        assert looked_at[0] == (19 if run == "run_1" else 1)


def test_a_renamed_class_keeps_its_labels_and_the_model_that_knows_it(
    with_taxonomy: None,
    read: Read,
    fit: Callable[..., registry.Version],
    letters: Letters,
    run_job: Callable[[Job], list[str]],
    client: TestClient,
) -> None:
    version = fit(letters(4), run="run_1")
    client.patch("/v1/taxonomy/nodes", json={"path": ["claims"], "name": "damage"})
    client.patch("/v1/taxonomy/nodes", json={"path": ["damage", "water damage"], "name": "flood"})
    document = read("A pipe burst in our kitchen and the water ruined the floor.")
    run_job(Classify(document=document))
    answer = client.get(f"/v1/documents/{document}/classes").json()
    assert (answer["model"], answer["path"]) == (version.id, ["damage", "flood"])
    again = fit(letters(4), run="run_2")  # labels that say "claims / water damage"
    assert (
        again.metrics["labels_by_class"]["damage / flood"]
        == version.metrics["labels_by_class"]["claims / water damage"]
    )


def test_until_there_are_labels_a_generation_server_chooses_among_the_likely_classes(
    with_taxonomy: None, desk: Desk, workspace: str, read: Read, engine: Engine, client: TestClient
) -> None:
    letter = "Rechnung der Werkstatt: Gesamtbetrag 890,00 EUR, zahlbar innert 30 Tagen."
    scored = [Generation("B", "stop", [Token("B", -0.1)]), Generation("D", "stop", [Token("D", -0.2)])]
    generator = ScriptedGenerator([*scored, Unavailable("down")])
    answers = []
    for _ in range(2):  # the second time the server is down
        document = read(letter)
        with engine.begin() as connection:
            [(job, *_)] = ledger.add(connection, workspace, [Classify(document=document)])
        held = ledger.claim(engine, job)
        assert held is not None
        queues.run(replace(desk, generator=generator), held)
        answers.append(client.get(f"/v1/documents/{document}/classes").json())
    asked, alone = answers
    assert alone["path"] == ["money", "invoice"]
    assert asked["path"] == alone["alternatives"][1]["path"]  # B of five, then D in reverse: the second
    assert asked["model"].endswith("+scripted")
    assert asked["confidence"] == [None] * len(asked["path"])
    assert not alone["model"].endswith("+scripted")
