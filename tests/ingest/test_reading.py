"""Every format: what it says comes out, what it carries becomes a child, what cannot be read is refused in words."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

import docx
import openpyxl
import pptx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from services.ingest.limits import Limits
from services.ingest.reading import Request, read
from shared.errors import Refused


def refusal(content: bytes, name: str, **options: object) -> Refused:
    with pytest.raises(Refused) as refused:
        read(content, Request(name, **options))
    assert refused.value.public
    assert refused.value.action
    return refused.value


@pytest.fixture
def zipped():
    def make(**members: bytes) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return packed.getvalue()

    return make


@pytest.fixture
def saved():
    def make(document) -> bytes:
        written = io.BytesIO()
        document.save(written)
        return written.getvalue()

    return make


def test_word_gives_paragraphs_tables_headers_and_headings(saved, reads):
    document = docx.Document()
    document.add_heading("Déclaration de sinistre", 1)
    document.add_paragraph("Le véhicule a été endommagé.")
    table = document.add_table(2, 2)
    for row, cells in enumerate((("Date", "Montant"), ("03.02.2026", "1.234,50"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    document.sections[0].header.paragraphs[0].text = "Ardelune S.A."
    reading = reads(saved(document), "claim.docx").reading
    assert reading.text == (
        "Ardelune S.A.\nDéclaration de sinistre\nLe véhicule a été endommagé.\nDate\tMontant\n03.02.2026\t1.234,50"
    )
    assert {(mark.kind, reading.text[mark.start : mark.end]) for mark in reading.marks} == {
        ("header", "Ardelune S.A."),
        ("heading", "Déclaration de sinistre"),
    }
    assert [reading.text[cell.start : cell.end] for cell in reading.tables[0].cells][2:] == ["03.02.2026", "1.234,50"]
    assert reading.language == "fr"


def test_excel_shows_dates_and_decimals_as_people_see_them(saved, reads):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Schäden"
    sheet.append(["Police", "Betrag", "Quote"])
    sheet.append(["LU-1", 1234.5, 0.19])
    sheet["B2"].number_format = "#,##0.00"
    sheet["C2"].number_format = "0%"
    assert reads(saved(book), "a.xlsx").reading.text == "Schäden\nPolice\tBetrag\tQuote\nLU-1\t1234.50\t19%"


def test_a_slide_is_a_page(saved, reads):
    show = pptx.Presentation()
    for title in ("Erste Folie", "Zweite Folie"):
        show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = title
    reading = reads(saved(show), "a.pptx").reading
    assert [reading.text[page.start : page.end] for page in reading.pages] == ["Erste Folie", "Zweite Folie"]


def test_a_mail_gives_headers_body_and_attachments_and_marks_what_was_quoted(reads):
    inner = EmailMessage()
    inner["Subject"], inner["From"] = "Vorher", "a@example.org"
    inner.set_content("die ältere Nachricht")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Jeanne <j@example.org>", "b@example.org", "Sinistre n° 12"
    mail.set_content("Bonjour,\n\nVoici le constat.\n\nCordialement\nJeanne\n\nLe 3 mars 2026, B a écrit :\n> Merci")
    mail.add_attachment(b"%PDF-1.4 ...", maintype="application", subtype="pdf", filename="constat été.pdf")
    mail.add_attachment(inner)
    outcome = reads(mail.as_bytes(), "mail.eml")
    text = outcome.reading.text
    assert text.startswith("From: Jeanne <j@example.org>\nTo: b@example.org\nSubject: Sinistre n° 12\n\nBonjour,")
    assert [child.name for child in outcome.children] == ["constat été.pdf", "Vorher.eml"]
    assert outcome.reading.embedded[0].values["Subject"] == "Sinistre n° 12"
    marked = {mark.kind: text[mark.start : mark.end] for mark in outcome.reading.marks}
    assert marked["signature"] == "Cordialement\nJeanne"
    assert marked["quoted_reply"].startswith("Le 3 mars 2026")


def test_html_shows_what_a_browser_would(reads):
    page = b"<html><head><title>T</title><script>evil()</script></head><body><p>Seen &amp; said</p>"
    page += b"<p style='display: none'>hidden</p><table><tr><td>a</td><td>b</td></tr></table></body></html>"
    assert reads(page, "a.html").reading.text == "T\nSeen & said\na\tb"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "iso8859_15"])
def test_text_is_read_in_whatever_encoding_it_came(reads, encoding):
    text = "Übermäßige Schäden: Prämie geändert, café crème à côté"
    assert reads(text.encode(encoding), "a.txt").reading.text == text


def test_text_that_was_decoded_wrongly_before_is_repaired(reads):
    assert reads("FranÃ§ois a dÃ©clarÃ© un dÃ©gÃ¢t".encode(), "a.txt").reading.text == "François a déclaré un dégât"


def test_a_form_feed_begins_a_page(reads):
    reading = reads(b"one\n\ftwo", "a.txt").reading
    assert [reading.text[page.start : page.end].strip() for page in reading.pages] == ["one", "two"]


def test_a_csv_is_a_table(reads):
    reading = reads(b"Police;Betrag\nLU-1;1.234,50\n", "a.csv").reading
    assert reading.text == "Police\tBetrag\nLU-1\t1.234,50"
    assert len(reading.tables[0].cells) == 4


def test_an_archive_holds_its_members_under_safe_names(zipped, reads):
    outcome = reads(zipped(**{"a/b.txt": b"1", "../../etc/passwd": b"2", "__MACOSX/x": b"3"}), "a.zip")
    assert outcome.container
    assert [child.name for child in outcome.children] == ["a/b.txt", "etc/passwd"]


def test_a_bomb_is_refused_before_it_is_unpacked(zipped):
    assert refusal(zipped(a=bytes(30_000_000)), "a.zip").code == "archive_bomb"


def test_more_files_than_allowed_are_refused(zipped):
    packed = zipped(**{f"{number}.txt": b"x" for number in range(4)})
    assert refusal(packed, "a.zip", limits=Limits(children=3)).code == "too_large"


def test_pixels_are_counted_before_they_are_decoded(saved):
    picture = io.BytesIO()
    Image.new("1", (4_000, 4_000)).save(picture, "PNG")
    assert refusal(picture.getvalue(), "a.png", limits=Limits(pixels=1_000_000)).code == "too_large"


def test_entities_are_neither_resolved_nor_fetched(reads, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("credentials")
    document = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]><a>before &x; after</a>'
    assert "credentials" not in reads(document.encode(), "a.xml").reading.text


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "a.pdf", "empty"),
        (b"just words", "a.pdf", "corrupt"),
        (b"just words", "a.docx", "corrupt"),
        (b"PK\x03\x04 and nothing more", "a.zip", "corrupt"),
        (b"\x89PNG\r\n\x1a\n and nothing more", "a.png", "corrupt"),
        (b"%PDF-1.7 and nothing more", "a.pdf", "corrupt"),
        (b"\x1f\x8b\x08\x00" + bytes(40), "a.gz", "unsupported"),
        (bytes(range(256)) * 4, "a.bin", "unsupported"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_code(content, name, code):
    assert refusal(content, name).code == code


def test_a_wrong_extension_is_explained(reads):
    reading = reads(b"<html><body><p>Bonjour</p></body></html>", "scan.pdf").reading
    assert reading.media_type == "text/html"
    assert ".pdf" in reading.notes[0]


def test_nesting_ends_somewhere(zipped):
    assert refusal(zipped(a=b"1"), "a.zip", depth=99).code == "too_deep"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(
        [b"", b"%PDF-1.7\n", b"{\\rtf1 ", b"From: a\nTo: b\n", b"<html>", b"<?xml version='1.0'?>", b"PK\x03\x04"]
    ),
    st.binary(max_size=300),
    st.sampled_from(["a.txt", "a.csv", "a.eml", "a.html", "a.xml", "a.rtf", "a.json", "a.md", "a"]),
)
@example(b"", b"\xff\xfeA", "a.txt")
@example(b"", b'a,"b\n\x00', "a.csv")
def test_any_bytes_are_read_or_refused(start, rest, name):
    try:
        reading = read(start + rest, Request(name)).reading
    except Refused:
        return
    reading.check()


def test_workbooks_from_before_2007_are_read_with_their_formats(public_data, reads):
    dates = (public_data / "format-zoo" / "testEXCEL_dateFormats.xls").read_bytes()
    assert "2018-09-20" in reads(dates, "dates.xls").reading.text
    numbers = reads((public_data / "format-zoo" / "testEXCEL_5.xls").read_bytes(), "numbers.xls").reading
    assert numbers.media_type == "application/vnd.ms-excel"
    assert "12\t144" in numbers.text


def test_a_damaged_old_workbook_is_refused_with_what_to_do(public_data, reads):
    whole = (public_data / "format-zoo" / "testEXCEL_5.xls").read_bytes()
    with pytest.raises(Refused, match="sheets are damaged"):
        reads(whole.replace(b"\x09\x08", b"\x00\x00"), "damaged.xls")


def test_each_page_has_its_own_language(reads, printed):
    french = [
        (60, 100 + 15 * line, "Nous avons bien reçu votre déclaration de sinistre et les pièces que vous")
        for line in range(6)
    ]
    german = [
        (60, 100 + 15 * line, "Wir haben die Anzeige des Schadens und die Belege für den Wagen erhalten")
        for line in range(4)
    ]
    figures = [(60, 100 + 15 * line, f"{line} 12,00 14,00 17,50 Toyota 2025") for line in range(6)]
    reading = reads(printed(french, german, figures), "a.pdf").reading
    assert (reading.language, [page.language for page in reading.pages]) == ("fr", ["fr", "de", "fr"])
