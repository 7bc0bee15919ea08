"""Evidence on one picture: random values, each with the piece of the page that it was read from, its boxes drawn.

    python -m services.extract.contact_sheet test.jsonl predictions.jsonl sheet.png

For a person to look at: the number says little, eyes see at once whether a box sits on its words. PDF records only.
Pages of data that must not be copied stay wherever the picture is written.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pypdfium2
from PIL import Image, ImageDraw, ImageFont

#: Values on a sheet, and columns of them.
VALUES, COLUMNS = 100, 5
#: Pixels of one piece, and of the line of words under it.
PIECE, WORDS = (300, 64), 16
#: Pixels per point.
SCALE = 2.0


class Placed(NamedTuple):
    """A predicted value and where it stands: the PDF, the page (1-based), boxes in points from the top left."""

    file: Path
    page: int
    boxes: list[list[float]]
    field: str
    value: str


def placed_in(test_jsonl: Path, predictions_jsonl: Path) -> Iterator[Placed]:
    """Every predicted value of a PDF record that has boxes."""
    files = {
        record["id"]: test_jsonl.parent / record["file"]
        for record in map(json.loads, test_jsonl.read_text(encoding="utf-8").splitlines())
        if str(record.get("file", "")).lower().endswith(".pdf")
    }
    for line in map(json.loads, predictions_jsonl.read_text(encoding="utf-8").splitlines()):
        if line["id"] in files:
            for field, given in line["fields"].items():
                for one in given if isinstance(given, list) else [given]:
                    if one and one.get("boxes"):
                        yield Placed(files[line["id"]], one["page"], one["boxes"], field, one["value"])


def sheet_of(placed: Sequence[Placed]) -> Image.Image:
    """The picture of VALUES of them at random, always the same ones of the same list."""
    chosen = random.Random(0).sample(placed, min(VALUES, len(placed)))
    rows = -(-len(chosen) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * PIECE[0], rows * (PIECE[1] + WORDS)), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=11)
    for place, one in enumerate(chosen):
        left, top = place % COLUMNS * PIECE[0], place // COLUMNS * (PIECE[1] + WORDS)
        sheet.paste(_piece(one), (left, top))
        pen.text((left + 2, top + PIECE[1]), f"{one.field}: {one.value}"[:52], fill="#0b4f9e", font=font)
    return sheet


def _piece(one: Placed) -> Image.Image:
    """The surroundings of the value's boxes, cut from its page."""
    with pypdfium2.PdfDocument(one.file) as document:
        page = document[one.page - 1].render(scale=SCALE).to_pil().convert("RGB")
    pen = ImageDraw.Draw(page)
    for box in one.boxes:
        pen.rectangle([edge * SCALE for edge in box], outline="#d62828", width=2)
    piece = Image.new("RGB", (PIECE[0] - 4, PIECE[1] - 4), "white")
    piece.paste(page, (int(60 - one.boxes[0][0] * SCALE), int(20 - one.boxes[0][1] * SCALE)))
    return piece


def main(given: Sequence[str] | None = None) -> None:
    """Write the sheet that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("test", "predictions", "out"):
        parser.add_argument(name, type=Path)
    named: Any = parser.parse_args(given)
    sheet_of(list(placed_in(named.test, named.predictions))).save(named.out, optimize=True)


if __name__ == "__main__":
    main()
