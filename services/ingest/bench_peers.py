"""Other readers of born-digital PDFs, timed on the same files: markitdown, pymupdf4llm, unstructured (fast strategy).

They live in an environment of their own under ~/.cache/dossier, made here when it is missing; Dossier never imports
them. Each runs in its own process on one core, warmed by the first file; processor seconds count.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

import pypdfium2

_HOME = Path.home() / ".cache" / "dossier" / "bench-peers"
#: Of each kind, files are taken until they have so many pages: one of the peers needs a second per page.
_PAGES_PER_KIND = 12
#: pymupdf4llm 2.0 is an empty package (2026-11). `unstructured[pdf]` would bring torch with it, which its fast
#: strategy never calls: its parts by name instead.
_PACKAGES = (
    *("markitdown[pdf]", "pymupdf4llm<2", "unstructured", "pdfminer.six", "pi-heif", "pikepdf", "pypdf", "pdf2image"),
    *("opencv-python-headless", "pandas", "scipy", "huggingface_hub", "onnx", "matplotlib"),
)
_WITHOUT_THEIR_NEEDS = ("unstructured-inference",)
_READERS = {
    "markitdown": "from markitdown import MarkItDown; one = MarkItDown(); work = one.convert",
    "pymupdf4llm": "import pymupdf4llm; work = lambda path: pymupdf4llm.to_markdown(path, use_ocr=False)",
    # It fetches a spaCy model at its first use, and where it cannot, finds no text at all without a word of
    # complaint: it is given an empty pipeline then, which costs it less than its own.
    "unstructured": (
        "import spacy, unstructured.nlp.tokenize as tokenizing\n"
        "try:\n"
        "    tokenizing._load_spacy_model()\n"
        "except Exception:\n"
        "    empty = spacy.blank('en'); empty.add_pipe('sentencizer'); tokenizing._load_spacy_model = lambda: empty\n"
        "from unstructured.partition.pdf import partition_pdf\n"
        "work = lambda path: partition_pdf(path, strategy='fast', languages=['eng'])"
    ),
}
_TIMING = """
import contextlib, importlib.metadata, json, os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
with contextlib.redirect_stdout(sys.stderr):
    READER
    paths = json.loads(sys.argv[1])
    work(paths[0])
    began = time.process_time()
    found = [work(path) for path in paths]
    taken = time.process_time() - began
    assert any(getattr(one, "text_content", one) for one in found), "it found no text at all"
print(json.dumps({"seconds": taken, "version": importlib.metadata.version("NAME")}))
"""


def against_peers(kinds: dict[str, list[bytes]], whole: Callable[[bytes], object]) -> dict[str, float]:
    """Pages per second of each peer on one core, and how many times as fast `whole` is on the same files.

    A peer that cannot be installed or fails is left out, with the reason on the error output.
    """
    chosen = [pdf for pdfs in kinds.values() for pdf in _first_pages(pdfs)]
    pages = sum(page_count(pdf) for pdf in chosen)
    whole(chosen[0])  # imports, models
    began = time.process_time()
    for pdf in chosen:
        whole(pdf)
    ours_s = time.process_time() - began
    figures = {"peers_pages": float(pages), "peers_dossier_pages_per_s": pages / ours_s}
    python = _environment()
    if python is None:
        return figures
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.pdf") for number in range(len(chosen))]
        for path, pdf in zip(paths, chosen, strict=True):
            path.write_bytes(pdf)
        for name, reader in _READERS.items():
            taken_s = _seconds(python, name, reader, paths)
            if taken_s is not None:
                figures[f"peers_{name}_pages_per_s"] = pages / taken_s
                figures[f"peers_times_as_fast_as_{name}"] = taken_s / ours_s
    return figures


def _first_pages(pdfs: list[bytes]) -> list[bytes]:
    chosen: list[bytes] = []
    pages = 0
    for pdf in sorted(pdfs, key=page_count):
        chosen.append(pdf)
        pages += page_count(pdf)
        if pages >= _PAGES_PER_KIND:
            break
    return chosen


def page_count(content: bytes) -> int:
    """How many pages the PDF has."""
    with pypdfium2.PdfDocument(content) as opened:
        return len(opened)


def _environment() -> Path | None:
    """The Python that has the peers, installed when it is not there; None, with the reason told, where it fails."""
    python = _HOME / "bin" / "python"
    ready = _HOME / "ready"
    wanted = "\n".join([*_PACKAGES, *_WITHOUT_THEIR_NEEDS])
    if ready.exists() and ready.read_text() == wanted:
        return python
    venv.create(_HOME, with_pip=True)
    for arguments in (_PACKAGES, ("--no-deps", *_WITHOUT_THEIR_NEEDS)):
        command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
        installed = subprocess.run(command, capture_output=True, text=True, check=False)
        if installed.returncode:
            sys.stderr.write(f"The other readers cannot be installed here: {_last_line(installed.stderr)}\n")
            return None
    ready.write_text(wanted)
    return python


def _seconds(python: Path, name: str, reader: str, paths: list[Path]) -> float | None:
    script = _TIMING.replace("READER", reader.replace("\n", "\n    ")).replace("NAME", name)
    command = [str(python), "-c", script, json.dumps([str(path) for path in paths])]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.stderr.write(f"{name} cannot be timed: {_last_line(finished.stderr)}\n")
        return None
    told = json.loads(finished.stdout)
    sys.stdout.write(f"{name} {told['version']}\n")
    return float(told["seconds"])


def _last_line(complaint: str) -> str:
    return (complaint.strip().splitlines() or ["it said nothing"])[-1]
