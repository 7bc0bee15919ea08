"""`dossier bench ingest`: pages per second, each against the bare library timed in the same run.

Born-digital pages go through the whole reader (words, boxes, order, cleaning, language) on one core, against text
extraction by pypdfium2 alone; scans against the tesseract command on pictures drawn before; small texts through the
sandbox. The figures that travel between machines are the ratios. The documents are made here, the same every time.
"""

from __future__ import annotations

import gc
import io
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import pypdfium2
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from services.ingest import ocr, pdfium
from services.ingest.reading import Request, read
from services.ingest.sandbox import Bounds, Sandbox

_TEXT = (
    "Die Versicherung ersetzt den Schaden an dem Fahrzeug nach dem Unfall vom Montag in Luxembourg Nous vous prions "
    "de bien vouloir trouver ci-joint la facture du garage et le constat amiable The policyholder shall notify the "
    "insurer without delay of any change of address Vertragsnummer Selbstbeteiligung Prämie Franchise indemnité"
)
_WORDS = _TEXT.split()
_PAGES, _SCANS, _TEXTS, _LONG = 120, 4, 200, 2_000


def bench(folder: Path | None = None) -> dict[str, float]:
    """Print the table, return the figures. Born-digital PDFs are those below `folder`; made here where it is None."""
    pdfs = [document(_PAGES)] if folder is None else [path.read_bytes() for path in sorted(folder.rglob("*.pdf"))]
    gc.disable()  # as in the sandbox, where a process lives for one file
    try:
        figures = _born_digital(pdfs) | _recognised() | _small_texts() | _long_document()
    finally:
        gc.enable()
    for name, value in figures.items():
        sys.stdout.write(f"{name:40} {value:>12,.3f}\n")
    return figures


def _born_digital(pdfs: list[bytes]) -> dict[str, float]:
    """The whole reader against bare text extraction, file by file in turn; scans among the files are left out."""
    reference = whole = 0.0
    pages = 0
    for content in pdfs:
        reading = read(content, Request("warm.pdf")).reading
        if any(page.source != "text" for page in reading.pages):
            continue
        pages += len(reading.pages)
        reference += _best(_bare_text, content)
        whole += _best(_whole, content)
    return {
        "pdf_pages": float(pages),
        "pdf_pages_per_s": pages / whole,
        "pdf_pypdfium2_text_pages_per_s": pages / reference,
        "pdf_ratio": reference / whole,
    }


def _whole(content: bytes) -> None:
    read(content, Request("bench.pdf"))


def _bare_text(content: bytes) -> None:
    document = pypdfium2.PdfDocument(content)
    for page in document:
        textpage = page.get_textpage()
        textpage.get_text_range()
        textpage.close()
        page.close()
    document.close()


def _recognised() -> dict[str, float]:
    """A scanned PDF on all cores, against tesseract on all cores over the same pictures."""
    cores = cpu_count() or 1
    pictures = _pictures(_SCANS)
    scanned = _scanned(pictures)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.png") for number in range(len(pictures))]
        for path, picture in zip(paths, pictures, strict=True):
            picture.save(path, compress_level=1)
        began = time.perf_counter()
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(_bare_tesseract, paths))
        reference = time.perf_counter() - began
    began = time.perf_counter()
    read(scanned, Request("scan.pdf", threads=cores))
    whole = time.perf_counter() - began
    return {
        "ocr_pages_per_s": _SCANS / whole,
        "ocr_tesseract_pages_per_s": _SCANS / reference,
        "ocr_ratio": reference / whole,
    }


def _bare_tesseract(path: Path) -> None:
    command = ["env", "OMP_THREAD_LIMIT=1", "tesseract", str(path), "-", "-l", ocr.LANGUAGES, "--dpi", "300", "tsv"]
    subprocess.run(command, capture_output=True, check=True)


def _small_texts() -> dict[str, float]:
    """Small texts through the sandbox: what its walls cost per file."""
    texts = [f"Schaden {number}\n{' '.join(_WORDS)}\n".encode() for number in range(_TEXTS)]
    sandbox = Sandbox()
    try:
        began = time.perf_counter()
        sandbox.read(texts[0], "warm.txt")
        started = time.perf_counter() - began
        began = time.perf_counter()
        for text in texts:
            sandbox.read(text, "claim.txt")
        taken = time.perf_counter() - began
    finally:
        sandbox.close()
    return {"sandbox_start_s": started, "sandbox_texts_per_s": _TEXTS / taken}


def _long_document() -> dict[str, float]:
    """A document of 2,000 pages through the sandbox: its memory, and how often it reports progress."""
    told: list[int] = []
    sandbox = Sandbox(Bounds())
    try:
        began = time.perf_counter()
        sandbox.read(document(_LONG), "long.pdf", progress=lambda done, of: told.append(done))
        taken = time.perf_counter() - began
    finally:
        sandbox.close()
    return {
        "long_pages": float(_LONG),
        "long_pages_per_s": _LONG / taken,
        "long_peak_mib": sandbox.peak_bytes / (1 << 20),
        "long_progress_reports": float(len(told)),
    }


def document(pages: int) -> bytes:
    """A PDF of letters with 420 words a page, a table and a running footer; equal on every machine."""
    drawn = random.Random(1926)
    written = io.BytesIO()
    sheet = canvas.Canvas(written, pagesize=A4, invariant=True)
    for number in range(1, pages + 1):
        sheet.setFont("Helvetica", 9)
        for line in range(38):
            sheet.drawString(60, 780 - 15 * line, " ".join(drawn.choices(_WORDS, k=10)))
        for row in range(5):
            for column in range(4):
                sheet.drawString(60 + 120 * column, 180 - 14 * row, f"{drawn.choice(_WORDS)} {row * column}")
        sheet.drawString(60, 40, f"Ardelune S.A. {number}/{pages}")
        sheet.showPage()
    sheet.save()
    return written.getvalue()


def _pictures(pages: int) -> list[Image.Image]:
    with pdfium.opened(document(pages)) as printed:
        return [pdfium.picture_of(printed[index], ocr.DPI / 72) for index in range(pages)]


def _scanned(pictures: list[Image.Image]) -> bytes:
    written = io.BytesIO()
    pictures[0].save(written, "PDF", save_all=True, append_images=pictures[1:], resolution=ocr.DPI)
    return written.getvalue()


def _best(work: Callable[[bytes], None], content: bytes, times: int = 3) -> float:
    """The shortest of a few runs, in seconds of this process: other work on the machine counts less."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work(content)
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == "__main__":
    bench(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
