"""RTF and typed tables: what stands in the margins counts as well, and columns stay apart."""

from __future__ import annotations

import pytest

LETTER = (
    rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fnil Arial;}}{\header\pard Ardelune S.A.\par}"
    rb"{\headerl\pard Ardelune S.A.\par}"
    rb"{\footer\pard Seite 1, F\'fc\'dfe \{x\}\par}\pard Sehr geehrte Frau Weber,{\footnote \pard Siehe Anhang} \par"
    rb" der Schaden ist gemeldet.\par}"
)


def test_headers_footers_and_notes_of_rtf_are_kept_and_marked(reads):
    reading = reads(LETTER, "letter.rtf").reading
    assert reading.text.startswith("Ardelune S.A.\nSehr geehrte Frau Weber,\nder Schaden ist gemeldet.")
    marked = [(mark.kind, reading.text[mark.start : mark.end]) for mark in reading.marks]
    assert marked == [("header", "Ardelune S.A."), ("footnote", "Siehe Anhang"), ("footer", "Seite 1, Füße {x}")]


@pytest.mark.parametrize("broken", [LETTER[:150], rb"{\rtf1{\header" * 3_000, rb"{\rtf1 {\footer \'zz}}"])
def test_broken_groups_of_rtf_do_no_harm(reads, broken):
    reads(broken, "letter.rtf")


def test_tabs_of_a_typed_table_stay(reads):
    typed = b"Datum\t Betrag \r\n1.2.\t\t12,50 EUR\t\r\n  Summe  12,50"
    assert reads(typed, "a.txt").reading.text == "Datum\tBetrag\n1.2.\t12,50 EUR\nSumme 12,50"
