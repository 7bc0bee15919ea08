"""Queue in: say what a document is, and learn the classifier of a workspace from its labels."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from services.classify import serving, tables
from services.classify.comparison import compared, scored
from services.classify.doubting import alike_from, doubts_from
from services.classify.generated import decided
from services.classify.learning import Example, Learned, learn
from services.classify.model import Model, Prediction
from services.classify.moving import Move, moved, since
from services.classify.seeing import Embedder, Seen, seen
from services.classify.settings import encoder, settings
from services.classify.storing import looks_loaded, looks_saved, saved
from services.classify.taxonomy import Taxonomy
from shared import facts, registry
from shared.encoder import Encoder
from shared.errors import NotFound, Refused, Unavailable
from shared.generation import Generator
from shared.jobs import Classify, Extract, FitClassifier, Job, Settle
from shared.ledger import Work
from shared.queues import handles

_log = logging.getLogger(__name__)


@handles(Classify, soft_time_limit_s=120)
def classify(job: Classify, work: Work) -> list[Job]:
    """Say what the document is; by the words of the taxonomy where nothing was learned yet.

    Only the machine's own word is written: where a person has spoken, readers take that person's (facts.class_of).
    Without a taxonomy the document has no class. Idempotent: the class replaces the one before.
    """
    reading = facts.reading(work.read, work.store, job.document)
    version, taxonomy = tables.taxonomy_of(work.read, work.workspace)
    if not taxonomy.leaves():
        tables.forget_class(work.write, job.document)
        return [Extract(document=job.document)]
    embedder = encoder(Path(work.cache))
    promoted = registry.promoted(work.read, work.workspace, "classifier")
    moves = tables.moves_of(work.read, work.workspace)
    name, model = serving.in_use(promoted, work.store, taxonomy, moves, embedder)
    looked = model.look([reading.text], embedder)
    (answer,) = model.predict([reading.text], embedder, looked)
    if promoted is None and work.generator is not None and settings().generated:
        name, answer = _chosen(name, answer, reading.text, taxonomy, work.generator)
    vector = looked.deep[0].astype(np.float16).tobytes()
    tables.keep_class(work.write, work.workspace, job.document, answer, name, version, vector)
    return [Extract(document=job.document)]


def _chosen(
    name: str, answer: Prediction, text: str, taxonomy: Taxonomy, generator: Generator
) -> tuple[str, Prediction]:
    """The language model's choice and who made it; the encoder's where the server is not there or not able."""
    try:
        return f"{name}+{generator.model}", decided(answer, text, taxonomy, generator)
    except (Unavailable, Refused) as why:
        _log.warning("the generated engine was left out: %s", why)
        return name, answer


# 16,000 labels take about ten minutes on one core: six to embed half pages, three to solve.
@handles(FitClassifier, soft_time_limit_s=2_800)
def fit_classifier(job: FitClassifier, work: Work) -> list[Job]:
    """Learn a classifier from the run's snapshot, measure it on the held-out documents, and register it.

    Idempotent: the same snapshot and taxonomy give the same bytes, which are the same version. Raises Refused where
    there is no taxonomy, or no label that teaches.
    """
    run = facts.run(work.read, job.run)
    version, taxonomy = tables.taxonomy_of(work.read, work.workspace)
    lines = [] if run.snapshot_key is None else _class_lines(work.store.get(run.snapshot_key))
    moves = tables.moves_of(work.read, work.workspace)
    labelled = [(line, example) for line in lines if (example := _example(work, line, moves)) is not None]
    teaching = [example for line, example in labelled if not line["held_out"]]
    if not teaching:
        raise Refused(
            f"There is nothing to learn from: run {job.run} has no class label outside of the held-out documents.",
            action="Correct the class of more documents in the review queue, then start the run again.",
            code="no_labels",
        )
    embedder = encoder(Path(work.cache))
    documents = [line["document"] for line, _ in labelled if not line["held_out"]]
    texts = [example.text for example in teaching]
    looked = _looked(work, texts, embedder)
    learned = learn(taxonomy, teaching, embedder, looked)
    held_out = [(line, example) for line, example in labelled if line["held_out"]]
    metrics = learned.metrics | _advice(learned, documents, teaching)
    metrics |= _held_out_metrics(work, taxonomy, learned.model, held_out, embedder)
    lineage = {
        "snapshot": run.snapshot_key,
        "documents": len(teaching),
        "held_out": len(held_out),
        "taxonomy_version": version,
        "encoder": embedder.name,
        "looks": work.store.put(work.workspace, "looks", looks_saved(_digests(texts), looked, embedder.name)).key,
    }
    artefact = saved(learned.model)
    made = registry.register(work.write, work.store, work.workspace, "classifier", artefact, lineage, metrics, job.run)
    return [Settle(run=job.run, version=made.id)]


def _looked(work: Work, texts: Sequence[str], embedder: Embedder) -> Seen:
    """What the encoder sees of the texts; what the newest version saw already is not looked at again."""
    newest = next(iter(registry.versions(work.read, work.workspace, "classifier")), None)
    key = None if newest is None else newest.lineage.get("looks")
    known = None if key is None else looks_loaded(work.store.get(key), embedder.name)
    if known is None:
        return seen(list(texts), embedder)
    rows, before = known
    digests = _digests(texts)
    fresh = [place for place, digest in enumerate(digests) if digest not in rows]
    both = before.and_then(seen([texts[place] for place in fresh], embedder)) if fresh else before
    of = rows | {digests[place]: len(before.deep) + number for number, place in enumerate(fresh)}
    return both.part([of[digest] for digest in digests])


def _digests(texts: Sequence[str]) -> list[str]:
    return [hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32] for text in texts]


def _advice(learned: Learned, documents: Sequence[str], teaching: Sequence[Example]) -> dict[str, Any]:
    """What the left-out answers say about the labels, for people: GET /v1/taxonomy/advice."""
    tree = learned.model.tree
    said = [teaching[place].accepted[0] for place in learned.kept]
    _, right = tree.targets([[path] for path in said])
    doubts = doubts_from(tree.leaves, learned.probabilities, right)
    return {
        "doubts": [
            {
                "document": documents[learned.kept[doubt.place]],
                "said": said[doubt.place],
                "rather": doubt.rather,
                "chance": round(doubt.chance, 3),
                "said_chance": round(doubt.said_chance, 3),
            }
            for doubt in doubts
        ],
        "alike": [asdict(pair) for pair in alike_from(tree.leaves, learned.probabilities, right)],
        "labels_by_class": dict(Counter(" / ".join(path) for path in said)),
    }


def _class_lines(snapshot: bytes) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in snapshot.splitlines()]
    return [line for line in lines if line["task"] == "class"]


def _example(work: Work, line: dict[str, Any], moves: Sequence[Move]) -> Example | None:
    """The label, by today's names, with its document's text; None where the document was deleted since."""
    try:
        reading = facts.reading(work.read, work.store, line["document"])
    except NotFound:
        return None
    path = moved(tuple(line["path"]), since(line.get("label", ""), moves))
    return Example(reading.text, (path,), language=reading.language)


def _held_out_metrics(
    work: Work,
    taxonomy: Taxonomy,
    candidate: Model,
    held_out: Sequence[tuple[dict[str, Any], Example]],
    embedder: Encoder,
) -> dict[str, Any]:
    """The figures of a version, and where its comparison with the version in use (or with none) lies."""
    documents = [line["document"] for line, _ in held_out]
    truths = [example.accepted[0] for _, example in held_out]
    texts = [example.text for _, example in held_out]
    looked = seen(texts, embedder)  # once, for both models
    ours = candidate.predict(texts, embedder, looked)
    in_use = registry.promoted(work.read, work.workspace, "classifier")
    _, other = serving.in_use(in_use, work.store, taxonomy, tables.moves_of(work.read, work.workspace), embedder)
    if other.encoder != embedder.name or not documents:  # nothing to compare, or nobody who could be asked any more
        return scored(compared(documents, truths, ours, None))
    pairs = compared(documents, truths, ours, other.predict(texts, embedder, looked))
    content = "".join(json.dumps(pair, ensure_ascii=False, sort_keys=True) + "\n" for pair in pairs).encode()
    key = work.store.put(work.workspace, "comparisons", content).key
    compared_with = {} if in_use is None else {"compared_with": in_use.id}
    return scored(pairs) | compared_with | {"comparison_key": key}
