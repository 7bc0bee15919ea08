"""Every message on a queue: identities only, never content.

A handler takes one of these and returns the ones that follow, so the whole flow can be read here:

    Read ──▶ Classify ──▶ Extract ──▶ Check
      └────▶ Index                            Fit ──▶ Settle        Deliver   Collect

Changing a job: add an optional field, deploy its handler first, then its sender; the golden JSON in
`tests/contracts/` moves in the same commit.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

ServiceName = Literal["ingest", "classify", "extract", "review", "chat", "train"]


class Job(BaseModel):
    """Base of all jobs: frozen, no unknown fields, JSON on the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: The name on the wire, noun.verb; the noun is the service that handles it.
    name: ClassVar[str]

    @classmethod
    def service(cls) -> str:
        """The service whose queue carries this job."""
        return cls.name.partition(".")[0]


class DocumentJob(Job):
    """A job about one document; the document is done when none of its jobs is open."""

    document: str


class Read(DocumentJob):
    """Turn the original into a reading.

    Sent by ingest's API for each new file, by ingest's handler for each attachment, and on retry. Handled by
    ingest. Leaves the reading and the page images in the store and a row in `ingest.readings`; children become
    documents of their own. Followed by Classify and Index.
    """

    name: ClassVar[str] = "ingest.read"


class Classify(DocumentJob):
    """Say what the document is.

    Sent by ingest's handler, and for documents to look at again after a promotion. Handled by classify. Leaves a
    row in `classify.classes`. Followed by Extract.
    """

    name: ClassVar[str] = "classify.classify"


class Extract(DocumentJob):
    """Fill the fields that the document's class calls for.

    Sent by classify's handler, and by review when a person corrects the class. Handled by extract. Leaves rows
    in `extract.fields`. Followed by Check.
    """

    name: ClassVar[str] = "extract.extract"


class Check(DocumentJob):
    """Decide whether a person must look.

    Sent by extract's handler. Handled by review. Leaves a row in `review.verdicts`. Nothing follows.
    """

    name: ClassVar[str] = "review.check"


class Index(DocumentJob):
    """Make the document findable.

    Sent by ingest's handler. Handled by chat. Leaves rows in `chat.chunks`. Nothing follows.
    """

    name: ClassVar[str] = "chat.index"


class Deliver(Job):
    """Post an event to somebody's webhook.

    Sent by ingest's regular look at what has ended, by Deliver itself when the receiver did not take it, and on
    replay. Handled by ingest. Leaves the outcome in `ingest.deliveries`. Followed by Deliver, later, until it was
    taken or given up.
    """

    name: ClassVar[str] = "ingest.deliver"
    delivery: str


class Collect(Job):
    """Remove what nobody points at: expired uploads, and bytes whose rows were never written.

    Sent by ingest regularly, one for each workspace. Handled by ingest. Leaves fewer objects in the store. Nothing
    follows.
    """

    name: ClassVar[str] = "ingest.collect"
    workspace: str


class FitClassifier(Job):
    """Learn the classifier of a workspace from its labels.

    Sent by train's API with a run it has recorded. Handled by classify, which alone knows how. Leaves the model
    in the store and a version in the registry. Followed by Settle.
    """

    name: ClassVar[str] = "classify.fit"
    run: str


class FitExtractor(Job):
    """Learn the extraction ranker of a workspace from its field labels.

    Sent by train's API. Handled by extract. Leaves the model in the store and a version in the registry.
    Followed by Settle.
    """

    name: ClassVar[str] = "extract.fit"
    run: str


class Settle(Job):
    """Close a run: record its metrics, and promote its version if the run asked for that and the gate allows.

    Sent by the handler that did the learning. Handled by train. Leaves the run's end state in `train.runs`.
    """

    name: ClassVar[str] = "train.settle"
    run: str
    version: str


#: Every job by its wire name. The queue refuses what is not here.
JOBS: dict[str, type[Job]] = {
    job.name: job
    for job in (Read, Classify, Extract, Check, Index, Deliver, Collect, FitClassifier, FitExtractor, Settle)
}


def parse(name: str, body: object) -> Job:
    """The job called `name` with that body; raises ValueError on an unknown name or a body that does not fit."""
    if name not in JOBS:
        raise ValueError(f"no job is called {name!r}; known: {', '.join(sorted(JOBS))}")
    return JOBS[name].model_validate(body)
