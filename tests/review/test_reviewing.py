"""From a machine's statements over a person's words to a decision, on a real database."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from shared import ledger
from shared.desk import Desk

PATH = ["Claims", "Motor", "Accident"]
OTHER = ["Claims", "Home", "Water"]


def amount(document: str, value: object = "1250.00", **more: object) -> dict[str, object]:
    return {"document": document, "task": "field", "name": "amount", "value": value, **more}


def said(document: str, path: list[str] = PATH, **more: object) -> dict[str, object]:
    return {"document": document, "task": "class", "path": path, **more}


@pytest.fixture
def say(client: TestClient) -> Callable[..., list[dict[str, object]]]:
    def post(*items: dict[str, object]) -> list[dict[str, object]]:
        response = client.post("/v1/labels", json={"items": list(items)})
        assert response.status_code == 201, response.text
        found: list[dict[str, object]] = response.json()["items"]
        return found

    return post


@pytest.fixture
def standing(client: TestClient) -> Callable[[str], dict]:
    return lambda document: client.get(f"/v1/reviews/{document}").json()


def test_without_labels_every_document_goes_to_a_person_and_says_how_many_it_takes(document, check, standing):
    one = document()
    check(one)
    verdict = standing(one)
    assert verdict["decision"] == "needs_review"
    assert [(reason["code"], reason["field"]) for reason in verdict["reasons"]] == [
        ("class_too_few_labels", None),
        ("field_too_few_labels", "amount"),
    ]
    assert "0 of the 11" in verdict["reasons"][0]["message"]


def test_a_dozen_right_audit_labels_let_the_next_document_pass(document, check, say, standing):
    judged = [document() for _ in range(12)]
    check(*judged)
    say(*[item for one in judged for item in (said(one, audit=True), amount(one, audit=True))])
    fresh = document()
    check(fresh)
    assert standing(fresh)["decision"] == "accepted"


def test_new_labels_free_documents_that_wait_already(document, check, say, standing):
    waits = document()
    judged = [document() for _ in range(12)]
    check(waits, *judged)
    assert standing(waits)["decision"] == "needs_review"
    say(*[item for one in judged for item in (said(one, audit=True), amount(one, audit=True))])
    assert standing(waits)["decision"] == "accepted"


def test_nothing_without_evidence_is_accepted_however_many_labels_there_are(document, check, say, standing):
    judged = [document() for _ in range(12)]
    check(*judged)
    say(*[item for one in judged for item in (said(one, audit=True), amount(one, audit=True))])
    loose = document(amount=1.0, grounded=False)
    check(loose)
    assert [reason["code"] for reason in standing(loose)["reasons"]] == ["no_evidence"]


def test_audit_labels_measure_and_decide_nothing_about_their_own_document(document, check, say, standing):
    one = document()
    check(one)
    say(said(one, audit=True), amount(one, audit=True))
    assert standing(one)["decision"] == "needs_review"
    assert standing(one)["labels"] == []


def test_a_label_settles_its_reason_at_once(document, check, say, standing):
    one = document()
    check(one)
    say(amount(one))
    assert [reason["field"] for reason in standing(one)["reasons"]] == [None]
    say(said(one))
    assert standing(one)["decision"] == "reviewed"


def test_a_newer_word_supersedes_and_the_older_one_is_kept(document, check, say, standing, engine: Engine):
    one = document()
    check(one)
    first = say(amount(one, "1.00"))[0]
    second = say(amount(one, "2.00"))[0]
    assert [label["value"] for label in standing(one)["labels"]] == ["2.00"]
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, superseded_by FROM review.labels ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [(first["id"], second["id"]), (second["id"], None)]


def test_labels_have_author_time_and_checked_evidence(document, say):
    one = document()
    label = say(amount(one, evidence={"start": 28, "end": 36}))[0]
    assert label["author"] == "test admin"
    assert label["created_at"]
    assert label["evidence"]["quote"] == "1.250,00"


@pytest.mark.parametrize("place", [{"start": 5, "end": 5}, {"start": 0, "end": 4000}])
def test_evidence_outside_of_the_text_is_refused_with_words(document, client, place):
    response = client.post("/v1/labels", json={"items": [amount(document(), evidence=place)]})
    assert response.status_code == 422
    assert "not a place in the text" in response.json()["detail"]


def test_all_labels_of_a_request_are_saved_or_none(document, client, desk: Desk, workspace: str):
    one = document()
    response = client.post("/v1/labels", json={"items": [amount(one), amount("doc_foreign")]})
    assert response.status_code == 404
    with desk.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM review.published_labels")).scalar() == 0


def test_a_label_may_come_before_the_document_was_classified(say, desk: Desk, workspace: str):
    fresh = ledger.new_id("doc")
    with desk.transaction() as transaction:
        ledger.add_documents(transaction, [{"id": fresh, "workspace_id": workspace, "name": "new.pdf"}])
    say(said(fresh))
    with desk.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger.jobs")).scalar() == 0
        found = connection.execute(text("SELECT document_id, path, name FROM review.published_labels")).all()
    assert [tuple(row) for row in found] == [(fresh, PATH, None)]


def test_a_corrected_class_sends_extract_and_an_accepted_one_does_not(document, check, say, engine: Engine):
    accepted, corrected = document(), document()
    check(accepted, corrected)
    say(said(accepted), said(corrected, OTHER))
    with engine.connect() as connection:
        sent = connection.execute(text("SELECT document_id FROM ledger.jobs WHERE name = 'extract.extract'")).scalars()
        assert list(sent) == [corrected]


def test_a_closed_review_stays_closed_when_the_document_is_checked_again(document, check, client, standing):
    one = document(0.1, amount=None)
    check(one)
    response = client.post(f"/v1/reviews/{one}", json={"class": {"action": "accept"}, "fields": []})
    assert response.json()["decision"] == "reviewed"
    check(one)
    assert standing(one)["decision"] == "reviewed"
    assert standing(one)["reviewed_by"] == "test admin"


def test_a_review_that_corrects_the_class_waits_for_the_new_fields(document, check, client, standing):
    one = document()
    check(one)
    review = {"class": {"action": "correct", "path": OTHER}, "fields": []}
    assert client.post(f"/v1/reviews/{one}", json=review).json()["decision"] == "needs_review"
    assert standing(one)["path"] == OTHER
    assert standing(one)["reviewed_by"] is None


def test_a_review_accepts_corrects_and_rejects_fields(document, check, client):
    one = document()
    check(one)
    review = {
        "class": {"action": "accept"},
        "fields": [
            {"name": "amount", "action": "accept"},
            {"name": "loss_date", "action": "correct", "value": "2026-11-03"},
            {"name": "iban", "action": "reject"},
        ],
    }
    found = client.post(f"/v1/reviews/{one}", json=review).json()
    values = {label["name"]: label["value"] for label in found["labels"]}
    assert values == {None: None, "amount": "1250.00", "loss_date": "2026-11-03", "iban": None}
    accepted = next(label for label in found["labels"] if label["name"] == "amount")
    assert accepted["evidence"]["quote"] == "1.250,00"


def test_accepting_what_was_never_found_is_refused(document, check, client):
    one = document()
    check(one)
    review = {"fields": [{"name": "iban", "action": "accept"}]}
    response = client.post(f"/v1/reviews/{one}", json=review)
    assert response.status_code == 409
    assert "iban" in response.json()["detail"]


def test_the_queue_shows_the_most_doubtful_first_and_pages_through_all(document, check, client):
    certain, unsure, lost = document(0.9), document(0.5), document(0.1)
    check(certain, unsure, lost)
    seen, cursor = [], None
    while True:
        page = client.get("/v1/reviews", params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["document"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [lost, unsure, certain]
    assert page["waiting"] == 3


def test_a_broken_cursor_is_refused(client):
    assert client.get("/v1/reviews", params={"cursor": "x:y"}).status_code == 422
    assert client.get("/v1/audit", params={"cursor": "x"}).status_code == 422


def test_quality_counts_right_wrong_and_missed(document, check, say, client):
    right, wrong, missed = document(), document(), document()
    check(right, wrong, missed)
    say(said(right), said(wrong, OTHER), amount(right), amount(wrong, "7.00"))
    say({"document": missed, "task": "field", "name": "iban", "value": "LU28"})
    quality = client.get("/v1/quality").json()
    assert quality["classes"]["judged"] == 2
    assert [level["right"] for level in quality["classes"]["levels"]] == [2, 1, 1]
    assert quality["classes"]["confusions"] == [{"stated": PATH, "expected": OTHER, "count": 1}]
    fields = {field["name"]: field for field in quality["fields"]}
    assert (fields["amount"]["precision"]["right"], fields["amount"]["precision"]["of"]) == (1, 2)
    assert (fields["iban"]["recall"]["right"], fields["iban"]["recall"]["of"]) == (0, 1)
    assert quality["documents"] == {"accepted": 0, "reviewed": 2, "needs_review": 1}


def test_a_label_that_a_model_may_have_learned_from_does_not_measure_it(
    document, check, say, client, engine, workspace
):
    one = document()
    check(one)
    say(said(one))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ledger.model_versions (id, workspace_id, role, digest, artefact_key, lineage, metrics)"
                " VALUES ('mv_later', :workspace, 'classifier', 'd', 'k', '{}', '{}')"
            ),
            {"workspace": workspace},
        )
        connection.execute(text("UPDATE classify.published_classes SET model = 'mv_later'"))
    assert client.get("/v1/quality").json()["classes"]["judged"] == 0
    say(said(one, audit=True))
    assert client.get("/v1/quality").json()["classes"]["judged"] == 1


def test_readers_see_and_reviewers_write(document, check, client_as):
    one = document()
    check(one)
    reader = client_as("reader")
    assert reader.get(f"/v1/reviews/{one}").status_code == 200
    assert reader.post("/v1/labels", json={"items": [amount(one)]}).status_code == 403
    assert client_as("reviewer").post("/v1/labels", json={"items": [amount(one)]}).status_code == 201
    assert client_as("reviewer").get("/v1/keys").status_code == 403


@pytest.mark.parametrize(
    "item",
    [
        {"task": "class", "name": "x", "path": []},
        {"task": "class"},
        {"task": "field", "value": "x"},
        {"task": "field", "name": "x", "path": ["a"]},
        {"task": "opinion"},
    ],
)
def test_a_label_that_says_two_things_or_none_is_refused(client, item):
    assert client.post("/v1/labels", json={"items": [{"document": "doc_x", **item}]}).status_code == 422


def test_saving_is_written_to_the_audit_log_without_content(document, check, say, client):
    one = document()
    check(one)
    say(amount(one, "9999.99"))
    entry = client.get("/v1/audit").json()["items"][0]
    assert (entry["action"], entry["subject"], entry["detail"]) == ("label.save", one, {"labels": 1})
    assert client.get("/v1/audit").json()["first_broken"] is None


def test_a_promoted_model_is_measured_by_its_own_statements(document, check, say, client, engine, workspace):
    old, fresh = document(), document()
    check(old, fresh)
    say(said(old, audit=True), said(fresh, OTHER, audit=True))
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO ledger.model_versions (id, workspace_id, role, digest, artefact_key, lineage, metrics)"
            " VALUES ('mv_new', :workspace, 'classifier', 'd', 'k', '{}', '{}')",
            "INSERT INTO ledger.promotions (workspace_id, role, action, version_id, by, reason)"
            " VALUES (:workspace, 'classifier', 'promote', 'mv_new', 'test', 'test')",
            "UPDATE classify.published_classes SET model = 'mv_new' WHERE document_id = :fresh",
        ):
            connection.execute(text(statement), {"workspace": workspace, "fresh": fresh})
    classes = client.get("/v1/quality").json()["classes"]
    assert classes["judged"] == 1
    assert classes["levels"][-1]["right"] == 0


def test_thresholds_follow_statements_that_change(document, check, say, client, engine, monkeypatch):
    monkeypatch.setattr("services.review.tables.decided.PATIENCE_S", 0)
    judged = [document(None, amount=None) for _ in range(12)]
    check(*judged)
    say(*[said(one, audit=True) for one in judged])
    assert client.get("/v1/quality").json()["classes"]["threshold"]["judged"] == 0
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE classify.published_classes SET confidence = '{0.9, 0.9, 0.9}', created_at = clock_timestamp()")
        )
    assert client.get("/v1/quality").json()["classes"]["threshold"]["value"] == 0.0
