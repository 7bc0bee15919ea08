"""The whole application in a real browser: one server and one worker in threads, on a fresh database."""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from services import rooms
from shared import access, http, queues
from shared.database import engine_from
from shared.desk import Desk, Silent
from shared.store import FolderStore

CHROMIUM = shutil.which("chromium")
#: A browser that stays at home: no updates, no field trials, no first-run traffic.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

TAXONOMY = """
levels: [category, group, type]
nodes:
  - name: Claims
    description: A customer reports a loss or damage and asks the insurer to pay.
    children:
      - name: Motor claims
        description: Loss or damage that concerns a car.
        children:
          - {name: Motor accident, description: "Report of a road traffic accident, a collision between vehicles."}
          - {name: Glass breakage, description: "Report of a broken windscreen or vehicle window."}
      - name: Home claims
        description: Loss or damage to a house or a flat.
        children:
          - {name: Water damage, description: "Report of a leak, a burst pipe or flooding at home."}
  - name: Contracts
    description: Insurance contracts and changes to them.
    children:
      - name: Policies
        description: The insurance contract itself.
        children:
          - {name: Renewal, description: "Request to renew a policy that ends."}
"""

SCHEMAS = """
schemas:
  - name: claim
    path: [Claims]
    fields:
      - {name: policy_number, type: identifier, required: true, anchors: [Policy number]}
      - {name: policyholder, type: party, required: true, anchors: [Policyholder], description: who holds the contract}
      - {name: loss_date, type: date, anchors: [Date of loss], description: day of the accident}
      - {name: claimed_amount, type: amount, anchors: [Estimated amount], description: amount claimed}
      - {name: witnesses, type: party, many: true, description: people who saw it}
  - name: motor
    path: [Claims, Motor claims]
    fields:
      - {name: registration, type: identifier, anchors: [Registration], description: number plate of the car}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Stack:
    """A running application at `url`, with a workspace of this test alone; `key(role)` makes a key to it."""

    url: str
    key: Callable[[access.Role], str]


@pytest.fixture(scope="session")
def served(
    postgres: str, template: str, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Desk]]:
    """The application at an address of its own, and a worker that takes every job; tests differ by workspace."""
    owner = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"CREATE DATABASE browser TEMPLATE {template}"))
    owner.dispose()
    engine = engine_from(make_url(postgres).set(database="browser").render_as_string(hide_password=False))
    desk = Desk(engine, FolderStore(tmp_path_factory.mktemp("store")), Silent(), cache)
    for service in rooms.SERVICES:
        rooms.open_handlers(service)
    app = http.application(desk, [rooms.router(service) for service in rooms.SERVICES])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none", lifespan="off"))
    done = threading.Event()
    threads = [threading.Thread(target=server.run), threading.Thread(target=_work, args=(desk, done))]
    for thread in threads:
        thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", desk
    done.set()
    server.should_exit = True
    for thread in threads:
        thread.join()
    engine.dispose()


@pytest.fixture
def stack(served: tuple[str, Desk]) -> Stack:
    url, desk = served
    with desk.transaction() as transaction:
        workspace = access.add_workspace(transaction, "browser test")

    def key(role: access.Role) -> str:
        with desk.transaction() as transaction:
            return access.issue(transaction, workspace, f"test {role}", role)[1]

    return Stack(url, key)


def _work(desk: Desk, done: threading.Event) -> None:
    while not done.wait(0.05):
        queues.drain(desk)


@pytest.fixture
def open_as(browser: Browser, stack: Stack) -> Iterator[Callable[..., Page]]:
    """Opens a page signed in with a key of that role. Whatever the page's console complains about fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_page(role: access.Role | None = "admin", path: str = "/", **options: object) -> Page:
        context = browser.new_context(base_url=stack.url, viewport={"width": 1280, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda wrong: complaints.append(str(wrong)))
        page.on("console", lambda said: said.type == "error" and complaints.append(f"{said.text} {said.location}"))
        if role is not None:
            context.request.post("/login", data={"key": stack.key(role)})
        page.goto(path)
        return page

    open_page.complaints = complaints  # type: ignore[attr-defined]
    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def defined(open_as: Callable[..., Page]) -> None:
    """A small taxonomy of three levels and the fields of one of its branches."""
    page = open_as("admin", "/login")
    for name, content in (("taxonomy", TAXONOMY), ("schemas", SCHEMAS)):
        response = page.request.put(f"/v1/{name}", data=content, headers={"Content-Type": "application/yaml"})
        assert response.ok, response.text()


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    """A motor claim of one page as a born-digital PDF."""
    rows = [
        ("Policy number", "AUT-2031-88417"),
        ("Policyholder", "Claire Schroeder"),
        ("Claim number", "SIN-26-004512"),
        ("Date of loss", "14 October 2026"),
        ("Registration", "LX 4471"),
        ("Estimated amount", "EUR 2,348.50"),
    ]
    story = [
        "Report of a road traffic accident. At the red light the car in front of me braked.",
        "The front of my vehicle hit its rear bumper. Nobody was hurt. Both drivers signed the report.",
        "The Kieffer garage estimates the repair at EUR 2,348.50 including paint.",
    ]
    written = io.BytesIO()
    canvas = Canvas(written, pagesize=A4, invariant=True)
    canvas.setFont("Helvetica-Bold", 15)
    canvas.drawString(56, 770, "Motor accident claim")
    canvas.setFont("Helvetica", 11)
    for place, (label, value) in enumerate(rows):
        canvas.drawString(56, 730 - 22 * place, label)
        canvas.drawString(220, 730 - 22 * place, value)
    for place, line in enumerate(story):
        canvas.drawString(56, 560 - 16 * place, line)
    canvas.save()
    path = tmp_path / "claim-schroeder.pdf"
    path.write_bytes(written.getvalue())
    return path


@pytest.fixture
def uploaded(open_as: Callable[..., Page], defined: None) -> Callable[..., str]:
    """Uploads files through the page and waits until the batch has ended; the id of the first document."""

    def upload(page: Page, *paths: Path) -> str:
        page.goto("/")
        page.set_input_files("input[type=file]", list(paths))
        page.wait_for_url("**/batches/bat_*")
        page.get_by_role("heading", name="Finished").wait_for(timeout=60_000)
        batch = page.url.rsplit("/", 1)[1]
        items = page.request.get(f"/v1/documents?batch={batch}&limit=200").json()["items"]
        return str(next(item["id"] for item in items if item["name"] == paths[0].name))

    return upload
