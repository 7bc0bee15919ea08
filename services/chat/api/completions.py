"""Questions in OpenAI's form, and the answers that were given."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from fastapi import APIRouter, Depends, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from services.chat import tables
from services.chat.answering import MOST_READ, Answer, extracted, generated
from services.chat.api.facts import known_answer
from services.chat.api.passages import MOST_CHARACTERS, readings_of, shown
from services.chat.retrieval import Question, Ranked, Statistics
from services.chat.settings import encoder
from shared import access, ledger
from shared.access import Caller
from shared.desk import Desk
from shared.documents import Reading
from shared.errors import DossierError, NotFound, Refused, Unavailable
from shared.generation import Message
from shared.http import desk, reader

router = APIRouter(tags=["chat"])

#: The models of the completions route. The first takes the second where a generation server answers, else the third.
MODELS = ("dossier", "generated", "extractive")
#: Turns of the conversation that a model is shown.
MOST_TURNS = 6


class Part(BaseModel):
    """A part of a message; only text is understood."""

    type: Literal["text"]
    text: str


class Turn(BaseModel):
    """One message of the conversation, in OpenAI's form; what else it carries is ignored."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]

    def text(self) -> str:
        """The message as one text."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class Completion(BaseModel):
    """A request in OpenAI's form. Sampling options are accepted and ignored: answers are to be the same each time.

    `metadata.documents` limits the search; it may be a list or, as OpenAI's clients demand, a text with commas.
    """

    model: str = MODELS[0]
    messages: list[Turn] = Field(min_length=1, max_length=1000)
    stream: bool = False
    metadata: dict[str, Any] = Field(default_factory=dict)

    def question(self) -> str:
        """The last thing the user said; with what was said before where it is only a few words.

        Raises Refused where there is none, or where it is too long.
        """
        asked = [turn.text().strip() for turn in self.messages if turn.role == "user"]
        if not asked or not asked[-1]:
            raise Refused("There is no question: no message with the role user has a text.", code="no_question")
        if len(asked[-1]) > MOST_CHARACTERS:
            raise Refused(f"A question has at most {MOST_CHARACTERS} characters, this one {len(asked[-1])}.")
        follows = len(asked) > 1 and len(asked[-1].split()) < 4
        return f"{asked[-2]} {asked[-1]}" if follows else asked[-1]

    def history(self) -> list[Message]:
        """What was said before the last question, newest last. Roles that would give orders are left out."""
        before = [turn for turn in self.messages if turn.role in ("user", "assistant")][:-1]
        return [Message("user" if turn.role == "user" else "assistant", turn.text()) for turn in before[-MOST_TURNS:]]

    def documents(self) -> list[str] | None:
        """The ids of `metadata.documents`; None where it is absent."""
        given = self.metadata.get("documents")
        if given is None or (isinstance(given, list) and all(isinstance(one, str) for one in given)):
            return given
        if isinstance(given, str):
            return [one for one in re.split(r"[,\s]+", given) if one]
        raise Refused("metadata.documents must be a list of document ids.", code="invalid_request")


@router.get("/models")
def models(caller: Caller = Depends(reader)) -> dict[str, Any]:
    """The models of the completions route, in OpenAI's form."""
    return {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "dossier"} for name in MODELS]}


@router.post("/chat/completions", response_model=None)
def complete(
    asked: Completion, caller: Caller = Depends(reader), desk: Desk = Depends(desk)
) -> dict[str, Any] | Response:
    """Answer the last question from the documents, with citations; a stream of events where `stream` is true."""
    if asked.model not in MODELS:
        raise Refused(f"There is no model {asked.model!r}.", action=f"The models are {', '.join(MODELS)}.")
    if asked.model == "generated" and desk.generator is None:
        raise Refused(
            "No generation server is configured.", action="Set DOSSIER_GENERATION_URL, or ask the model 'extractive'."
        )
    conversation = _Conversation(desk, caller, asked)
    if asked.stream:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(conversation.events(), media_type="text/event-stream", headers=headers)
    for _ in conversation.pieces():
        pass
    return conversation.whole()


