from __future__ import annotations

import pytest
from sqlalchemy import text

from services.train.gate import Pair
from services.train.snapshots import lines_of
from shared import access, facts, registry

CLASSES = {f"doc_{number}": "claims/motor" if number % 2 else "policies/home" for number in range(20)}


@pytest.fixture
def started(client, labelled):
    """Starts a run over twenty labels and returns it as answered."""
    labelled(CLASSES)

    def start(promote: bool = True) -> dict:
        answer = client.post("/v1/runs", json={"role": "classifier", "promote": promote})
        assert answer.status_code == 202, answer.text
        return answer.json()

    return start


@pytest.fixture
def compared():
    """Ten held-out answers: both right, but for `losses` only the version in use was."""

    def make(losses: int) -> list[Pair]:
        return [Pair(f"d{number}", "claims", "a", "b" if number < losses else "a", "a") for number in range(10)]

    return make


def test_a_run_freezes_the_labels_and_asks_the_room_that_owns_the_model(started, engine, store):
    run = started()
    assert run["state"] == "pending"
    with engine.connect() as connection:
        recorded = facts.run(connection, run["id"])
        jobs = connection.execute(text("SELECT name, body FROM ledger.jobs")).all()
    assert [(job.name, job.body) for job in jobs] == [("classify.fit", {"run": run["id"]})]
    assert recorded.promote
    assert {line["document"] for line in lines_of(store.get(recorded.snapshot_key))} == set(CLASSES)


def test_the_lineage_of_a_run_names_each_label(started, engine):
    started()
    started()  # the same labels again: the same snapshot, no second lineage
    with engine.connect() as connection:
        lineage = connection.execute(text("SELECT label_id, document_id FROM train.snapshot_labels")).all()
    assert {tuple(row) for row in lineage} == {(f"lab_{document}", document) for document in CLASSES}
    assert len(lineage) == len(CLASSES)


def test_without_labels_a_run_is_refused_with_what_to_do(client, labelled):
    answer = client.post("/v1/runs", json={"role": "extractor"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "no_labels"
    assert "dossier label import" in answer.json()["action"]


def test_the_first_version_is_promoted(started, learned, settle, client, engine, workspace):
    run = started()
    version = learned(b"one", run["id"])
    settle(run["id"], version.id)
    ended = client.get(f"/v1/runs/{run['id']}").json()
    assert (ended["state"], ended["version"]) == ("succeeded", version.id)
    assert ended["metrics"]["accuracy"] == 0.9
    assert [line["message"] for line in ended["log"]][-1] == f"Version {version.id} is in use now."
    with engine.connect() as connection:
        assert registry.promoted(connection, workspace, "classifier") == version


def test_a_run_that_did_not_ask_for_it_promotes_nothing(started, learned, settle, engine, workspace):
    run = started(promote=False)
    settle(run["id"], learned(b"one", run["id"]).id)
    with engine.connect() as connection:
        assert registry.promoted(connection, workspace, "classifier") is None


def test_a_worse_version_is_refused_with_the_table(started, learned, settle, client, compared):
    first, second = started(), started()
    in_use = learned(b"one", first["id"])
    settle(first["id"], in_use.id)
    settle(second["id"], learned(b"two", second["id"], compared(losses=4), against=in_use.id).id)
    ended = client.get(f"/v1/runs/{second['id']}").json()
    assert (ended["state"], ended["reason"]["code"]) == ("refused", "gate")
    [row] = ended["metrics"]["gate"]["table"]
    assert (row["about"], row["losses"], row["regressed"]) == ("claims", 4, True)
    [classifiers] = [item for item in client.get("/v1/registry").json()["items"] if item["role"] == "classifier"]
    assert classifiers["promoted"] == in_use.id
    assert len(classifiers["versions"]) == 2


def test_an_equal_version_takes_over(started, learned, settle, client, compared):
    first, second = started(), started()
    in_use = learned(b"one", first["id"])
    settle(first["id"], in_use.id)
    settle(second["id"], learned(b"two", second["id"], compared(losses=0), against=in_use.id).id)
    assert client.get(f"/v1/runs/{second['id']}").json()["state"] == "succeeded"


@pytest.mark.parametrize(("against", "why"), [(None, "not compared"), ("mv_gone", "run it again")])
def test_a_version_not_measured_against_the_one_in_use_is_refused(
    started, learned, settle, client, compared, against, why
):
    first, second = started(), started()
    settle(first["id"], learned(b"one", first["id"]).id)
    settle(second["id"], learned(b"two", second["id"], compared(losses=0), against=against).id)
    assert why in client.get(f"/v1/runs/{second['id']}").json()["reason"]["message"]


def test_settling_twice_changes_nothing(started, learned, settle, client):
    run = started()
    version = learned(b"one", run["id"])
    settle(run["id"], version.id)
    once = client.get(f"/v1/runs/{run['id']}").json(), client.get("/v1/registry").json()
    settle(run["id"], version.id)
    assert (client.get(f"/v1/runs/{run['id']}").json(), client.get("/v1/registry").json()) == once


def test_a_canceled_run_stays_canceled_and_promotes_nothing(started, learned, settle, client):
    run = started()
    assert client.post(f"/v1/runs/{run['id']}/cancel").json()["state"] == "canceled"
    settle(run["id"], learned(b"one", run["id"]).id)
    ended = client.get(f"/v1/runs/{run['id']}").json()
    assert (ended["state"], ended["reason"]["code"]) == ("canceled", "canceled")
    assert client.get("/v1/registry").json()["items"][0]["promoted"] is None
    assert client.post(f"/v1/runs/{run['id']}/cancel").status_code == 409


def test_a_run_whose_job_was_given_up_says_why(started, client, engine):
    run = started()
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE ledger.jobs SET state = 'quarantined',"
                ' reason = \'{"code": "few_labels", "message": "Two labels.", "action": "Label more."}\''
            )
        )
    ended = client.get(f"/v1/runs/{run['id']}").json()
    assert (ended["state"], ended["reason"]["code"]) == ("failed", "few_labels")


