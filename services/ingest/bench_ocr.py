"""Recognition timed against the tesseract command: from one scanned PDF to words, on every core this process may use.

Both sides begin with the PDF. The reference draws its pages with pypdfium2, writes PNG files, and runs one tesseract
command per page with the same languages, page mode and resolution, as many at a time as there are cores.
"""

from __future__ import annotations

import io
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pypdfium2

from services.ingest import ocr, pdfium
from services.ingest.reading import Request, read

SCANS = 4
_ROUNDS = 2


def recognised(printed: bytes) -> dict[str, float]:
    """Pages per second by the clock, and both ratios: by the clock and by processor time, which others disturb less.

    `printed` is a born-digital PDF; its pages are drawn and recognised. The better of two rounds counts, in turn.
    """
    scan = _scanned(printed)
    cores = len(os.sched_getaffinity(0))
    read(printed, Request("warm.pdf"))  # imports, models
    rounds = [
        (_timed(lambda: _bare(scan, cores)), _timed(lambda: read(scan, Request("scan.pdf", threads=cores))))
        for _ in range(_ROUNDS)
    ]
    bare, whole = ([min(taken) for taken in zip(*side, strict=True)] for side in zip(*rounds, strict=True))
    pages = len(pypdfium2.PdfDocument(scan))
    return {
        "ocr_pages_per_s": pages / whole[0],
        "ocr_tesseract_pages_per_s": pages / bare[0],
        "ocr_ratio": bare[0] / whole[0],
        "ocr_processor_ratio": bare[1] / whole[1],
    }


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and processor seconds of this process and its children."""
    spent, began = _processor_s(), time.perf_counter()
    work()
    return time.perf_counter() - began, _processor_s() - spent


def _processor_s() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def _bare(scan: bytes, cores: int) -> None:
    opened = pypdfium2.PdfDocument(scan)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(cores) as pool:
        waiting = []
        for index in range(len(opened)):
            path = Path(folder, f"{index}.png")
            picture = opened[index].render(scale=ocr.DPI / 72, grayscale=True).to_pil()
            picture.save(path, compress_level=1)
            waiting.append(pool.submit(_command, path))
        for outcome in waiting:
            outcome.result()


def _command(path: Path) -> None:
    options = ["-l", ocr.LANGUAGES, "--psm", "3", "--dpi", str(ocr.DPI), "tsv"]
    command = ["env", "OMP_THREAD_LIMIT=1", "tesseract", str(path), "-", *options]
    subprocess.run(command, capture_output=True, check=True)


def _scanned(printed: bytes) -> bytes:
    with pdfium.opened(printed) as opened:
        pictures = [pdfium.picture_of(opened[index], ocr.DPI / 72) for index in range(len(opened))]
    written = io.BytesIO()
    pictures[0].save(written, "PDF", save_all=True, append_images=pictures[1:], resolution=ocr.DPI)
    return written.getvalue()
