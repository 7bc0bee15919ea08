"""Queue in: say what a document is, and learn the classifier of a workspace from its labels."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from services.classify import tables
from services.classify.comparison import compared, scored
from services.classify.learning import Example, learn
from services.classify.model import Model
from services.classify.seeing import seen
from services.classify.settings import encoder, settings
from services.classify.storing import loaded, saved
from services.classify.taxonomy import Taxonomy
from shared import facts, registry
from shared.encoder import Encoder
from shared.errors import NotFound, Refused
from shared.jobs import Classify, Extract, FitClassifier, Job, Settle
from shared.ledger import Work
from shared.queues import handles


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
    name, model = _model_in_use(work, taxonomy, embedder)
    (answer,) = model.predict([reading.text], embedder)
    tables.keep_class(work.write, work.workspace, job.document, answer, name, version)
    return [Extract(document=job.document)]


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
    labelled = [(line, example) for line in lines if (example := _example(work, line)) is not None]
    teaching = [example for line, example in labelled if not line["held_out"]]
    if not teaching:
        raise Refused(
            f"There is nothing to learn from: run {job.run} has no class label outside of the held-out documents.",
            action="Correct the class of more documents in the review queue, then start the run again.",
            code="no_labels",
        )
    embedder = encoder(Path(work.cache))
    learned = learn(taxonomy, teaching, embedder)
    held_out = [(line, example) for line, example in labelled if line["held_out"]]
    metrics = learned.metrics | _held_out_metrics(work, taxonomy, learned.model, held_out, embedder)
    lineage = {
        "snapshot": run.snapshot_key,
        "documents": len(teaching),
        "held_out": len(held_out),
        "taxonomy_version": version,
        "encoder": embedder.name,
    }
    artefact = saved(learned.model)
    made = registry.register(work.write, work.store, work.workspace, "classifier", artefact, lineage, metrics, job.run)
    return [Settle(run=job.run, version=made.id)]


def _model_in_use(work: Work, taxonomy: Taxonomy, embedder: Encoder) -> tuple[str, Model]:
    """The name and the model that answer now: the promoted version, cut to today's classes; else a cold one."""
    promoted = registry.promoted(work.read, work.workspace, "classifier")
    leaves = taxonomy.leaves()
    if promoted is not None:
        learned = _MODELS.of(promoted.digest, lambda: loaded(registry.artefact(work.store, promoted)))
        if set(learned.tree.leaves) & set(leaves):
            return promoted.id, learned.today(leaves, lambda path: path)
    digest = hashlib.sha256(f"{embedder.name}\n{taxonomy.model_dump_json()}".encode()).hexdigest()
    return f"cold@{digest[:12]}", _MODELS.of(digest, lambda: learn(taxonomy, [], embedder).model)


def _class_lines(snapshot: bytes) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in snapshot.splitlines()]
    return [line for line in lines if line["task"] == "class"]


def _example(work: Work, line: dict[str, Any]) -> Example | None:
    """The label with its document's text; None where the document was deleted since."""
    try:
        reading = facts.reading(work.read, work.store, line["document"])
    except NotFound:
        return None
    return Example(reading.text, (tuple(line["path"]),), language=reading.language)


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
    _, other = _model_in_use(work, taxonomy, embedder)
    if other.encoder != embedder.name or not documents:  # nothing to compare, or nobody who could be asked any more
        return scored(compared(documents, truths, ours, None))
    pairs = compared(documents, truths, ours, other.predict(texts, embedder, looked))
    content = "".join(json.dumps(pair, ensure_ascii=False, sort_keys=True) + "\n" for pair in pairs).encode()
    key = work.store.put(work.workspace, "comparisons", content).key
    compared_with = {} if in_use is None else {"compared_with": in_use.id}
    return scored(pairs) | compared_with | {"comparison_key": key}


class _Models:
    """The models this process has read or built, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Model] = OrderedDict()

    def of(self, digest: str, made: Callable[[], Model]) -> Model:
        """The model with that digest; `made` brings it where it is not in memory."""
        if digest not in self._kept:
            self._kept[digest] = made()
        self._kept.move_to_end(digest)
        while len(self._kept) > settings().models_in_memory:
            self._kept.popitem(last=False)
        return self._kept[digest]


_MODELS = _Models()