def test_a_person_promotes_and_rolls_back_past_the_gate(client, learned, labelled):
    one, two = learned(b"one").id, learned(b"two").id
    for version in (one, two):
        answer = client.post("/v1/registry/classifier/promote", json={"version": version, "reason": "I looked"})
        assert answer.json()["promoted"] == version
    back = client.post("/v1/registry/classifier/rollback").json()
    assert back["promoted"] == one
    assert [line["action"] for line in back["history"]] == ["rollback", "promote", "promote"]
    assert client.post("/v1/registry/classifier/rollback").status_code == 409
    assert client.post("/v1/registry/classifier/promote", json={"version": "mv_none"}).status_code == 404
    assert client.post("/v1/registry/translator/rollback").status_code == 422


def test_a_reader_sees_runs_but_starts_none(client, started, key_for):
    run = started()
    headers = {"Authorization": f"Bearer {key_for('reader')}"}
    assert client.get("/v1/runs", headers=headers).json()["items"][0]["id"] == run["id"]
    assert client.post("/v1/runs", json={"role": "classifier"}, headers=headers).status_code == 403
    assert client.post("/v1/registry/classifier/rollback", headers=headers).status_code == 403


def test_runs_are_listed_newest_first_page_by_page(client, started):
    ids = [started()["id"] for _ in range(3)]
    page = client.get("/v1/runs?limit=2").json()
    assert [item["id"] for item in page["items"]] == ids[:0:-1]
    rest = client.get(f"/v1/runs?limit=2&cursor={page['next_cursor']}").json()
    assert [item["id"] for item in rest["items"]] == ids[:1]
    assert rest["next_cursor"] is None
    assert client.get("/v1/runs?role=generator").json()["items"] == []


def test_a_foreign_run_looks_like_a_missing_one(client, started, engine):
    run = started()
    with engine.begin() as connection:
        other = access.issue(connection, access.add_workspace(connection, "other"), "admin there", "admin")[1]
    headers = {"Authorization": f"Bearer {other}"}
    assert client.get(f"/v1/runs/{run['id']}", headers=headers).status_code == 404
    assert client.post(f"/v1/runs/{run['id']}/cancel", headers=headers).status_code == 404
    assert client.get("/v1/runs", headers=headers).json()["items"] == []


def test_a_run_is_followed_to_its_end_and_again_from_where_the_line_broke(client, labelled, engine):
    from services.train import tables

    labelled({"doc_1": "a/b", "doc_2": "a/c"})
    run = client.post("/v1/runs", json={"role": "classifier"}).json()["id"]
    with engine.begin() as connection:
        tables.measured(connection, run, [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.0}])
    client.post(f"/v1/runs/{run}/cancel")
    whole = client.get(f"/v1/runs/{run}/events").text
    kinds = [line.removeprefix("event: ") for line in whole.splitlines() if line.startswith("event: ")]
    assert kinds == ["log", "metrics", "metrics", "end"]
    assert '"state":"canceled"' in whole
    first = whole.split("\n\n")[1].splitlines()[0].removeprefix("id: ")
    rest = client.get(f"/v1/runs/{run}/events", headers={"Last-Event-ID": first}).text
    assert [line for line in rest.splitlines() if line.startswith("event: ")] == ["event: metrics", "event: end"]
    assert client.get("/v1/runs/run_none/events").status_code == 404


def test_runs_under_way_are_metrics_for_prometheus(client, labelled, engine):
    from services.train import tables

    labelled({"doc_1": "a/b", "doc_2": "a/c"})
    run = client.post("/v1/runs", json={"role": "generator"}).json()["id"]
    assert client.get("/v1/runs/metrics").text == ""
    with engine.begin() as connection:
        tables.take(connection, lease_s=60)
        tables.measured(connection, run, [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.0, "mfu": 0.4}])
    text = client.get("/v1/runs/metrics").text
    assert f'dossier_run_loss_nats{{run="{run}",role="generator"}} 2.0\n' in text
    assert "# TYPE dossier_run_model_flops_utilization_ratio gauge" in text


def test_a_version_is_shown_beside_the_one_before_it(learned, client, compared, labelled):
    first = learned(b"one")
    second = learned(b"two", pairs=compared(losses=3), against=first.id)
    shown = client.get(f"/v1/registry/classifier/versions/{second.id}/comparison").json()
    assert (shown["questions"], shown["right_before"], shown["right_after"]) == (10, 10, 7)
    assert shown["confusion"] == [{"truth": "a", "answer": "b", "before": 0, "after": 3}]
    assert [line["document"] for line in shown["changed"]] == ["d0", "d1", "d2"]
    assert client.get(f"/v1/registry/classifier/versions/{first.id}/comparison").status_code == 404
