"""Chat's tables in Postgres, and the only SQL over them: store a document's chunks, find candidates, keep answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pgvector.sqlalchemy import Vector
from sqlalchemy import ARRAY, Connection, Row, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from services.chat.chunking import MOST_TOKENS
from services.chat.retrieval import CANDIDATES, Passage, Question, Ranked, Statistics, ranked
from shared.encoder import Encoder


def replace_chunks(
    connection: Connection,
    *,
    document: str,
    workspace: str,
    reading_key: str,
    language: str | None,
    encoder: str,
    chunks: Sequence[dict[str, Any]],
) -> None:
    """Make `chunks` the only ones of the document.

    Each is a dict of number, page, start_offset, end_offset, text, terms (a list, repeats included) and vector.
    """
    connection.execute(_FORGET, {"document": document})
    connection.execute(
        _INDEXED,
        {
            "document": document,
            "workspace": workspace,
            "reading_key": reading_key,
            "language": language,
            "encoder": encoder,
            "chunks": len(chunks),
            "terms": sum(len(chunk["terms"]) for chunk in chunks),
        },
    )
    rows = [
        chunk
        | {
            "workspace": workspace,
            "document": document,
            "language": language,
            "terms": _lexemes(workspace, chunk["terms"]),
        }
        for chunk in chunks
    ]
    if rows:
        connection.execute(_CHUNK, rows)


def statistics(connection: Connection, workspace: str) -> tuple[int, float, list[str | None]]:
    """Number of chunks, mean number of terms in one, and the languages, of a workspace."""
    row = connection.execute(_STATISTICS, {"workspace": workspace}).one()
    chunks = int(row.chunks or 0)
    return chunks, float(row.terms or 0) / max(chunks, 1), list(row.languages or [])


def candidates(
    connection: Connection,
    workspace: str,
    question_terms: Iterable[str],
    vector: NDArray[np.float32],
    documents: Sequence[str] | None = None,
) -> tuple[list[Passage], Statistics]:
    """The passages that share the rarest words with the question, and those whose vectors are nearest to it.

    `documents` None means all of the workspace. The statistics are those of the whole workspace.
    """
    chunks, mean_length, _ = statistics(connection, workspace)
    only = {"workspace": workspace, "documents": None if documents is None else list(documents), "most": CANDIDATES}
    asked = sorted(set(question_terms))
    queries = [f"{_quoted(workspace)} & {_quoted(term)}" for term in asked]
    hits = connection.execute(_BY_WORDS, only | {"terms": asked, "queries": queries, "chunks": chunks}).all()
    frequency = dict.fromkeys(asked, 0) | (hits[0].frequency if hits else {})
    # Without it, the index gives its nearest of ALL workspaces and the filter may leave none.
    connection.execute(text("SET hnsw.iterative_scan = 'relaxed_order'"))
    nearest = connection.execute(_BY_VECTOR, only | {"vector": vector}).scalars().all()
    ids = sorted({row.id for row in hits} | set(nearest))
    rows = connection.execute(_PASSAGES, {"ids": ids, "workspace": workspace, "vector": vector}).all()
    return [_passage(row) for row in rows], Statistics(chunks, mean_length, frequency)


def search(
    connection: Connection,
    workspace: str,
    question: Question,
    encoder: Encoder,
    documents: Sequence[str] | None = None,
) -> tuple[list[Ranked], Statistics]:
    """The passages of a workspace that answer a question best, best first, at most twice `CANDIDATES`."""
    vector = encoder.encode([question.text], MOST_TOKENS)[0]
    languages = statistics(connection, workspace)[2]
    passages, known = candidates(connection, workspace, question.all_terms(languages), vector, documents)
    return ranked(question, passages, known), known


def documents_of(connection: Connection, workspace: str, batch: str | None, language: str | None) -> list[str]:
    """The indexed documents of a workspace, of one batch and in one language where these are given."""
    chosen = {"workspace": workspace, "batch": batch, "language": language}
    return list(connection.execute(_CHOSEN, chosen).scalars())


def reading_keys(connection: Connection, workspace: str, documents: Iterable[str]) -> dict[str, str]:
    """Where the readings lie that the documents' chunks were cut from; foreign and missing ids are left out."""
    rows = connection.execute(_READING_KEYS, {"workspace": workspace, "documents": sorted(set(documents))})
    return {row.document_id: row.reading_key for row in rows}


def keep_answer(connection: Connection, row: dict[str, Any], documents: Iterable[str]) -> None:
    """Record an answer (the columns of `chat.answers` but the time) and the documents that it drew from."""
    connection.execute(_ANSWER, row)
    sources = [{"answer": row["id"], "document": document} for document in sorted(set(documents))]
    if sources:
        connection.execute(_SOURCE, sources)


def answer(connection: Connection, workspace: str, answer_id: str) -> Row[Any] | None:
    """The answer with that id in this workspace; None where there is none (any more)."""
    return connection.execute(_ANSWER_OF, {"id": answer_id, "workspace": workspace}).first()


