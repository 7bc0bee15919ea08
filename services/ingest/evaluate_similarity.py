"""How well near-duplicates are told, on letters whose senders are known.

    python -m services.ingest.evaluate_similarity FOLDER…

FOLDER holds `documents/` as `python -m samples.make` writes them.

Different documents of all folders are the negatives. The positives are made here: each document with other dates, and
every sixth page known only as print, drawn, turned, soiled, pressed to JPEG and recognised.
"""

# ruff: noqa: T201  # the table is what this module is for

from __future__ import annotations

import io
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from services.ingest import pdfium
from services.ingest.reading import Request, read
from services.ingest.similarity import bands_of, score, signature_of

_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
_DATE = re.compile(r"\b\d{1,2}[./-]\d{1,2}[./-]\d{4}\b|\b\d{4}-\d\d-\d\d\b|\b\d{1,2}\.? \w+ 20\d\d\b")
_ANOTHER_DATE = "17/11/2025"
_KINDS = ("the first date", "every date", "scanned", "scanned, the first date")
_SCANNED_DPI, _EVERY = 200, 6


def tell(folders: list[Path]) -> None:
    """Print, for each threshold, how many of the different and of the same letters are called alike."""
    texts = {path: _text(path.read_bytes(), path.name) for folder in folders for path in _letters(folder)}
    signatures = {path: signature for path, text in texts.items() if (signature := signature_of(text))}
    same: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    for place, (path, signature) in enumerate(signatures.items()):
        _compare(same, "the first date", signature, _DATE.sub(_ANOTHER_DATE, texts[path], count=1))
        _compare(same, "every date", signature, _DATE.sub(_ANOTHER_DATE, texts[path]))
        if place % _EVERY == 0 and path.suffix == ".pdf":
            scanned = scanned_again(path.read_bytes())
            _compare(same, "scanned", signature, scanned)
            _compare(same, "scanned, the first date", signature, _DATE.sub(_ANOTHER_DATE, scanned, count=1))
    pairs = list(itertools.combinations(signatures.values(), 2))
    different = np.array([score(one, other) for one, other in pairs])
    candidates = sum(not set(bands_of(one, "")).isdisjoint(bands_of(other, "")) for one, other in pairs[:200_000])
    print(f"{len(signatures)} letters, {len(pairs)} pairs; {candidates / min(len(pairs), 200_000):.3%} are candidates")
    print("threshold", "different", *same, sep=" | ")
    for threshold in _THRESHOLDS:
        found = [f"{sum(one >= threshold for one in scores)} of {len(scores)}" for scores in same.values()]
        print(threshold, int((different >= threshold).sum()), *found, sep=" | ")
    print("most alike of the different:", np.sort(different)[-5:].round(3).tolist())


def _letters(folder: Path) -> Iterator[Path]:
    """The files of a folder but scans, which take minutes to read, and the one that is there twice."""
    for path in sorted((folder / "documents").iterdir()):
        if "_scan_" not in path.name and "_copy" not in path.name:
            yield path


def _text(content: bytes, name: str) -> str:
    return read(content, Request(name)).reading.text


def _compare(same: dict[str, list[float]], kind: str, signature: bytes, text: str) -> None:
    other = signature_of(text)
    same[kind].append(score(signature, other) if other else 0.0)


def scanned_again(content: bytes) -> str:
    """The text of a PDF that was printed and scanned at 200 dpi, a little crooked, with noise."""
    drawn = np.random.default_rng(5)
    pages = []
    with pdfium.opened(content) as document:
        for index in range(len(document)):
            picture = pdfium.picture_of(document[index], _SCANNED_DPI / 72).convert("L")
            turned = picture.rotate(0.8, Image.Resampling.BICUBIC, expand=True, fillcolor=250)
            soiled = np.asarray(turned, dtype=np.float64) + drawn.normal(0, 14, (turned.height, turned.width))
            written = io.BytesIO()
            whole = Image.fromarray(np.clip(soiled, 0, 255).astype(np.uint8))
            whole.save(written, "JPEG", quality=45, dpi=(_SCANNED_DPI, _SCANNED_DPI))
            pages.append(_text(written.getvalue(), "again.jpg"))
    return "\n".join(pages)


if __name__ == "__main__":
    tell([Path(folder) for folder in sys.argv[1:]])
