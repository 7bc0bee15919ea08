"""The contact sheet shows a value's own piece of the page, with its box on its words."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from services.extract.contact_sheet import PIECE, main


@pytest.fixture
def black_word(tmp_path):
    """A PDF whose only mark is a black word-sized bar at (100, 200) to (160, 212) points from the top left."""
    page = Image.new("RGB", (595, 842), "white")
    page.paste("black", (100, 200, 160, 212))
    page.save(tmp_path / "a.pdf", resolution=72)
    (tmp_path / "test.jsonl").write_text(json.dumps({"id": "a", "file": "a.pdf"}) + "\n")
    value = {"value": "bar", "page": 1, "boxes": [[100, 200, 160, 212]]}
    (tmp_path / "out.jsonl").write_text(json.dumps({"id": "a", "fields": {"x": value, "y": None}}) + "\n")
    return tmp_path


def test_the_box_is_drawn_around_the_words_it_names(black_word):
    main([str(black_word / name) for name in ("test.jsonl", "out.jsonl", "sheet.png")])
    piece = Image.open(black_word / "sheet.png").convert("RGB").crop((0, 0, *PIECE))
    dark = [(x, y) for x in range(PIECE[0]) for y in range(PIECE[1]) if sum(piece.getpixel((x, y))) < 60]
    red = [(x, y) for x in range(PIECE[0]) for y in range(PIECE[1]) if piece.getpixel((x, y)) == (214, 40, 40)]
    for axis in (0, 1):
        assert abs(min(one[axis] for one in dark) - min(one[axis] for one in red)) <= 3
        assert abs(max(one[axis] for one in dark) - max(one[axis] for one in red)) <= 3
