"""The facts that answer a question, looked up in the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from services.chat.answering import Answer
from services.chat.api.passages import readings_of_documents
from services.chat.known import NEVER, Fact, core, matching, named_classes
from services.chat.questions import kind_of
from services.chat.retrieval import Question, Ranked, Statistics
from services.chat.settings import encoder
from services.chat.stating import stated
from services.chat.tables import statements
from shared.desk import Desk


def known_answer(
    desk: Desk,
    connection: Connection,
    workspace: str,
    question: Question,
    found: Sequence[Ranked],
    statistics: Statistics,
    documents: Sequence[str] | None,
) -> Answer | None:
    """The answer that extracted or stated values give; None where the question does not ask for one of them.

    Looks at the documents of the passages that were found, and at those of the classes that the question names;
    `documents` limits both.
    """
    if kind_of(question.text) in NEVER:
        return None
    words_of_class = statements.class_words(connection, workspace)
    classes = named_classes(question, words_of_class)
    near = {one.passage.document for one in found}
    near |= set(statements.documents_of_classes(connection, workspace, classes, documents))
    facts = statements.facts(connection, workspace, near)
    matches = matching(question, facts, words_of_class, found, statistics, _nearness(desk, question, facts))
    readings = readings_of_documents(desk, connection, workspace, {match.fact.document for match in matches[:50]})
    return stated(question.text, matches, readings)


def _nearness(desk: Desk, question: Question, facts: Sequence[Fact]) -> dict[str, float]:
    """The cosine between the question's core and the name and the description of each field."""
    asked = encoder(desk.cache).encode([core(question, facts)])[0]
    labels = {label for fact in facts for label in fact.labels[:2]}
    return {label: float(_vector(desk.cache, label) @ asked) for label in labels}


@lru_cache(maxsize=10_000)
def _vector(cache: Path, label: str) -> NDArray[np.float32]:
    """The unit vector of a field's name or description: there are few of them, and every question needs all."""
    vector: NDArray[np.float32] = encoder(cache).encode([label])[0]
    return vector
