"""Queue in: fill a document's fields, and learn the ranker of a workspace from its labels."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from typing import Any

from services.extract import tables
from services.extract.archive import Outdated, packed, unpacked
from services.extract.comparison import compared, scored
from services.extract.extraction import Extraction, extraction_of
from services.extract.fitting import Labelled, fit
from services.extract.generated import Corrected
from services.extract.ranker import Ranker
from services.extract.schema import FieldSpec, Schema, resolved
from services.extract.searched import Searched
from services.extract.settings import settings
from shared import facts, registry
from shared.documents import Reading
from shared.errors import NotFound, Refused
from shared.jobs import Check, Extract, FitExtractor, Job, Settle
from shared.ledger import Work
from shared.queues import handles
from shared.registry import Version

#: The nearest examples are looked for among so many corrected documents.
_MOST_CORRECTED = 20
_log = logging.getLogger(__name__)


@handles(Extract, soft_time_limit_s=300)
def extract(job: Extract, work: Work) -> list[Job]:
    """Fill the fields that the document's class calls for; a person's word on the class outranks the machine's.

    With `DOSSIER_EXTRACT_GENERATE` the generation server is asked as well; the job waits for it where it is down.
    Idempotent: the values replace those before. Labels are not touched; where a person has spoken, readers of the
    values take that person's word.
    """
    reading = facts.reading(work.read, work.store, job.document)
    said = facts.class_of(work.read, job.document)
    path = said.path if said is not None else ()
    schema = resolved(tables.schemas_of(work.read, work.workspace), path)
    found = Extraction([], [], [])
    if schema is not None:
        version = registry.promoted(work.read, work.workspace, "extractor")
        ranker = _RANKERS.of(work, version) if version is not None else None
        names = [rule.fields[0] for rule in schema.constraints if rule.kind == "known"]
        known = tables.known_values(work.read, work.workspace, job.document, names)
        model = version.id if version and ranker else ""
        generator = work.generator if settings().generate else None
        corrected = _corrected(work, job.document, path) if generator is not None else []
        found = extraction_of(reading, job.document, schema, ranker, model, known, generator, corrected)
    name = schema.name if schema is not None else None
    filled = {value.name for value in found.values}
    required = [field for field in schema.fields if field.required] if schema is not None else []
    missing = {field.name: field.type for field in required if field.name not in filled}
    tables.keep_values(work.write, work.workspace, job.document, name, path, found, missing)
    return [Check(document=job.document)]


def _corrected(work: Work, document: str, path: tuple[str, ...]) -> list[Corrected]:
    """The documents of this class that people corrected last, as examples for the generated engine."""
    typed = tables.corrected_like(work.read, work.workspace, document, path, _MOST_CORRECTED)
    found = []
    for other, said in typed.items():
        try:
            found.append(Corrected(facts.reading(work.read, work.store, other).text, said))
        except NotFound:
            continue  # deleted since
    return found


@handles(FitExtractor, soft_time_limit_s=2_800)
def fit_extractor(job: FitExtractor, work: Work) -> list[Job]:
    """Learn a ranker from the run's snapshot, measure it on the held-out documents, and register it.

    Idempotent: the same snapshot gives the same bytes, which are the same version. Raises Refused where no field
    was labelled often enough to learn.
    """
    run = facts.run(work.read, job.run)
    if run.snapshot_key is None:
        raise Refused(f"Run {job.run} has no snapshot of labels.", code="no_labels")
    lines = [json.loads(line) for line in work.store.get(run.snapshot_key).splitlines()]
    documents = _labelled_documents(work, [line for line in lines if line["task"] == "field"])
    fields = [field for document in documents for field in document.fields]
    ranker = fit(fields, [document.labelled for document in documents if not document.held_out])
    if not ranker.models:
        raise Refused(
            f"There is nothing to learn from {len(documents)} documents: no field was found in at least 3 of them.",
            action="Correct more documents in the review queue, then start the run again.",
            code="too_few_labels",
        )
    held_out = [document for document in documents if document.held_out]
    metrics = _metrics(work, ranker, held_out)
    lineage = {"snapshot": run.snapshot_key, "documents": len(documents), "held_out": len(held_out)}
    artefact = packed(ranker)
    version = registry.register(
        work.write, work.store, work.workspace, "extractor", artefact, lineage, metrics, job.run
    )
    return [Settle(run=job.run, version=version.id)]


class _LabelledDocument:
    """A labelled document as the run sees it: the fields that its labels are about, and whether it only measures."""

    def __init__(
        self,
        document: str,
        reading: Reading,
        schemas: list[Schema],
        path: tuple[str, ...],
        generated: dict[str, list[str]],
    ) -> None:
        self.document = document
        self.reading = reading
        own = resolved(schemas, path)
        known = {field.name: field for schema in schemas for field in schema.fields}
        self._known = known | {field.name: field for field in (own.fields if own is not None else ())}
        self.fields: list[FieldSpec] = []
        self.labelled = Labelled(Searched.of(reading), {}, generated)
        self.held_out = False

    def add(self, line: dict[str, Any]) -> None:
        """Take one label; one about a field that no schema knows (any more) is passed over."""
        field = self._known.get(line["name"])
        if field is None:
            return
        said = line["value"] if isinstance(line["value"], list) else [line["value"]]
        self.fields.append(field)
        self.labelled.typed[field.name] = [str(value) for value in said if value not in (None, "")]
        self.held_out = self.held_out or bool(line["held_out"])


def _labelled_documents(work: Work, lines: list[dict[str, Any]]) -> list[_LabelledDocument]:
    schemas = tables.schemas_of(work.read, work.workspace)
    found: dict[str, _LabelledDocument | None] = {}
    for line in lines:
        document = line["document"]
        if document not in found:
            try:
                reading = facts.reading(work.read, work.store, document)
            except NotFound:
                found[document] = None  # deleted since the snapshot was taken
                continue
            said = facts.class_of(work.read, document)
            generated = tables.generated_of(work.read, document)
            path = said.path if said is not None else ()
            found[document] = _LabelledDocument(document, reading, schemas, path, generated)
        labelled = found[document]
        if labelled is not None:
            labelled.add(line)
    return [document for document in found.values() if document is not None and document.fields]


def _metrics(work: Work, ranker: Ranker, held_out: list[_LabelledDocument]) -> dict[str, Any]:
    """The figures of a version, and where its comparison with the version in use lies."""
    in_use = registry.promoted(work.read, work.workspace, "extractor")
    other = _RANKERS.of(work, in_use) if in_use is not None else None
    pairs = [
        pair
        for document in held_out
        for pair in compared(
            document.document, document.reading, document.fields, document.labelled.typed, ranker, other
        )
    ]
    metrics = scored(ranker, pairs)
    # An outdated version cannot be asked any more: there is no comparison, and a person must choose.
    if in_use is not None and other is not None:
        content = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs).encode()
        metrics["compared_with"] = in_use.id
        metrics["comparison_key"] = work.store.put(work.workspace, "comparisons", content).key
    return metrics


class _Rankers:
    """The rankers this process has read, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Ranker] = OrderedDict()

    def of(self, work: Work, version: Version) -> Ranker | None:
        """The ranker of a version, which never changes; None where an older Dossier wrote it, and then the log says so.

        Documents are extracted by their anchors then, and wait for a person, until a new version is learned.
        """
        if version.id not in self._kept:
            try:
                self._kept[version.id] = unpacked(registry.artefact(work.store, version))
            except Outdated as outdated:
                _log.warning("version %s is not used: %s. Start a run to learn it anew.", version.id, outdated)
                return None
        self._kept.move_to_end(version.id)
        while len(self._kept) > settings().rankers_in_memory:
            self._kept.popitem(last=False)
        return self._kept[version.id]


_RANKERS = _Rankers()
