import json
import random
from pathlib import Path

import pytest

from services.review.evaluate import evaluate, main


def test_a_calibrated_machine_keeps_its_promise_and_passes_a_good_share() -> None:
    draw = random.Random(3)
    scores = [draw.random() ** 0.15 for _ in range(1500)]
    kept = evaluate([(score, draw.random() < score) for score in scores], 0.9, 0.9, repeats=100)
    assert kept.found > 90
    assert kept.precision is not None
    assert kept.coverage is not None
    assert kept.precision > 0.9
    assert kept.coverage > 0.4


def test_a_machine_that_guesses_passes_nothing() -> None:
    draw = random.Random(4)
    kept = evaluate([(draw.random(), draw.random() < 0.5) for _ in range(500)], 0.95, 0.95, repeats=50)
    assert kept.found == 0
    assert kept.coverage is None


def test_the_command_prints_one_line_of_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged = tmp_path / "judged.jsonl"
    judged.write_text('{"confidence": 0.9, "right": true}\n' * 200)
    main([str(judged), "--repeats", "5"])
    assert json.loads(capsys.readouterr().out)["coverage"] == 1.0


def test_a_line_that_does_not_fit_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged = tmp_path / "judged.jsonl"
    judged.write_text('{"confidence": 0.9, "right": true}\n{"right": true}\n')
    with pytest.raises(SystemExit):
        main([str(judged)])
    assert "line 2" in capsys.readouterr().err
