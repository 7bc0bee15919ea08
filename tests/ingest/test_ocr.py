"""Pictures of pages: they may hang crooked, lie on their side or stand on their head."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from services.ingest import ocr, pdfium


@pytest.fixture
def picture(printed) -> Image.Image:
    lines = [(70, 80 + 26 * row, f"Vertrag Nummer {4000 + row} vom Montag, Betrag {row} EUR") for row in range(9, 18)]
    with pdfium.opened(printed(lines, size=13)) as document:
        return pdfium.picture_of(document[0], 150 / 72)


@pytest.mark.parametrize("degrees", [-5.0, -1.0, 0.0, 2.0, 6.0])
def test_the_angle_that_levels_the_lines_is_found(picture, degrees):
    crooked = picture.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)
    assert abs(ocr.skew_degrees(np.asarray(crooked)) + degrees) < 0.15


@pytest.mark.usefixtures("tesseract")
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_words_of_a_turned_page_are_read_and_found_where_they_lie(picture, turns):
    upright = ocr.recognise(picture, 150)
    place = upright.boxes[upright.words.index("4011")]
    turned = ocr.recognise(picture.rotate(90 * turns, expand=True), 150)
    x0, y0, x1, y1 = turned.boxes[turned.words.index("4011")]
    wide, high = picture.size
    back = {  # from the turned picture to the upright one
        1: (wide - y1, x0, wide - y0, x1),
        2: (wide - x1, high - y1, wide - x0, high - y0),
        3: (y0, high - x1, y1, high - x0),
    }[turns]
    assert np.abs(np.array(back) - place).max() < 4


@pytest.mark.usefixtures("tesseract")
def test_boxes_of_a_crooked_page_cover_the_crooked_words(picture):
    crooked = picture.rotate(4, Image.Resampling.BICUBIC, fillcolor=255)
    found = ocr.recognise(crooked, 150)
    dark = np.asarray(crooked) < 128
    inside = np.zeros_like(dark)
    for x0, y0, x1, y1 in found.boxes.astype(int):
        inside[max(y0 - 3, 0) : y1 + 4, max(x0 - 3, 0) : x1 + 4] = True
    assert (dark & inside).sum() > 0.97 * dark.sum()


def test_an_empty_page_costs_nothing():
    paper = Image.new("L", (2480, 3508), 250)
    assert ocr.recognise(paper).words == []
