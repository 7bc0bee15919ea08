"""What is in a set of instruction records, before hours are spent on it: a report, and what to refuse.

Reported: duplicates, records whose answer is lost when they are cut, leakage from what is learned to what is measured
(by document, and by likeness), lengths, and how much looks like personal data. Nothing is changed and no text is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from zlib import crc32

from shared.errors import Refused

#: Two texts count as the same where so much of their word triples is shared (Jaccard; Lee et al. 2022,
#: arXiv:2107.06499, take 0.8).
ALIKE = 0.8
_WORDS_EACH = 3
#: Hash functions and rows of a band: two texts that are ALIKE meet in a band with probability 0.9996, and are then
#: compared in full (Leskovec et al., Mining of Massive Datasets, section 3.4).
_HASHES, _ROWS = 64, 4
_PRIME = (1 << 61) - 1
_PERSONAL = {
    "e-mail": re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b"),
    "IBAN": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "telephone": re.compile(r"(?<![\w/])\+\d{2,3}(?:[ /.-]?\d{2,4}){2,5}\b"),
    "date": re.compile(r"\b\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d\b"),
    "card": re.compile(r"(?<!\d)(?<!\d[ -])(?:\d{4}[ -]){3}\d{4}\b"),
}


@dataclass(frozen=True)
class Report:
    """Counts of records, but `lengths` in tokens (or characters where there is no tokenizer): median, p95, most.

    `mute` lose their whole answer when cut; `leaked_documents` and `alike` are learned from and measured on at once.
    `personal` counts records by the kind of personal data found, none of which is shown.
    """

    records: int
    held_out: int
    duplicates: int
    mute: int
    leaked_documents: int
    alike: int
    lengths: dict[str, int]
    personal: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """The report as it is kept with a run."""
        return asdict(self)


def report(
    records: Sequence[dict[str, Any]],
    held_out: Sequence[dict[str, Any]] = (),
    tokenizer: Any = None,
    length: int | None = None,
) -> Report:
    """Look at what is learned from and measured on; with a tokenizer, also at what is left within `length` tokens."""
    texts, others = [_text(record) for record in records], [_text(record) for record in held_out]
    sizes, mute = _sizes(records, tokenizer, length)
    ordered = sorted(sizes) or [0]
    documents = {record.get("document") for record in records} - {None}
    return Report(
        records=len(records),
        held_out=len(held_out),
        duplicates=len(texts) - len(set(texts)),
        mute=mute,
        leaked_documents=len(documents & {record.get("document") for record in held_out}),
        alike=len(alike(texts, others)),
        lengths={
            "median": ordered[len(ordered) // 2],
            "p95": ordered[int(len(ordered) * 0.95)],
            "most": ordered[-1],
        },
        personal=dict(Counter(kind for text in texts for kind, found in _PERSONAL.items() if found.search(text))),
    )


def check(found: Report) -> None:
    """Raise Refused where a run would learn nothing, or would be measured on what it has learned."""
    if not found.records:
        raise Refused("There are no records to learn from.", action="Correct documents in the review queue first.")
    if found.mute:
        raise Refused(
            f"{found.mute} of {found.records} records lose their answer when they are cut.",
            action="Raise `length`, or shorten the prompts.",
            code="no_label_tokens",
        )
    if found.leaked_documents:
        raise Refused(
            f"{found.leaked_documents} documents are both learned from and measured on.",
            action="Hold whole documents out.",
            code="leakage",
        )


def alike(texts: Sequence[str], others: Sequence[str]) -> set[int]:
    """The places in `others` of texts that are nearly the same as one of `texts`."""
    ours, theirs = [_triples(text) for text in texts], [_triples(text) for text in others]
    buckets: dict[tuple[int, ...], list[int]] = {}
    for place, triples in enumerate(ours):
        for band in _bands(triples):
            buckets.setdefault(band, []).append(place)
    return {
        place
        for place, triples in enumerate(theirs)
        if any(
            _jaccard(triples, ours[candidate]) >= ALIKE
            for candidate in {found for band in _bands(triples) for found in buckets.get(band, ())}
        )
    }


def _text(record: dict[str, Any]) -> str:
    return "\n".join(message["content"] for message in record["messages"])


def _triples(text: str) -> frozenset[int]:
    words = re.findall(r"\w+", text.casefold())
    spans = range(max(len(words) - _WORDS_EACH + 1, 1))
    return frozenset(crc32(" ".join(words[at : at + _WORDS_EACH]).encode()) for at in spans)


def _bands(triples: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """MinHash signature in bands, each with its number (Broder 1997)."""
    known = list(triples)
    for first in range(0, _HASHES, _ROWS):
        signature = (
            min((one * (2 * number + 3) * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9) % _PRIME for one in known)
            for number in range(first, first + _ROWS)
        )
        yield (first, *signature)


def _jaccard(some: frozenset[int], others: frozenset[int]) -> float:
    return len(some & others) / len(some | others)


def _sizes(records: Sequence[dict[str, Any]], tokenizer: Any, length: int | None) -> tuple[list[int], int]:
    """The length of each record, and how many have no answer within `length`."""
    if tokenizer is None:
        return [len(_text(record)) for record in records], 0
    from services.train.instructions import NO_LABEL, tokenized  # needs torch

    examples = tokenized(records, tokenizer)
    mute = 0 if length is None else sum(set(example.labels[1:length]) <= {NO_LABEL} for example in examples)
    return [len(example.ids) for example in examples], mute
