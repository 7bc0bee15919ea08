"""A cancel reaches the work itself: the processes that read the file, in the middle of it."""

from __future__ import annotations

import io
import time

import psutil
import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from services.ingest import ocr
from tests.system.conftest import Stack

pytestmark = [pytest.mark.system, pytest.mark.timeout(420)]

#: Recognising a page takes a second or more: minutes of work.
PAGES = 200


@pytest.fixture
def scan() -> bytes:
    """A PDF of many scanned pages; all show the same picture, so that it is small."""
    if not ocr.available():
        pytest.skip("tesseract is not installed")
    page = Image.new("L", (1240, 1754), 255)
    font = ImageFont.load_default(30)
    for row in range(40):
        ImageDraw.Draw(page).text((100, 80 + 40 * row), f"Line {row}: the policy shall be renewed in December", 0, font)
    written = io.BytesIO()
    canvas = Canvas(written, pagesize=A4, invariant=True)
    picture = ImageReader(page)
    for _ in range(PAGES):
        canvas.drawImage(picture, 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return written.getvalue()


def test_a_cancel_stops_a_document_that_is_being_read_within_seconds(stack: Stack, scan: bytes) -> None:
    uploaded_at = time.time()
    sent = stack.client.post("/v1/batches", files=[("files", ("scan.pdf", scan))])
    batch, document = sent["batch"]["id"], sent["files"][0]["document"]
    give_up_at = time.monotonic() + 120
    while (stack.client.get(f"/v1/documents/{document}")["progress"] or {"done": 0})["done"] < 2:
        assert time.monotonic() < give_up_at, "progress is to be seen page by page"
        time.sleep(0.1)
    reading = [one for one in stack.processes("worker ingest") if one.create_time() > uploaded_at]
    assert reading, "the file is read in a process of its own"

    assert stack.client.post(f"/v1/batches/{batch}/cancel")["state"] == "canceled"
    _, alive = psutil.wait_procs(reading, timeout=5)
    assert not alive
    assert stack.client.get(f"/v1/documents/{document}")["state"] == "canceled"
    after = stack.upload({"after.txt": "the worker lives on and reads the next letter"}, "after the cancel")
    assert stack.wait(after) == {"succeeded": 1}
