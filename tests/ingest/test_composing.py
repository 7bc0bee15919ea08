"""The one clean text: offsets hold whatever the lines are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.composing import Line, PageDraft, compose
from shared.documents import Reading

words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8) | st.sampled_from(
    ["Versiche-", "rung", "An-", "und", "Saint-", "Martin", "2020-", "12"]
)


@st.composite
def lines(draw):
    texts = draw(st.lists(words, min_size=1, max_size=5))
    cells = sorted({0, *draw(st.sets(st.integers(0, len(texts) - 1), max_size=2))})
    table = draw(st.none() | st.integers(0, 1))
    return Line(list(texts), [(0.0, 0.0, 1.0, 1.0)] * len(texts), cells, draw(st.booleans()), table)


@given(st.lists(st.lists(lines(), max_size=6), min_size=1, max_size=4))
def test_every_word_is_where_the_text_says(pages):
    drafts = [PageDraft(number, 10.0, 10.0, page) for number, page in enumerate(pages, start=1)]
    before = sum(len(line.words) for page in pages for line in page)
    composed = compose(drafts)
    reading = Reading(composed.text, composed.pages, "application/pdf")
    reading.check()
    assert len(list(reading.words())) == before
    for table in composed.tables:
        for cell in table.cells:
            assert "\t" not in composed.text[cell.start : cell.end]
            assert "\n" not in composed.text[cell.start : cell.end]


def joined(*texts: str) -> str:
    drafts = [PageDraft(1, 10.0, 10.0, [Line(text.split(), [], [0]) for text in texts])]
    return compose(drafts).text


def test_a_hyphen_at_a_line_end_goes_where_it_only_broke_the_word():
    assert joined("die Versiche-", "rung zahlt") == "die Versicherung zahlt"


def test_a_hyphen_stays_where_the_word_has_one():
    assert joined("rue Saint-", "Martin") == "rue Saint-Martin"
    assert joined("vis-à-", "vis du garage") == "vis-à-vis du garage"
    assert joined("ein Kfz-lich Wort, Kfz-", "lich") == "ein Kfz-lich Wort, Kfz-lich"


def test_a_shortened_compound_keeps_its_hyphen_and_its_blank():
    assert joined("An-", "und Verkauf") == "An-\nund Verkauf"