def _passage(row: Row[Any]) -> Passage:
    return Passage(
        document=row.document_id,
        name=row.name,
        page=row.page,
        start=row.start_offset,
        end=row.end_offset,
        text=row.text,
        language=row.language,
        similarity=float(row.similarity),
    )


def _lexemes(workspace: str, terms: Sequence[str]) -> str:
    """A tsvector literal: each term with its positions, and the workspace."""
    places: dict[str, list[int]] = {}
    for place, term in enumerate(terms, start=1):
        places.setdefault(term, []).append(place)
    parts = [_quoted(workspace)]
    parts += [f"{_quoted(term)}:{','.join(map(str, found))}" for term, found in places.items()]
    return " ".join(parts)


def _quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


#: The key of a document's reading in the store.
READING = text("SELECT reading_key FROM ingest.published_readings WHERE document_id = :document")
_FORGET = text("DELETE FROM chat.indexed WHERE document_id = :document")
_INDEXED = text(
    "INSERT INTO chat.indexed (document_id, workspace_id, reading_key, language, encoder, chunks, terms)"
    " VALUES (:document, :workspace, :reading_key, :language, :encoder, :chunks, :terms)"
)
_CHUNK = text(
    "INSERT INTO chat.chunks"
    " (workspace_id, document_id, number, page, start_offset, end_offset, language, text, terms, vector) VALUES"
    " (:workspace, :document, :number, :page, :start_offset, :end_offset, :language, :text,"
    "  CAST(CAST(:terms AS text) AS tsvector), :vector)"
).bindparams(bindparam("vector", type_=Vector(384)))
_STATISTICS = text(
    "SELECT sum(chunks) AS chunks, sum(terms) AS terms, array_agg(DISTINCT language) AS languages"
    " FROM chat.indexed WHERE workspace_id = :workspace"
)
_BY_WORDS = text(
    # The weight is the sum of the terms' inverse document frequencies, as in services/chat/retrieval.py; the full
    # formula, which needs each chunk's own counts, is computed for the candidates alone.
    "WITH asked AS (SELECT * FROM unnest(CAST(:terms AS text[]), CAST(:queries AS text[])) AS asked(term, query)),"
    " hits AS MATERIALIZED (SELECT asked.term, chunks.id FROM asked"
    "  JOIN chat.chunks ON chunks.terms @@ CAST(asked.query AS tsquery)"
    "  AND (CAST(:documents AS text[]) IS NULL OR chunks.document_id = ANY(CAST(:documents AS text[])))),"
    " frequency AS (SELECT term, count(*) AS found FROM hits GROUP BY term)"
    " SELECT id, (SELECT jsonb_object_agg(term, found) FROM frequency) AS frequency"
    " FROM hits JOIN frequency USING (term) GROUP BY id"
    " ORDER BY sum(ln(1 + (:chunks - found + 0.5) / (found + 0.5))) DESC, id LIMIT :most"
).bindparams(bindparam("documents", type_=ARRAY(Text)), bindparam("terms", type_=ARRAY(Text)))
_BY_VECTOR = text(
    "SELECT id FROM chat.chunks WHERE workspace_id = :workspace"
    " AND (CAST(:documents AS text[]) IS NULL OR document_id = ANY(CAST(:documents AS text[])))"
    " ORDER BY vector <=> :vector LIMIT :most"
).bindparams(bindparam("vector", type_=Vector(384)), bindparam("documents", type_=ARRAY(Text)))
_PASSAGES = text(
    "SELECT chunks.document_id, documents.name, page, start_offset, end_offset, chunks.text, language,"
    " 1 - (vector <=> :vector) AS similarity"
    " FROM chat.chunks JOIN ledger.documents ON documents.id = chunks.document_id"
    " WHERE chunks.id = ANY(:ids) AND chunks.workspace_id = :workspace ORDER BY chunks.id"
).bindparams(bindparam("vector", type_=Vector(384)))
_CHOSEN = text(
    "SELECT indexed.document_id FROM chat.indexed JOIN ledger.documents ON documents.id = indexed.document_id"
    " WHERE indexed.workspace_id = :workspace AND (CAST(:batch AS text) IS NULL OR documents.batch_id = :batch)"
    " AND (CAST(:language AS text) IS NULL OR indexed.language = :language) ORDER BY 1"
)
_READING_KEYS = text(
    "SELECT document_id, reading_key FROM chat.indexed"
    " WHERE workspace_id = :workspace AND document_id = ANY(:documents)"
)
_ANSWER = text(
    "INSERT INTO chat.answers"
    " (id, workspace_id, question, content, abstained, engine, model, annotations, passages, asked_by)"
    " VALUES (:id, :workspace, :question, :content, :abstained, :engine, :model, :annotations, :passages, :asked_by)"
).bindparams(bindparam("annotations", type_=JSONB), bindparam("passages", type_=JSONB))
_SOURCE = text("INSERT INTO chat.sources (answer_id, document_id) VALUES (:answer, :document)")
_ANSWER_OF = text("SELECT * FROM chat.answers WHERE id = :id AND workspace_id = :workspace")
