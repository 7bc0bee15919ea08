"""The state machine that lets only true citations through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.citations import CitationStream, located
from services.chat.retrieval import Passage
from shared.documents import Page, Reading

TEXT = "The accident happened on 12 March\n2024 in Luxembourg [see annex]. The deductible is 250 EUR."
READING = Reading(TEXT, [Page(1, 0, 0, 0, len(TEXT), [])], "text/plain", "en")
PASSAGE = Passage("doc_1", "claim.pdf", 1, 0, len(TEXT), TEXT, "en", 0.9)


def run(pieces: list[str]) -> tuple[str, CitationStream]:
    stream = CitationStream([PASSAGE], {"doc_1": READING})
    return "".join(stream.feed(iter(pieces))), stream


def cut(text: str, places: list[int]) -> Iterator[str]:
    bounds = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    yield from (text[start:end] for start, end in pairwise(bounds))


@pytest.mark.parametrize(
    ("written", "shown", "quotes"),
    [
        ('On 12 March [1: "12 March 2024"].', "On 12 March [1].", ["12 March\n2024"]),
        ('250 [1: "deductible is 250 EUR"] [1: "deductible is 250 EUR"]', "250 [1] [1]", ["deductible is 250 EUR"] * 2),
        ('500 EUR [1: "deductible is 500 EUR"].', "500 EUR .", []),
        ('It rained [2: "12 March 2024"].', "It rained .", []),
        ("It rained [1].", "It rained .", []),
        ('Nothing [1: "..."].', "Nothing .", []),
        ("See [annex] and [x", "See [annex] and [x", []),
        ('Yes [1: "Luxembourg [see annex]"]!', "Yes [1]!", ["Luxembourg [see annex]"]),
        ('Cut off [1: "12 Mar', "Cut off ", []),
        ("“12 March” [Passage 1: “12 March 2024”]", "“12 March” [1]", ["12 March\n2024"]),
    ],
)
def test_only_what_stands_in_the_passage_is_cited(written: str, shown: str, quotes: list[str]) -> None:
    said, stream = run([written])
    assert said == stream.content == shown
    assert [one.evidence.quote for one in stream.citations] == quotes


@given(
    st.sampled_from(
        [
            'A [1: "12 March 2024"], b [1: "no such words"], c [3] d [e] [1: "250 EUR"].',
            "NOT_IN_DOCUMENTS",
            'NOT a sentinel [1: "the',
        ]
    ),
    st.lists(st.integers(0, 200), max_size=30),
)
def test_it_does_not_matter_where_the_stream_is_cut(written: str, places: list[int]) -> None:
    whole, one = run([written])
    pieces, other = run(list(cut(written, places)))
    assert (pieces, other.citations, other.not_found) == (whole, one.citations, one.not_found)


@given(st.lists(st.text(alphabet=st.sampled_from('[]1: "“”aNOT_12 March250EUR'), max_size=12), max_size=12))
def test_every_citation_that_comes_through_is_true(pieces: list[str]) -> None:
    said, stream = run(pieces)
    assert said == stream.content
    for one in stream.citations:
        assert one.evidence.quote == TEXT[one.evidence.start : one.evidence.end]
        assert said[one.content_start : one.content_end].startswith("[")


def test_nothing_of_a_marker_is_shown_before_it_is_whole() -> None:
    stream = CitationStream([PASSAGE], {"doc_1": READING})
    shown = []

    def pieces() -> Iterator[str]:
        for piece in ("On", " 12", " [", "1", ': "12 Ma', 'rch 2024"', "]", "."):
            yield piece
            shown.append(stream.content)

    list(stream.feed(pieces()))
    assert shown == ["On", "On 12", "On 12 ", "On 12 ", "On 12 ", "On 12 ", "On 12 [1]", "On 12 [1]."]


def test_a_quote_may_differ_in_white_space_and_in_nothing_else() -> None:
    assert located("12  March 2024", PASSAGE) == (TEXT.index("12"), TEXT.index("2024") + 4)
    assert located("12 march 2024", PASSAGE) is None
    assert located("...", PASSAGE) is None


def test_that_the_documents_do_not_say_is_told_apart(make_reading: Callable[..., Reading]) -> None:
    said, stream = run(["NOT_IN", "_DOCUMENTS", " sorry"])
    assert (said, stream.not_found) == ("", True)
