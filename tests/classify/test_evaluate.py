"""The measuring contract: files in, files out, gold never looked at."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.classify.evaluate import measure
from services.classify.learning import Example
from shared.documents import Reading
from shared.encoder import Encoder

Letters = Callable[[int], list[Example]]


def read_file(path: Path) -> Reading:
    return Reading(text=path.read_text(), pages=[], media_type="text/plain")


def write(path: Path, records: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_predictions_are_the_same_with_and_without_gold(tmp_path: Path, encoder: Encoder, letters: Letters) -> None:
    labelled = [{"id": str(n), "text": one.text, "path": list(one.accepted[0])} for n, one in enumerate(letters(10))]
    train = write(tmp_path / "train.jsonl", labelled[:40])
    bare = [{"id": record["id"], "text": record["text"]} for record in labelled[40:]]
    lying = [{**record, "path": ["money", "invoice"]} for record in labelled[40:]]
    outcomes = []
    for name, records in (("gold", labelled[40:]), ("bare", bare), ("lying", lying)):
        out = tmp_path / f"{name}.out"
        measure(train, write(tmp_path / f"{name}.jsonl", records), out, encoder, read_file)
        outcomes.append(out.read_text())
    assert outcomes[0] == outcomes[1] == outcomes[2]
    first = json.loads(outcomes[0].splitlines()[0])
    assert set(first) == {"id", "path", "confidence", "abstained"}


def test_without_a_training_file_the_taxonomy_beside_the_test_is_enough(tmp_path: Path, encoder: Encoder) -> None:
    (tmp_path / "taxonomy.json").write_text(json.dumps({"levels": 1, "paths": [["invoice"], ["car_accident"]]}))
    (tmp_path / "a.txt").write_text("My car crashed into a tree.")
    test = write(tmp_path / "test.jsonl", [{"id": "a", "file": "a.txt"}])
    measure(None, test, tmp_path / "out.jsonl", encoder, read_file)
    (answer,) = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert answer == {"id": "a", "path": ["car_accident"], "confidence": [None], "abstained": False}
