"""Queue in: make a document findable."""

from __future__ import annotations

from pathlib import Path

from services.chat import tables
from services.chat.chunking import MOST_TOKENS, chunks
from services.chat.settings import encoder
from services.chat.terms import terms
from shared.documents import decode
from shared.errors import NotFound
from shared.jobs import Index, Job
from shared.ledger import Work
from shared.queues import handles

#: Chunks that are encoded between two signs of progress.
STRIDE = 64


# A thousand dense pages are about 6,000 chunks: 6 minutes at 16 a second (one core, bench retrieve, 2026-11).
@handles(Index, soft_time_limit_s=1800)
def index(job: Index, work: Work) -> list[Job]:
    """Cut the document into chunks and store them with their terms and vectors.

    Idempotent: the document's chunks are replaced. Raises NotFound where it has not been read.
    """
    key = work.read.execute(tables.READING, {"document": job.document}).scalar()
    if key is None:
        raise NotFound(f"Document {job.document} has not been read yet.")
    reading = decode(work.store.get(key))
    cut = chunks(reading)
    model = encoder(Path(work.cache))
    rows = []
    for first in range(0, len(cut), STRIDE):
        some = cut[first : first + STRIDE]
        vectors = model.encode([chunk.text for chunk in some], MOST_TOKENS)
        for chunk, vector in zip(some, vectors, strict=True):
            rows.append(
                {
                    "number": chunk.number,
                    "page": chunk.page,
                    "start_offset": chunk.start,
                    "end_offset": chunk.end,
                    "text": chunk.text,
                    "terms": terms(chunk.text, reading.language),
                    "vector": vector,
                }
            )
    tables.replace_chunks(
        work.write,
        document=job.document,
        workspace=work.workspace,
        reading_key=key,
        language=reading.language,
        encoder=model.name,
        chunks=rows,
    )
    return []
