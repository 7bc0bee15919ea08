"""The bench times what it says it times: the same pages, read to the same characters."""

from __future__ import annotations

import sys
from pathlib import Path

from services.ingest import bench, bench_peers


def test_the_reader_and_the_bare_library_read_the_same_characters_of_a_letter():
    figures = bench._born_digital({"letters": [bench.document(2, lines=12)]})
    assert figures["pdf_letters_pages"] == figures["pdf_total_pages"] == 2
    assert figures["pdf_total_character_error"] == 0
    assert 0 < figures["pdf_total_ratio"] < 1


def test_a_scan_is_not_timed_as_a_born_digital_page(printed):
    assert bench._is_born_digital(printed([(60, 60, "printed words")]))
    assert not bench._is_born_digital(printed([]))
    assert not bench._is_born_digital(b"%PDF-1.4 broken")


def test_a_reader_that_is_missing_is_left_out_with_its_reason(capsys):
    python = Path(sys.executable)
    assert bench_peers._seconds(python, "absent", "import no_such_reader", [Path("a.pdf")]) is None
    assert "No module named 'no_such_reader'" in capsys.readouterr().err
