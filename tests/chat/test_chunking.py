"""Sentences and chunks: exact offsets, nothing lost, never over a page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.chunking import MOST_CHARACTERS, chunks
from services.chat.sentences import sentences
from shared.documents import Page, Reading

pages_of_text = st.lists(
    st.text(alphabet=st.sampled_from("aZé1.!?:;,-\t\n •"), max_size=400) | st.text(max_size=200), max_size=4
)


def reading(pages: list[str]) -> Reading:
    made: list[Page] = []
    start = 0
    for number, page in enumerate(pages, start=1):
        made.append(Page(number, 0, 0, start, start + len(page), []))
        start += len(page) + 1
    return Reading("\n".join(pages), made, "text/plain")


@given(pages_of_text)
def test_every_word_is_in_exactly_one_chunk_and_every_chunk_on_one_page(pages: list[str]) -> None:
    whole = reading(pages)
    cursor = 0
    for number, chunk in enumerate(chunks(whole)):
        assert chunk.number == number
        assert chunk.text == whole.text[chunk.start : chunk.end] != ""
        assert whole.text[cursor : chunk.start].strip() == ""
        page = whole.pages[chunk.page - 1]
        assert page.start <= chunk.start < chunk.end <= page.end
        assert chunk.end - chunk.start <= MOST_CHARACTERS
        cursor = chunk.end
    assert whole.text[cursor:].strip() == ""


@given(st.text(alphabet=st.sampled_from('aB2.!?:;,-)"»\t\n '), max_size=300))
def test_sentences_cover_the_text_in_order(text: str) -> None:
    cursor = 0
    for start, end in sentences(text):
        assert text[cursor:start].strip() == ""
        assert text[start:end] == text[start:end].strip() != ""
        cursor = end
    assert text[cursor:].strip() == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Weber called. She was angry.", ["Dr. Weber called.", "She was angry."]),
        ("Le contrat no. 5 est clos. Mme. Roy a signé.", ["Le contrat no. 5 est clos.", "Mme. Roy a signé."]),
        ("Am 3. März 2024 fiel der Strom aus. Danach nicht.", ["Am 3. März 2024 fiel der Strom aus.", "Danach nicht."]),
        ("Die Prämie beträgt z.B. 12.50 EUR. Sie steigt.", ["Die Prämie beträgt z.B. 12.50 EUR.", "Sie steigt."]),
        ("J. R. Smith paid 3.5 million. Why?", ["J. R. Smith paid 3.5 million.", "Why?"]),
        ("« Est-ce clos ? » Oui.", ["« Est-ce clos ? »", "Oui."]),
        ("Name\tAmount\nDeductible\t250", ["Name\tAmount", "Deductible\t250"]),
        ("Covered:\n- fire and smoke\n- water", ["Covered:", "- fire and smoke", "- water"]),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == expected


def test_a_wrapped_line_goes_on_and_a_short_line_ends() -> None:
    text = (
        "The insurer pays for damage by fire, lightning and explosion up to\n"
        "Two hundred thousand euros for each event in the insured building.\n"
        "Contact\n"
        "Call the claims desk within eight days after you noticed any damage."
    )
    found = [text[start:end] for start, end in sentences(text)]
    assert found[0].startswith("The insurer")
    assert found[0].endswith("building.")
    assert found[1] == "Contact"


def test_chunks_prefer_to_end_with_a_paragraph(make_reading: Callable[..., Reading]) -> None:
    paragraph = " ".join(f"Sentence number {number} says something." for number in range(16))
    whole = make_reading(f"{paragraph}\n\n{paragraph}\n\n{paragraph}")
    assert [chunk.text for chunk in chunks(whole)] == [paragraph] * 3
