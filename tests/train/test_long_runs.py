"""Long runs on real Postgres: who holds one, how it ends, and what it leaves."""

from __future__ import annotations

import json
import sys
import time

import pytest

from services.train import tables
from services.train.settings import TrainSettings
from services.train.tasks.long_runs import work_once
from shared import ledger, registry


def test_a_long_run_is_held_by_one_and_taken_over_when_its_holder_falls_silent(engine, asked):
    run = asked()
    with engine.begin() as connection:
        first = tables.take(connection, lease_s=60)
        assert first is not None
        assert (first.id, first.fence) == (run, 1)
        assert tables.take(connection, lease_s=60) is None
    with engine.begin() as connection:
        second = tables.take(connection, lease_s=0)
        assert second is not None
        assert second.fence == 2
        assert not tables.beat(connection, run, first.fence)
        assert not tables.end(connection, run, first.fence, state="succeeded")
        assert tables.beat(connection, run, second.fence)
        assert tables.end(connection, run, second.fence, state="failed")
        assert not tables.beat(connection, run, second.fence)


def test_a_canceled_run_is_no_longer_held(engine, client, asked):
    run = asked()
    with engine.begin() as connection:
        held = tables.take(connection, lease_s=60)
    assert client.post(f"/v1/runs/{run}/cancel").json()["state"] == "canceled"
    with engine.begin() as connection:
        assert not tables.beat(connection, run, held.fence)
        assert tables.take(connection, lease_s=0) is None


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_a_long_run_ends_in_a_promoted_model_whose_files_come_back_from_the_store(
    fine_tuning, base, desk, client, asked, tmp_path, workspace, store
):
    from services.train.publishing import fetched

    run = asked()
    settings = TrainSettings(base=base, base_licence="Apache-2.0")
    assert work_once(desk, settings, tmp_path / "runs")
    assert not work_once(desk, settings, tmp_path / "runs")
    ended = client.get(f"/v1/runs/{run}").json()
    assert ended["state"] == "succeeded", ended
    assert [line["step"] for line in ended["measured"]] == [1, 2, 3, 4, 5, 6]
    assert ended["metrics"]["fidelity"]["mean_kl"] < 1e-4
    with desk.engine.connect() as connection:
        version = registry.promoted(connection, workspace, "generator")
    assert version is not None
    assert (version.id, version.licence, version.run) == (ended["version"], "Apache-2.0", run)
    model = fetched(registry.artefact(store, version), store, tmp_path / "model")
    assert json.loads((model / "config.json").read_text())["dtype"] == "bfloat16"
    assert "license: Apache-2.0" in (model / "README.md").read_text()


@pytest.fixture
def trainer(tmp_path):
    """A stand-in for the training process: runs these lines of Python, with the job's folder in `folder`."""

    def make(lines: str) -> list[str]:
        script = tmp_path / "trainer.py"
        script.write_text(f"import pathlib, sys, time\nfolder = pathlib.Path(sys.argv[1]).parent\n{lines}")
        return [sys.executable, str(script)]

    return make


def test_without_a_base_a_run_fails_with_what_to_do(desk, client, asked, tmp_path):
    run = asked()
    assert work_once(desk, TrainSettings(), tmp_path)
    ended = client.get(f"/v1/runs/{run}").json()
    assert (ended["state"], ended["reason"]["action"]) == ("failed", "Set DOSSIER_TRAIN_BASE to the folder of one.")


def test_what_the_training_refuses_is_the_reason_of_the_run(desk, client, asked, tmp_path, trainer):
    run = asked()
    refusing = trainer(
        '(folder / \'refused.json\').write_text(\'{"code": "c", "message": "m", "action": "a"}\')\nsys.exit(1)'
    )
    assert work_once(desk, TrainSettings(base=tmp_path), tmp_path, trainer=refusing)
    ended = client.get(f"/v1/runs/{run}").json()
    assert (ended["state"], ended["reason"]) == ("failed", {"code": "c", "message": "m", "action": "a"})


def test_a_training_that_keeps_dying_is_given_up(desk, client, asked, tmp_path, trainer):
    run = asked()
    dying = trainer("import os\nos.kill(os.getpid(), 9)")
    for state in ("pending", "pending", "failed"):
        assert work_once(desk, TrainSettings(base=tmp_path), tmp_path, trainer=dying)
        assert client.get(f"/v1/runs/{run}").json()["state"] == state
    assert client.get(f"/v1/runs/{run}").json()["reason"]["code"] == "crashed"


