"""Webhooks against a real receiver that fails at first."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from services.ingest import tasks
from services.ingest.settings import settings
from services.ingest.tables.announcing import announce
from services.ingest.webhooks import RETRY_AFTER_S, post
from shared import ledger, queues
from shared.desk import Desk


@pytest.fixture(autouse=True, scope="module")
def _reader_ends():
    yield
    tasks.sandbox().close()


@dataclass
class Receiver:
    """What came in, and the statuses that the next requests are answered with; then 204."""

    url: str
    answers: list[int] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[dict]:
        return [json.loads(body) for _, body in self.came]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An HTTP server of somebody else's."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(here.answers.pop(0) if here.answers else 204)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield here
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def private_allowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The operator allows webhooks into the own network."""
    monkeypatch.setenv("DOSSIER_INGEST_WEBHOOKS_PRIVATE", "true")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def happen(client: TestClient, desk: Desk, engine: Engine, drain: Callable[[], list[str]]) -> Callable[[], None]:
    """Reads what is waiting, tells webhooks, and lets every pause be over until nothing is left to deliver."""

    def run() -> None:
        drain()
        announce(desk)
        for _ in range(30):
            with engine.begin() as connection:
                connection.execute(text("UPDATE ingest.webhooks SET paused_until = NULL"))
                open_ = connection.execute(
                    text("SELECT count(*) FROM ledger.jobs WHERE state = 'waiting'")
                ).scalar_one()
            if not open_:
                return
            tasks_run = run_once(desk)
            assert tasks_run

    return run


def run_once(desk: Desk) -> int:
    """Runs each job that waits now once: what it sends for later stays for the next round."""
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE ledger.jobs SET next_at = now() WHERE state = 'waiting'"))
        waiting = list(connection.execute(text("SELECT id FROM ledger.jobs WHERE state = 'waiting'")).scalars())
    for job in waiting:
        held = ledger.claim(desk.engine, job)
        if held is not None:
            queues.run(desk, held)
    return len(waiting)


def upload(client: TestClient, *contents: bytes) -> str:
    files = [("files", (f"{number}.txt", content)) for number, content in enumerate(contents)]
    return str(client.post("/v1/batches", files=files).json()["batch"]["id"])


def hook(client: TestClient, receiver: Receiver, *events: str) -> dict:
    answer = client.post("/v1/webhooks", json={"url": receiver.url} | ({"events": list(events)} if events else {}))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.usefixtures("private_allowed")
def test_what_ended_is_told_once_and_signed(client: TestClient, receiver: Receiver, happen: Callable[[], None]) -> None:
    secret = hook(client, receiver)["secret"]
    batch = upload(client, b"Brief an die Bank", b"Brief an die Bank", b"%PDF-1.4 broken")
    happen()
    happen()
    assert sorted(body["type"] for body in receiver.bodies()) == [
        "batch.finished",
        "document.failed",
        "document.skipped",
        "document.succeeded",
    ]
    assert {body["data"]["batch"] for body in receiver.bodies()} == {batch}
    failed = next(body for body in receiver.bodies() if body["type"] == "document.failed")
    assert failed["data"]["reason"] == "corrupt"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    for headers, body in receiver.came:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{wanted}"
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 4


@pytest.mark.usefixtures("private_allowed")
def test_a_receiver_that_fails_at_first_is_tried_again_with_the_same_event(
    client: TestClient, receiver: Receiver, happen: Callable[[], None]
) -> None:
    webhook = hook(client, receiver, "batch.finished")["id"]
    receiver.answers = [500, 302, 503]
    upload(client, b"Brief an die Bank")
    happen()
    assert len(receiver.came) == 4, "a redirect is not followed"
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
    assert len({body for _, body in receiver.came}) == 1
    (delivery,) = client.get(f"/v1/webhooks/{webhook}/deliveries").json()["items"]
    assert (delivery["state"], delivery["attempts"], delivery["status"]) == ("delivered", 4, 204)


