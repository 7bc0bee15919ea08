"""Mail to learn a language from, without a label: documents of other seeds, and questions that the page answers.

A lesson is a conversation: the document and a first question, its answer, then more questions. What is asked is what
stands printed beside the answer (its title, "N° de police?", the words before a number), never a class and never a
field of the schemas. So a model that learned here has seen the insurer's language, and still has to be taught what the
desk wants to know. Half of the lessons leave the title out of the document: it must then be told from the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from samples import office, plan
from samples.draft import Draft
from samples.sheet import Pairs, Sheet

#: Far from any seed that documents are made of to be sorted or measured with.
FIRST_SEED = 500_000
#: What is shown of a document, in characters.
SHOWN = 500
#: The beginning of a document may be missing, up to so many characters.
LEFT_OUT = 250
_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9./-]{4,}[A-Z0-9]")

#: The turns of a conversation, the asker first: question, answer, question, answer …
Lesson = list[tuple[str, str]]


def lessons(count: int, seed: int = FIRST_SEED) -> Iterator[Lesson]:
    """`count` lessons; the same for the same seed."""
    random = Random(seed)
    while count > 0:
        for planned in plan.documents(seed)[:count]:
            draft = Draft(Random(planned.seed), planned.leaf, planned.language)
            yield lesson(planned.maker(draft), random)
            count -= 1
        seed += 1


def lesson(sheet: Sheet, random: Random) -> Lesson:
    """One document and what is printed on it, in a random order."""
    lines = lines_of(office.text(sheet))
    if random.random() < 0.5:
        lines = [line for line in lines if line != sheet.title]
    start = random.choice((0, random.randrange(LEFT_OUT)))
    shown = "\n".join(lines)[start : start + SHOWN]
    asked = [("Title?", sheet.title), *_printed_pairs(sheet, shown, random), *_before_numbers(shown, random)]
    random.shuffle(asked)
    (question, answer), *others = asked
    return [(f"{shown}\n\n{question}", answer), *others]


def lines_of(text: str) -> list[str]:
    """The lines of a text that say something: no empty ones, no rules."""
    return [line.strip() for line in text.splitlines() if line.strip(" -_=|")]


def _printed_pairs(sheet: Sheet, shown: str, random: Random) -> Lesson:
    rows = [row for block in sheet.blocks if isinstance(block, Pairs) for row in block.rows] + list(sheet.references)
    there = [(f"{label}?", value) for label, value in rows if value and value in shown and len(value) < 40]
    random.shuffle(there)
    return there[:4]


def _before_numbers(shown: str, random: Random) -> Lesson:
    found = list(_NUMBER.finditer(shown))
    random.shuffle(found)
    asked = []
    for number in found[:3]:
        words = shown[: number.start()].rpartition("\n")[2].split()[-3:]
        if words:
            asked.append((f"{' '.join(words)} …?", number.group()))
    return asked
