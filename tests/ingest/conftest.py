"""The ingest room alone: printed pages made here, and one warm sandbox for all tests."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pikepdf
import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from services.ingest import ocr
from services.ingest.reading import Outcome, Request, read
from services.ingest.sandbox import Sandbox

Line = tuple[float, float, str]


@pytest.fixture
def printed() -> Callable[..., bytes]:
    """Makes a PDF: a list of `(x, y from the top, text)` per page, optionally turned and cropped."""

    def make(*pages: list[Line], size: float = 11, turn: int = 0, crop: list[float] | None = None) -> bytes:
        written = io.BytesIO()
        sheet = canvas.Canvas(written, pagesize=A4, invariant=True)
        for lines in pages:
            sheet.setFont("Helvetica", size)
            for x, y, text in lines:
                sheet.drawString(x, A4[1] - y, text)
            sheet.showPage()
        sheet.save()
        with pikepdf.open(io.BytesIO(written.getvalue())) as document:
            for page in document.pages:
                page.Rotate = turn
                if crop is not None:
                    page.CropBox = crop
            turned = io.BytesIO()
            document.save(turned)
        return turned.getvalue()

    return make


@pytest.fixture
def reads() -> Callable[..., Outcome]:
    """Reads bytes in this process and proves the invariants of the model."""

    def run(content: bytes, name: str, **options: object) -> Outcome:
        outcome = read(content, Request(name, **options))  # type: ignore[arg-type]
        outcome.reading.check()
        return outcome

    return run


@pytest.fixture
def tesseract() -> None:
    """Skips where tesseract is not installed."""
    if not ocr.available():
        pytest.skip("tesseract is not installed")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    box = Sandbox()
    yield box
    box.close()
