"""The questions of the loop: what a small model is taught from the samples, and what it is measured on.

Two questions that a model of a few million parameters can learn in minutes: which class a document has (a choice among
the leaves), and which of the numbers on it is the claim's, if any (a choice among the strings that look like one).
Taught on
the documents that the samples give to learn from, measured on the others. The documents' texts and the taxonomy come
from whoever calls; nothing is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from services.train.choosing import Question

#: What is shown of a document, in characters: letterhead, subject, first sentences.
SHOWN = 500
#: To learn from, each document is also shown without its beginning: up to so many characters are left out.
LEFT_OUT = 250
CLASS, FIELD = "class", "claim_number"
ASKED = {CLASS: "Class?", FIELD: "Claim number?"}
OUT_OF_SCOPE, ABSENT = "out of scope", "none"
#: What might be the number of something.
_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9./-]{4,}[A-Z0-9]")
_LEAST_DIGITS = 4


def shown(text: str, start: int = 0) -> str:
    """The beginning of a document without empty lines and rules, from character `start` on."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line.strip(" -_=|"))[start : start + SHOWN]


def questions(
    gold: Iterable[Mapping[str, Any]], texts: Mapping[str, str], leaves: Sequence[str], *, split: str, views: int = 1
) -> list[Question]:
    """The questions about the documents of `split` ("label" or "measure"), each document in `views` sections.

    A field's question is left out where its answer is not in the section that is shown.
    """
    random = Random(0)
    found: list[Question] = []
    for record in gold:
        if record["split"] == split and record["file"] in texts:
            starts = [0, *(random.randrange(LEFT_OUT) for _ in range(views - 1))]
            for start in starts:
                found += _about(record, shown(texts[record["file"]], start), (*leaves, OUT_OF_SCOPE))
    return found


def numbers(text: str) -> tuple[str, ...]:
    """The strings of `text` that might be the number of something, each once, in their order."""
    found = (match.group() for match in _NUMBER.finditer(text))
    return tuple(dict.fromkeys(one for one in found if sum(map(str.isdigit, one)) >= _LEAST_DIGITS))


def _about(record: Mapping[str, Any], section: str, classes: tuple[str, ...]) -> Iterator[Question]:
    path = " / ".join(record["path"]) or OUT_OF_SCOPE
    yield Question(record["file"], CLASS, f"{section}\n\n{ASKED[CLASS]}", classes, path)
    if FIELD in record["fields"]:
        answer, choices = record["fields"][FIELD] or ABSENT, (*numbers(section), ABSENT)
        if answer in choices:
            yield Question(record["file"], FIELD, f"{section}\n\n{ASKED[FIELD]}", choices, answer)
