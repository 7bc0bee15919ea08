"""Born-digital and scanned PDFs: words stand where they are printed, in the order a person reads."""

from __future__ import annotations

import io

import numpy as np
import pikepdf
import pytest
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from services.ingest import pdfium
from services.ingest.rendering import page_png
from shared.errors import NotFound, Refused

LETTER = [(90, 100, "Schadensmeldung / Déclaration de sinistre")] + [
    (90, 140 + 16 * row, f"Zeile {row}: Police LU-{1000 + row}, Betrag {row * 17},50 EUR") for row in range(20)
]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_boxes_lie_on_the_ink_of_turned_and_cropped_pages(printed, reads, turn):
    content = printed(LETTER, turn=turn, crop=[60, 250, 560, 800])
    page = reads(content, "letter.pdf").reading.pages[0]
    picture = Image.open(io.BytesIO(page_png(content, "letter.pdf", 1, round(page.width * 2)))).convert("L")
    dark = np.asarray(picture) < 128
    outside = dark.copy()
    for word in page.words:
        x0, y0, x1, y1 = (round(value * 2) for value in word.box)
        assert dark[y0:y1, x0:x1].any(), f"nothing is printed in the box of {word.text}"
        outside[y0 - 2 : y1 + 2, x0 - 2 : x1 + 2] = False
    assert not outside.any(), "something is printed that no box covers"


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_page_reads_like_the_upright_one(printed, reads, turn):
    upright = reads(printed(LETTER), "a.pdf").reading.text
    assert reads(printed(LETTER, turn=turn), "a.pdf").reading.text == upright


def test_words_outside_of_the_crop_are_not_on_the_page(printed, reads):
    lines = [(90, 100, "inside"), (90, 800, "outside")]
    assert reads(printed(lines, crop=[0, 400, 595, 842]), "a.pdf").reading.text == "inside"


def test_a_word_broken_over_two_lines_is_one_word_in_two_boxes(printed, reads):
    reading = reads(printed([(90, 100, "Die Haftpflicht und die Versiche-"), (90, 114, "rung zahlt")]), "a.pdf").reading
    assert "Versicherung zahlt" in reading.text
    first, second = (word for word in reading.words() if word.text in ("Versiche", "rung"))
    assert first.end == second.start
    assert first.box[1] < second.box[1]


def test_two_columns_of_prose_are_read_one_after_the_other(printed, reads):
    left = [(60, 100 + 14 * row, f"left column running text number {row:02}") for row in range(12)]
    right = [(320, 100 + 14 * row, f"right column running text number {row:02}") for row in range(12)]
    mixed = [line for pair in zip(left, right, strict=True) for line in pair]
    text = reads(printed(mixed), "a.pdf").reading.text
    assert text.index("left column running text number 11") < text.index("right column running text number 00")


def test_a_label_stays_beside_its_value(printed, reads):
    labels = [(60, 100 + 20 * row, f"Label {row}:") for row in range(8)]
    values = [(320, 100 + 20 * row, f"value {row}") for row in range(8)]
    text = reads(printed(labels + values), "a.pdf").reading.text
    assert "Label 3:\tvalue 3" in text


def test_cells_that_stand_under_each_other_are_a_table(printed, reads):
    rows = [("Position", "Menge", "Betrag"), ("Scheibe", "1", "420,00"), ("Arbeit", "3", "210,50")]
    cells = [(60 + 160 * column, 100 + 16 * row, rows[row][column]) for row in range(3) for column in range(3)]
    reading = reads(printed(cells), "a.pdf").reading
    (table,) = reading.tables
    found = {(cell.row, cell.column): reading.text[cell.start : cell.end] for cell in table.cells}
    assert found == {(row, column): rows[row][column] for row in range(3) for column in range(3)}


