"""Grow the reader's trees from questions whose answers are known: `python -m services.chat.learn SET/train.jsonl …`.

Each set is a JSONL file of `{"question", "documents": [paths of text files], "answers": [texts]}` (other keys are
ignored, records without answers are skipped). For every question the pieces that the reader would look at are graded
by their token overlap (F1) with the best of the answers, and the trees learn to put the better piece first.

Which sets the shipped `reader.txt` was grown from, and under which licences, stands in docs/measurements/answer.md.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.chat.chunking import MOST_TOKENS
from services.chat.features import MOST_PASSAGES, Matrix, seen
from services.chat.memory import Indexed, MemoryIndex, indexed
from services.chat.questions import kind_of, language_of
from services.chat.reader import COLUMNS, MODEL, likeness_to, with_kind
from services.chat.retrieval import CANDIDATES, Question, SentenceEncoder, ranked
from services.chat.terms import folded
from shared.documents import Page, Reading
from shared.encoder import Encoder

#: Bad pieces kept for each question, beside all good ones.
MOST_BAD = 200
#: A piece above this F1 is a good one.
GOOD = 0.3
#: F1 is graded in this many steps.
GRADES = 5
TREES = 450

_PARAMETERS = {
    "objective": "lambdarank", "label_gain": [0, 1, 3, 7, 15, 31], "lambdarank_truncation_level": 5,
    "num_leaves": 15, "learning_rate": 0.05, "min_data_in_leaf": 40, "lambda_l2": 5, "feature_fraction": 0.5,
    "bagging_fraction": 0.7, "bagging_freq": 1, "verbose": -1, "num_threads": 1, "seed": 1, "deterministic": True,
}  # fmt: skip
_ARTICLES = frozenset(["a", "an", "the", "der", "die", "das", "le", "la", "les"])


def token_f1(said: str, answer: str) -> float:
    """Overlap of words, 0..1, as SQuAD counts it (Rajpurkar et al. 2016, section 6.1): articles do not count."""
    one, other = (
        Counter(word for word in re.findall(r"\w+", folded(text)) if word not in _ARTICLES) for text in (said, answer)
    )
    shared = (one & other).total()
    return 2 * shared / (one.total() + other.total()) if shared else 0.0


def graded(path: Path, encoder: SentenceEncoder) -> Iterator[tuple[Matrix, list[float]]]:
    """For each question of a set, the features of its pieces (with the kind of question) and their F1."""
    documents: dict[str, Indexed] = {}
    for line in path.read_text("utf-8").splitlines():
        record = json.loads(line)
        names = [name for name in record["documents"] if name.endswith(".txt")]
        if not names and record.get("answers"):
            names = [one["document"] for one in record["evidence"] if one["document"].endswith(".txt")]
        if not record.get("answers") or not names:
            continue
        for name in names:
            if name not in documents:
                documents[name] = indexed(name, _reading(path.parent / name), encoder)
        yield _graded(record, MemoryIndex([documents[name] for name in names]), documents, encoder)


def _graded(
    record: dict[str, Any], index: MemoryIndex, documents: dict[str, Indexed], encoder: SentenceEncoder
) -> tuple[Matrix, list[float]]:
    question = Question(record["question"])
    vector = encoder.encode([question.text], MOST_TOKENS)[0]
    passages, statistics = index.candidates(question.all_terms(index.languages), vector, CANDIDATES)
    found = ranked(question, passages, statistics)[:MOST_PASSAGES]
    texts = [documents[one.passage.document].reading.text for one in found]
    pieces, matrix = seen(question, found, texts, statistics, likeness_to(question.text, encoder))
    grades = [
        max(token_f1(texts[piece.rank][piece.start : piece.end], answer) for answer in record["answers"])
        for piece in pieces
    ]
    return with_kind(matrix, kind_of(question.text)), grades


def grown(sets: Sequence[Path], encoder: SentenceEncoder) -> Any:
    """The trees, as a LightGBM booster; the same sets give the same trees."""
    import lightgbm

    chance = random.Random(1)
    rows, grades, groups = [], [], []
    for path in sets:
        for matrix, scores in graded(path, encoder):
            good = [place for place, score in enumerate(scores) if score > GOOD]
            bad = [place for place, score in enumerate(scores) if score <= GOOD]
            kept = good + chance.sample(bad, min(MOST_BAD, len(bad)))
            if good:
                rows.append(matrix[kept])
                grades += [round(scores[place] * GRADES) for place in kept]
                groups.append(len(kept))
    examples = lightgbm.Dataset(np.concatenate(rows), np.array(grades), group=groups, feature_name=list(COLUMNS))
    return lightgbm.train(_PARAMETERS, examples, TREES)


def _reading(path: Path) -> Reading:
    """A text file as one page, blanks and tabs as one blank: what the reading room makes of it."""
    content = re.sub(r"[^\S\n]+", " ", path.read_text("utf-8")).strip("\n")
    return Reading(content, [Page(1, 0, 0, 0, len(content), [])], "text/plain", language_of(content[:2000]))


def main() -> None:
    """Learn from the sets on the command line and replace `reader.txt`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=MODEL)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        grown(chosen.sets, Encoder.load(None, Path(folder))).save_model(str(chosen.out))


if __name__ == "__main__":
    main()
