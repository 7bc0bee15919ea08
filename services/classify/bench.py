"""`dossier bench classify`: seconds to learn by number of labels, cost of one more, documents per second, memory.

Texts are made here, the same every time: letters of 40 classes in two levels, about 120 words each. The reference
for learning is one multiplication of 2,000 × 2,000 single-precision matrices on the same core, for answering the
sentence encoder alone on the same texts; the figures that travel between machines are the ratios.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from services.classify.learning import Example, learn
from services.classify.seeing import Seen, seen
from services.classify.settings import encoder, settings
from services.classify.storing import saved
from services.classify.taxonomy import Taxonomy, from_paths
from services.classify.tree import Path
from shared import settings as shared_settings

_LABELS = (0, 200, 1_000, 2_000)
_CLASSES = [(f"subject {number // 8}", f"kind {number}") for number in range(40)]


def bench() -> dict[str, float]:
    """Print the table, return the figures; sentence vectors are made before and counted apart."""
    figures = _measured(encoder(shared_settings.load().home / "cache"))
    for name, value in figures.items():
        sys.stdout.write(f"{name:40} {value:>12,.3f}\n")
    return figures


def _measured(embedder: Any) -> dict[str, float]:
    taxonomy, examples = from_paths(_CLASSES), [_letter(number) for number in range(max(_LABELS))]
    asked = [_letter(max(_LABELS) + number).text for number in range(settings().bench_documents)]
    reference_s = _product_s()
    figures = {"reference_product_s": reference_s}
    looked, embedding_s = _timed(lambda: seen([one.text for one in examples], embedder))
    figures["encoder_texts_per_s"] = len(examples) / embedding_s
    for count in _LABELS:
        figures |= _learned(taxonomy, examples[:count], looked.part(slice(count)), embedder, reference_s)
    # As the handler does it: only the new document is looked at, then everything is solved again.
    fewer, label = _LABELS[2], examples[_LABELS[2]]
    _, figures["one_more_label_s"] = _timed(
        lambda: learn(
            taxonomy,
            [*examples[:fewer], label],
            embedder,
            looked.part(slice(fewer)).and_then(seen([label.text], embedder)),
        )
    )
    model = learn(taxonomy, examples, embedder, looked).model
    _, whole_s = _timed(lambda: model.predict(asked, embedder))
    _, encoder_s = _timed(lambda: seen(asked, embedder))
    return figures | {
        "answers_per_s": len(asked) / whole_s,
        "answer_over_encoder_ratio": whole_s / encoder_s,
        "documents_asked": float(len(asked)),
        "model_mb": len(saved(model)) / 1e6,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def _learned(
    taxonomy: Taxonomy, examples: list[Example], looked: Seen, embedder: Any, reference_s: float
) -> dict[str, float]:
    _, seconds = _timed(lambda: learn(taxonomy, examples, embedder, looked))
    return {f"learn_{len(examples)}_labels_s": seconds, f"learn_{len(examples)}_labels_ratio": seconds / reference_s}


def _letter(number: int) -> Example:
    path: Path = _CLASSES[number % len(_CLASSES)]
    rng = np.random.default_rng(number)
    own = [f"term{number % len(_CLASSES)}x{one}" for one in rng.integers(0, 30, 20)]
    common = [f"word{one}" for one in rng.zipf(1.3, 100) % 5_000]
    return Example(" ".join(rng.permutation([*own, *common])), (path,))


def _product_s() -> float:
    matrix = np.random.default_rng(0).normal(size=(2_000, 2_000)).astype(np.float32)
    return min(_timed(lambda: matrix @ matrix)[1] for _ in range(3))


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began