def test_a_worker_that_is_stopped_leaves_the_run_to_the_next(desk, client, asked, tmp_path, trainer):
    run = asked()
    settings = TrainSettings(base=tmp_path, lease_s=0.4)
    assert work_once(desk, settings, tmp_path, stopping=lambda: True, trainer=trainer("time.sleep(60)"))
    assert client.get(f"/v1/runs/{run}").json()["state"] == "pending"


def test_a_cancel_ends_the_training_process(desk, client, asked, tmp_path, trainer):
    run = asked()
    canceled = []

    def cancel() -> bool:
        if not canceled:
            canceled.append(client.post(f"/v1/runs/{run}/cancel").json()["state"])
        return False

    began = time.monotonic()
    settings = TrainSettings(base=tmp_path, lease_s=0.4)
    assert work_once(desk, settings, tmp_path, stopping=cancel, trainer=trainer("time.sleep(60)"))
    assert time.monotonic() - began < 40
    assert canceled == ["canceled"]
    assert client.get(f"/v1/runs/{run}").json()["state"] == "canceled"


def test_role_and_method_must_go_together(client, labelled):
    labelled({"doc_1": "claims/motor"})
    for body in ({"role": "classifier", "method": "qlora"}, {"role": "generator", "method": "fit"}):
        assert client.post("/v1/runs", json=body).status_code == 422


ALPACA = '{"instruction": "Was ist das?", "input": "Police", "output": "policies / home"}'


def test_a_run_learns_from_labels_and_from_what_somebody_brought(client, desk, asked, tmp_path, trainer):
    brought = client.post("/v1/datasets", content=ALPACA, headers={"content-type": "text/plain"}).json()
    assert brought["report"]["records"] == 1
    run = asked(extra={"datasets": [brought["digest"]]})
    dying = trainer("sys.exit(75)")
    assert work_once(desk, TrainSettings(base=tmp_path), tmp_path, trainer=dying)
    lines = (tmp_path / run / "records.jsonl").read_text().splitlines()
    answers = [json.loads(line)["messages"][1]["content"] for line in lines]
    assert len(answers) > 2
    assert set(answers) == {"policies / home"}
    exported = client.get(f"/v1/runs/{run}/records", params={"form": "sharegpt"}).text.splitlines()
    assert len(exported) == len(lines)
    assert json.loads(exported[-1])["conversations"][0] == {"from": "human", "value": "Was ist das?\n\nPolice"}
    measured = client.get(f"/v1/runs/{run}/records", params={"held_out": True}).text.splitlines()
    assert not {json.loads(line)["document"] for line in measured} & {
        json.loads(line).get("document") for line in exported
    }


def test_a_data_set_that_nobody_brought_is_refused(client, labelled):
    assert client.post("/v1/datasets", content="{}", headers={"content-type": "text/plain"}).status_code == 422
    labelled({"doc_1": "claims/motor"})
    body = {"role": "generator", "datasets": ["0" * 64]}
    assert client.post("/v1/runs", json=body).json()["detail"].startswith("There is no data set 000000000000")


def test_a_deleted_document_marks_the_runs_and_versions_it_went_into(client, engine, workspace, asked):
    with engine.begin() as connection:
        ledger.add_documents(
            connection,
            [{"id": f"doc_{number}", "workspace_id": workspace, "name": "x"} for number in (1, 2, 3, 4, 6, 7, 16, 18)],
        )
    run = asked()
    assert client.get(f"/v1/runs/{run}").json()["snapshot"]["deleted_documents"] == 0
    with engine.begin() as connection:
        ledger.forget(connection, workspace, "doc_2")
    assert client.get(f"/v1/runs/{run}").json()["snapshot"]["deleted_documents"] == 1


def test_a_licence_that_is_not_allowed_is_promoted_by_nobody(client, engine, store, workspace):
    with engine.begin() as connection:
        version = registry.register(connection, store, workspace, "generator", b"x", {}, {}, licence="CC-BY-NC-4.0")
    refused = client.post("/v1/registry/generator/promote", json={"version": version.id})
    assert (refused.status_code, refused.json()["code"]) == (422, "licence")


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_a_second_generator_is_compared_with_the_first_on_the_held_out_documents(
    fine_tuning, base, desk, client, asked, tmp_path
):
    settings = TrainSettings(base=base, base_licence="Apache-2.0")
    asked()
    work_once(desk, settings, tmp_path / "runs")
    second = asked(learning_rate=1e-3, evaluate_every=3)
    work_once(desk, settings, tmp_path / "runs")
    ended = client.get(f"/v1/runs/{second}").json()
    assert ended["state"] in ("succeeded", "refused"), ended
    gate = ended["metrics"]["gate"]
    assert gate["table"], "held-out documents were asked of both"
    assert {row["about"] for row in gate["table"]} == {"policies / home"}