@router.get("/answers/{answer_id}")
def answer(answer_id: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """An answer that was given, with its citations and the passages it was drawn from."""
    with desk.engine.connect() as connection:
        row = tables.answer(connection, caller.workspace, answer_id)
    if row is None:
        raise NotFound(f"There is no answer {answer_id}.", action="It may have gone with a document it quoted.")
    return {
        "id": row.id,
        "question": row.question,
        "content": row.content,
        "abstained": row.abstained,
        "engine": row.engine,
        "model": row.model,
        "annotations": row.annotations,
        "passages": row.passages,
        "created_at": row.created_at.isoformat(),
    }


class _Conversation:
    """One request: found passages, an answer in the making, and its record."""

    def __init__(self, desk: Desk, caller: Caller, asked: Completion) -> None:
        self.desk, self.caller, self.asked = desk, caller, asked
        self.id = ledger.new_id("ans")
        self.created = int(time.time())
        self.question = Question(asked.question())
        with desk.engine.connect() as connection:
            self.found, self.statistics = tables.search(
                connection, caller.workspace, self.question, encoder(desk.cache), asked.documents()
            )
            self.known = None
            if asked.model != "generated":
                self.known = known_answer(
                    desk, connection, caller.workspace, self.question, self.found, self.statistics, asked.documents()
                )
            self.readings = readings_of(desk, connection, caller.workspace, self.found[:MOST_READ])
        self.found = [one for one in self.found[:MOST_READ] if one.passage.document in self.readings]
        self.answer: Answer | None = None

    def pieces(self) -> Iterator[str]:
        """The text of the answer as it is made; the record is kept when it is whole."""
        answered = (
            _spoken(self.known)
            if self.known is not None
            else _answered(self.desk, self.asked, self.question, self.found, self.readings, self.statistics)
        )
        for item in answered:
            if isinstance(item, Answer):
                self.answer = item
                self._keep(item)
            else:
                yield item

    def whole(self) -> dict[str, Any]:
        """The answer as a chat.completion."""
        made = self._made()
        message = {
            "role": "assistant",
            "content": made.content,
            "refusal": None,
            "annotations": _annotations(made),
        }
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return self._frame("chat.completion") | {"choices": [choice], "usage": usage}

    def events(self) -> Iterator[str]:
        """The answer as server-sent events; an error after the first piece is an event of its own."""
        yield self._event({"role": "assistant", "content": ""})
        try:
            for piece in self.pieces():
                yield self._event({"content": piece})
            yield self._event({"annotations": _annotations(self._made())})
            yield self._event({}, finish_reason="stop")
        except DossierError as wrong:
            error = {"message": wrong.public, "code": wrong.code, "action": wrong.action, "type": "server_error"}
            yield f"data: {json.dumps({'error': error})}\n\n"
        yield "data: [DONE]\n\n"

    def _made(self) -> Answer:
        if self.answer is None:
            raise RuntimeError("the answer is read before it was made")
        return self.answer

    def _frame(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.asked.model}

    def _event(self, delta: dict[str, Any], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        body = self._frame("chat.completion.chunk") | {"choices": [choice]}
        return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"

    def _keep(self, made: Answer) -> None:
        row = {
            "id": self.id,
            "workspace": self.caller.workspace,
            "question": self.question.text,
            "content": made.content,
            "abstained": made.abstained,
            "engine": made.engine,
            "model": made.model,
            "annotations": _annotations(made),
            "passages": [shown(one, self.readings) for one in self.found],
            "asked_by": self.caller.name,
        }
        documents = {one.passage.document for one in self.found}
        documents |= {citation.evidence.document for citation in made.citations}
        with self.desk.transaction() as connection:
            tables.keep_answer(connection, row, documents)
            access.record(connection, self.caller.workspace, self.caller.name, "answer.ask", self.id)


def _answered(
    desk: Desk,
    asked: Completion,
    question: Question,
    found: Sequence[Ranked],
    readings: dict[str, Reading],
    statistics: Statistics,
) -> Iterator[str | Answer]:
    """The answer of the engine that was asked for; where none was and the server is down, of the reader."""
    if desk.generator is not None and asked.model != "extractive":
        begun = False
        try:
            for item in generated(question.text, found, readings, desk.generator, asked.history()):
                begun = True
                yield item
            return
        except (Unavailable, Refused):
            if begun or asked.model == "generated":
                raise
    quoted = extracted(question, found, readings, statistics, encoder(desk.cache), named=asked.documents() is not None)
    yield from _spoken(quoted)


def _spoken(answer: Answer) -> Iterator[str | Answer]:
    """A whole answer word by word, then itself."""
    yield from re.findall(r"\S*\s+|\S+", answer.content)
    yield answer


def _annotations(made: Answer) -> list[dict[str, Any]]:
    return [
        {
            "type": "document_citation",
            "document_citation": {
                "document": citation.evidence.document,
                "name": citation.name,
                "page": citation.evidence.page,
                "start": citation.evidence.start,
                "end": citation.evidence.end,
                "quote": citation.evidence.quote,
                "boxes": citation.evidence.boxes,
                "content_start": citation.content_start,
                "content_end": citation.content_end,
            },
        }
        for citation in made.citations
    ]
