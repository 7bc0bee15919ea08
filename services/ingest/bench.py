"""`dossier bench ingest`: pages per second, each against the bare library timed in the same run.

    python -m services.ingest.bench [--peers] [FOLDER ...]

Born-digital pages go through the whole reader (words, boxes, order, cleaning, language) against text extraction by
pypdfium2 alone, kind by kind: each FOLDER of PDFs is one kind, and without any, light and dense letters are made here,
the same every time. Scans go against the tesseract command, small texts through the sandbox. The figures that travel
between machines are the ratios. With `--peers` other readers are timed on the same files (`bench_peers`).
"""

from __future__ import annotations

import argparse
import gc
import io
import multiprocessing
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pypdfium2
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from services.ingest import bench_ocr, bench_peers, evaluate
from services.ingest.bench_peers import page_count
from services.ingest.reading import Request, read
from services.ingest.sandbox import Bounds, Sandbox
from shared.errors import Refused

_TEXT = (
    "Die Versicherung ersetzt den Schaden an dem Fahrzeug nach dem Unfall vom Montag in Luxembourg Nous vous prions "
    "de bien vouloir trouver ci-joint la facture du garage et le constat amiable The policyholder shall notify the "
    "insurer without delay of any change of address Vertragsnummer Selbstbeteiligung Prämie Franchise indemnité"
)
_WORDS = _TEXT.split()
_PAGES, _LIGHT_LETTERS, _LIGHT_LINES, _TEXTS, _LONG = 120, 40, 12, 200, 2_000


def bench(folders: list[Path] | None = None, *, peers: bool = False) -> dict[str, float]:
    """Print the table, return the figures. Each folder of PDFs is one kind; letters are made here where none is given.

    A folder that holds `words.jsonl.gz` (the samples) is also scored word by word against that truth.
    """
    kinds = {folder.name: _pdfs_below(folder) for folder in folders or []} or {
        "light": [document(1, _LIGHT_LINES, seed) for seed in range(_LIGHT_LETTERS)],
        "dense": [document(_PAGES)],
    }
    gc.disable()  # as in the sandbox, where a process lives for one file
    try:
        sound = {kind: [pdf for pdf in pdfs if _is_born_digital(pdf)] for kind, pdfs in kinds.items()}
        figures = _born_digital(sound) | _all_cores([pdf for pdfs in sound.values() for pdf in pdfs])
        figures |= bench_ocr.recognised(document(bench_ocr.SCANS)) | _small_texts() | _long_document()
        if peers:
            figures |= bench_peers.against_peers(sound, _whole)
    finally:
        gc.enable()
    for folder in folders or []:
        if (folder / "words.jsonl.gz").exists():
            figures |= evaluate.summary([score for _, _, score in evaluate.scores(folder)])
    for name, value in figures.items():
        sys.stdout.write(f"{name:44} {value:>12,.3f}\n")
    return figures


def _pdfs_below(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*.pdf"))]


def _is_born_digital(content: bytes) -> bool:
    """Whether every page is read from its text layer: scans, and files that are refused, are timed elsewhere."""
    try:
        with pypdfium2.PdfDocument(content) as opened:
            if not all(page.get_textpage().count_chars() for page in opened):
                return False
        return all(page.source == "text" for page in read(content, Request("warm.pdf")).reading.pages)
    except (Refused, pypdfium2.PdfiumError):
        return False


def _born_digital(kinds: dict[str, list[bytes]]) -> dict[str, float]:
    """The whole reader against bare text extraction on one core, file by file in turn."""
    figures: dict[str, float] = {}
    pages, characters, missed = Counter[str](), Counter[str](), Counter[str]()
    bare_s, whole_s = defaultdict[str, float](float), defaultdict[str, float](float)
    for kind, pdfs in kinds.items():
        for pdf in pdfs:
            for name in (kind, "total"):
                pages[name] += page_count(pdf)
            bare, whole = _best(_bare_text, pdf), _best(_whole, pdf)
            truth, found = _printed(_bare_text(pdf)), _printed(read(pdf, Request("bench.pdf")).reading.text)
            for name in (kind, "total"):
                bare_s[name] += bare
                whole_s[name] += whole
                characters[name] += truth.total()
                missed[name] += max((truth - found).total(), (found - truth).total())
    for name in pages:
        figures[f"pdf_{name}_pages"] = float(pages[name])
        figures[f"pdf_{name}_pages_per_s"] = pages[name] / whole_s[name]
        figures[f"pdf_{name}_pypdfium2_pages_per_s"] = pages[name] / bare_s[name]
        figures[f"pdf_{name}_ratio"] = bare_s[name] / whole_s[name]
        figures[f"pdf_{name}_character_error"] = missed[name] / max(characters[name], 1)
    return figures


def _printed(text: str) -> Counter[str]:
    """How often each printed character occurs, blanks left out: the order is compared elsewhere, with `evaluate`."""
    return Counter("".join(text.split()))


def _all_cores(pdfs: list[bytes]) -> dict[str, float]:
    """Both again with one process per core, by the clock."""
    cores = len(os.sched_getaffinity(0))
    pages = sum(map(page_count, pdfs))
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_whole, pdfs))  # imports, models
        whole_s, bare_s = _clocked(pool, _whole, pdfs), _clocked(pool, _bare_text, pdfs)
    return {
        "cores": float(cores),
        "pdf_all_cores_pages_per_s": pages / whole_s,
        "pdf_all_cores_pypdfium2_pages_per_s": pages / bare_s,
        "pdf_all_cores_ratio": bare_s / whole_s,
    }


def _clocked(pool: ProcessPoolExecutor, work: Callable[[bytes], object], pdfs: list[bytes]) -> float:
    began = time.perf_counter()
    list(pool.map(work, pdfs))
    return time.perf_counter() - began


def _whole(content: bytes) -> None:
    read(content, Request("bench.pdf"))


def _bare_text(content: bytes) -> str:
    opened = pypdfium2.PdfDocument(content)
    texts = []
    for page in opened:
        textpage = page.get_textpage()
        texts.append(textpage.get_text_range())
        textpage.close()
        page.close()
    opened.close()
    return "\n".join(texts)


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


def document(pages: int, lines: int = 38, seed: int = 1926) -> bytes:
    """A PDF of letters of so many lines of ten words, a table and a running footer; equal on every machine."""
    drawn = random.Random(seed)
    written = io.BytesIO()
    sheet = canvas.Canvas(written, pagesize=A4, invariant=True)
    for number in range(1, pages + 1):
        sheet.setFont("Helvetica", 9)
        for line in range(lines):
            sheet.drawString(60, 780 - 15 * line, " ".join(drawn.choices(_WORDS, k=10)))
        for row in range(5):
            for column in range(4):
                sheet.drawString(60 + 120 * column, 180 - 14 * row, f"{drawn.choice(_WORDS)} {row * column}")
        sheet.drawString(60, 40, f"Ardelune S.A. {number}/{pages}")
        sheet.showPage()
    sheet.save()
    return written.getvalue()


def _best(work: Callable[[bytes], object], content: bytes, times: int = 3) -> float:
    """The shortest of a few runs, in processor seconds of this process: other work on the machine counts less."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work(content)
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="a folder of PDFs of one kind")
    parser.add_argument("--peers", action="store_true", help="install and time other readers as well")
    asked = parser.parse_args()
    bench(asked.folders, peers=asked.peers)