def test_headers_and_footers_are_marked_and_kept(printed, reads):
    body = [(60, 200 + 14 * row, f"text that comes back {row}") for row in range(9)]
    pages = [[(60, 40, "Ardelune S.A."), *body, (60, 800, f"Seite {number} / 4")] for number in range(1, 5)]
    reading = reads(printed(*pages), "a.pdf").reading
    marked = [(mark.kind, reading.text[mark.start : mark.end]) for mark in reading.marks]
    assert marked.count(("header", "Ardelune S.A.")) == 4
    assert ("footer", "Seite 3 / 4") in marked
    assert not any("text" in words for _, words in marked)


def test_an_invoice_inside_the_file_is_kept_as_structured_data(printed, reads):
    invoice = b'<rsm:CrossIndustryInvoice xmlns:rsm="urn:x"><a>1</a></rsm:CrossIndustryInvoice>'
    with pikepdf.open(io.BytesIO(printed([(60, 60, "Rechnung")]))) as document:
        document.attachments["factur-x.xml"] = invoice
        document.attachments["terms.txt"] = b"Terms and conditions"
        saved = io.BytesIO()
        document.save(saved)
    outcome = reads(saved.getvalue(), "a.pdf")
    assert [(one.kind, one.content) for one in outcome.reading.embedded] == [("cii", invoice.decode())]
    assert [(child.name, child.content) for child in outcome.children] == [("terms.txt", b"Terms and conditions")]


def test_form_values_are_both_structured_and_in_the_text(reads):
    written = io.BytesIO()
    sheet = canvas.Canvas(written, pagesize=A4, invariant=True)
    sheet.drawString(60, 700, "Police:")
    sheet.acroForm.textfield(name="police", value="LU-4711", x=120, y=690, width=200, height=20)
    sheet.save()
    reading = reads(written.getvalue(), "form.pdf").reading
    assert {"police": "LU-4711"} in [one.values for one in reading.embedded if one.kind == "pdf_form"]
    assert "LU-4711" in reading.text


@pytest.mark.usefixtures("tesseract")
def test_a_scan_is_recognised_with_its_words_in_place(printed, reads):
    lines = [(90, 100 + 30 * row, f"Vertrag Nummer {4000 + row} Betrag") for row in range(12)]
    with pdfium.opened(printed(lines, size=14)) as document:
        picture = pdfium.picture_of(document[0], 200 / 72)
    scan = io.BytesIO()
    picture.save(scan, "PDF", resolution=200)
    page = reads(scan.getvalue(), "scan.pdf").reading.pages[0]
    assert (page.source, page.quality > 0.8) == ("ocr", True)
    word = next(word for word in page.words if word.text == "4007")
    assert abs(word.box[3] - 310) < 4


@pytest.mark.usefixtures("tesseract")
def test_a_text_layer_of_letter_salad_is_not_believed(reads):
    written = io.BytesIO()
    sheet = canvas.Canvas(written, pagesize=A4, invariant=True)
    sheet.setFont("Helvetica", 18)
    for row in range(16):
        sheet.drawString(60, 760 - 40 * row, "Zpxq Krtw Bcdf Ghjk")
    sheet.save()
    assert reads(written.getvalue(), "salad.pdf").reading.pages[0].source == "ocr"


@pytest.mark.parametrize("password", [None, "wrong"])
def test_an_encrypted_pdf_asks_for_its_password(printed, reads, password):
    locked = io.BytesIO()
    with pikepdf.open(io.BytesIO(printed([(60, 60, "secret")]))) as document:
        document.save(locked, encryption=pikepdf.Encryption(owner="o", user="right"))
    with pytest.raises(Refused) as refused:
        reads(locked.getvalue(), "a.pdf", password=password)
    assert refused.value.code == "needs_password"
    assert reads(locked.getvalue(), "a.pdf", password="right").reading.text == "secret"


def test_a_pdf_without_its_cross_reference_table_is_repaired(printed, reads):
    content = printed([(60, 60, "still here")])
    assert reads(content[: content.rindex(b"startxref")], "a.pdf").reading.text == "still here"


def test_there_is_no_picture_of_a_page_that_is_not_there(printed):
    with pytest.raises(NotFound):
        page_png(printed([(60, 60, "one page")]), "a.pdf", 2, 500)
