"""The bench measures what it says: on documents that are really answered."""

from __future__ import annotations

from services.extract import bench


def test_the_bench_times_a_ranker_that_answers(monkeypatch, capsys):
    monkeypatch.setattr(bench, "LEARNED", 8)
    monkeypatch.setattr(bench, "ANSWERED", 2)
    monkeypatch.setattr(bench, "ROWS", 4)
    figures = bench.bench()
    assert figures["documents"] == 2
    assert figures["learned_ms"] > 0
    assert figures["learned_ratio"] > 1
    assert figures["ranker_bytes"] > 10_000
    assert "learned_ms" in capsys.readouterr().out