@pytest.mark.usefixtures("private_allowed")
def test_what_nobody_takes_ends_dead_and_can_be_replayed(
    client: TestClient, receiver: Receiver, happen: Callable[[], None]
) -> None:
    webhook = hook(client, receiver, "batch.finished")["id"]
    receiver.answers = [500] * (len(RETRY_AFTER_S) + 1)
    upload(client, b"Brief an die Bank")
    happen()
    assert client.get(f"/v1/webhooks/{webhook}").json()["dead"] == 1
    (dead,) = client.get(f"/v1/webhooks/{webhook}/deliveries?state=dead").json()["items"]
    assert dead["trouble"] == "The receiver answered 500."
    first = receiver.came[0][0]["webhook-id"]
    assert client.post(f"/v1/webhooks/{webhook}/replay").json()["replayed"] == 1
    happen()
    assert receiver.came[-1][0]["webhook-id"] == first
    assert client.get(f"/v1/webhooks/{webhook}").json()["dead"] == 0
    assert client.post(f"/v1/webhooks/{webhook}/replay").json()["replayed"] == 0


@pytest.mark.usefixtures("private_allowed")
def test_a_receiver_that_is_gone_hears_no_more(
    client: TestClient, receiver: Receiver, happen: Callable[[], None]
) -> None:
    webhook = hook(client, receiver, "batch.finished")["id"]
    receiver.answers = [410]
    upload(client, b"Brief an die Bank")
    happen()
    upload(client, b"Brief an den Makler")
    happen()
    assert len(receiver.came) == 1
    assert client.get(f"/v1/webhooks/{webhook}").json()["disabled_at"] is not None


@pytest.mark.usefixtures("private_allowed")
def test_a_batch_that_starts_anew_ends_anew(client: TestClient, receiver: Receiver, happen: Callable[[], None]) -> None:
    hook(client, receiver, "batch.finished")
    batch = upload(client, b"%PDF-1.4 broken")
    happen()
    client.post(f"/v1/batches/{batch}/retry")
    happen()
    assert [body["data"]["state"] for body in receiver.bodies()] == ["failed", "failed"]
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 2


@pytest.mark.usefixtures("private_allowed")
def test_a_dead_receiver_does_not_hold_up_the_workers(
    client: TestClient, receiver: Receiver, desk: Desk, drain: Callable[[], list[str]]
) -> None:
    hook(client, receiver, "document.succeeded")
    receiver.answers = [500] * 50
    upload(client, *(b"Brief %d an die Bank" % number for number in range(10)))
    drain()
    announce(desk)
    run_once(desk)
    assert len(receiver.came) == 1, "after the first failure the others wait"


def test_a_secret_is_shown_once_and_kept_sealed(
    client: TestClient, receiver: Receiver, engine: Engine, private_allowed: None
) -> None:
    made = hook(client, receiver)
    listed = client.get("/v1/webhooks").json()["items"]
    assert made["secret"] not in json.dumps(listed)
    with engine.connect() as connection:
        assert made["secret"] not in str(connection.execute(text("SELECT * FROM ingest.webhooks")).all())
    assert client.delete(f"/v1/webhooks/{made['id']}").status_code == 204
    assert client.get(f"/v1/webhooks/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "https://127.0.0.1/hook",
        "https://10.1.2.3/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://[64:ff9b::7f00:1]/hook",
        "https://user:secret@example.org/hook",
        "file:///etc/passwd",
        "gopher://example.org/",
    ],
)
def test_an_address_where_webhooks_must_not_go_is_refused(client: TestClient, url: str) -> None:
    refused = client.post("/v1/webhooks", json={"url": url})
    assert (refused.status_code, refused.json()["code"]) == (422, "webhook_url")


def test_a_name_that_leads_into_the_own_network_is_not_called(receiver: Receiver) -> None:
    url = receiver.url.replace("127.0.0.1", "innocent.example")
    outcome = post(url, "whsec_AAAA", "evt_1", "{}", private=False, resolve=lambda host, port: ["127.0.0.1"])
    assert "private address" in outcome.trouble
    mixed = post(url, "whsec_AAAA", "evt_1", "{}", private=False, resolve=lambda *_: ["93.184.216.34", "127.0.0.1"])
    assert "private address" in mixed.trouble
    assert receiver.came == []
    allowed = post(url, "whsec_AAAA", "evt_1", "{}", private=True, resolve=lambda host, port: ["127.0.0.1"])
    assert allowed.taken
    assert receiver.came[0][0]["host"].startswith("innocent.example:"), (
        "the name travels, the checked address is called"
    )


def test_only_administrators_see_webhooks(client: TestClient, key_for: Callable[[str], str]) -> None:
    headers = {"Authorization": f"Bearer {key_for('reviewer')}"}
    assert client.get("/v1/webhooks", headers=headers).status_code == 403
