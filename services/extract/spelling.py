"""How people want names written: learned from what they typed beside what was printed.

"PALM, INC." printed and "Palm Inc." typed, often enough, teach that the comma goes and that the token is "Inc.".
A name that comes again is written the way it was written before. Only spelling is learned, never another value:
printed and typed must be the same letters and digits.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

_Answer = TypeVar("_Answer")

_LEGAL_FORMS = {"incorporated": "inc", "limited": "ltd", "corporation": "corp", "company": "co"}
#: A rewriting is kept when it was seen this often and held in this share of the cases.
_SEEN, _SHARE = 2, 0.6
_STRAIGHT = str.maketrans("‘’“”", "''\"\"")
#: Fewer letters are no name whose spelling is worth keeping whole.
_SHORTEST_NAME = 6


@dataclass(frozen=True)
class Spelling:
    """Learned rewritings: whole tokens, what to do with commas, and how lines are joined.

    `usual` is how whole names are written, by `same_name`. The default changes nothing but line breaks, which
    become blanks.
    """

    usual: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    comma_goes_before: frozenset[str] = frozenset()
    blank_after_comma: bool = False
    no_blank_before_comma: bool = False
    straight_quotes: bool = False
    comma_between_lines: bool = False

    def __call__(self, printed: str) -> str:
        """`printed` as people would write it."""
        if (written_before := self.usual.get(same_name(printed))) is not None:
            return written_before
        text = printed.translate(_STRAIGHT) if self.straight_quotes else printed
        text = re.sub(r"(?<=\w)[ \t]+,", ",", text) if self.no_blank_before_comma else text
        text = re.sub(r"(?<![,\s])\s*\n", ", ", text) if self.comma_between_lines else text
        text = re.sub(r",(?=[^\s\d])", ", ", text) if self.blank_after_comma else text
        words = text.split()
        written: list[str] = []
        for place, word in enumerate(words):
            bare = word.rstrip(",")
            following = letters(words[place + 1]) if place + 1 < len(words) else ""
            keeps_comma = word != bare and following not in self.comma_goes_before
            new = self.tokens.get(bare.casefold(), bare)
            if new:
                written.append(new + ("," if keeps_comma else ""))
        return " ".join(written)


def letters(text: str) -> str:
    """What two spellings of one name have in common: letters and digits, "&" as "and", legal forms short."""
    folded = text.casefold().replace("&", " and ")
    if not folded.isascii():
        folded = unicodedata.normalize("NFKD", folded)
        folded = "".join(one for one in folded if not unicodedata.combining(one))
    words = re.findall(r"\w+", re.sub(r"[.'’`´]", "", folded))
    return "".join([_LEGAL_FORMS.get(word, word) for word in words])


def same_name(text: str) -> str:
    """Equal for two spellings of one name: the same letters, and the same numbers between them."""
    return f"{letters(text)} {','.join(re.findall(r'[0-9]+', text))}"


def learned_usual(spelling: Spelling, written: Sequence[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """How names that were typed for several documents are written, by `same_name`.

    `written` has what is printed and what was typed for each document. A name is kept where its usual writing was
    right more often than `spelling` of what is printed, judged on the documents that differ, each by the others.
    """
    typed = [{value for value in values if len(letters(value)) >= _SHORTEST_NAME} for _, values in written]
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for values in typed:
        for value in values:
            seen[same_name(value)][value] += 1
    gain: Counter[str] = Counter()
    for (printed, _), values in zip(written, typed, strict=True):
        name, by_rule = same_name(printed), spelling(printed)
        usual = _agreed(seen.get(name, Counter()) - Counter(dict.fromkeys(values, 1)))
        if usual is not None and _plain(usual) != _plain(by_rule):
            wanted = {_plain(value) for value in values}
            gain[name] += (_plain(usual) in wanted) - (_plain(by_rule) in wanted)
    return {name: usual for name, each in seen.items() if gain[name] > 0 and (usual := _agreed(each)) is not None}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def learned_spelling(pairs: Iterable[tuple[str, str]]) -> Spelling:
    """The rewritings that (printed, typed) pairs agree on; pairs of different letters are passed over."""
    tokens: dict[str, Counter[str]] = defaultdict(Counter)
    commas: dict[str, Counter[bool]] = defaultdict(Counter)
    blanks: Counter[bool] = Counter()
    before: Counter[bool] = Counter()
    quotes: Counter[bool] = Counter()
    joints: Counter[bool] = Counter()
    for printed, typed in pairs:
        if letters(printed) != letters(typed):
            continue
        bare_joints = len(re.findall(r"[^,\s]\s*\n", printed))
        if bare_joints:
            joints[typed.count(",") - printed.count(",") >= bare_joints] += 1
        for _ in re.finditer(r",(?=[^\s\d])", printed):
            blanks[not re.search(r",(?=[^\s\d])", typed)] += 1
        for _ in re.finditer(r"(?<=\w)[ \t]+,", printed):
            before[not re.search(r"(?<=\w)[ \t]+,", typed)] += 1
        if printed != printed.translate(_STRAIGHT):
            quotes[typed == typed.translate(_STRAIGHT)] += 1
        _learn_tokens(printed, typed, tokens, commas)
    return Spelling(
        tokens={token: new for token, seen in tokens.items() if (new := _agreed(seen))},
        comma_goes_before=frozenset(word for word, seen in commas.items() if _agreed(seen) is True),
        blank_after_comma=_agreed(blanks) is True,
        no_blank_before_comma=_agreed(before) is True,
        straight_quotes=_agreed(quotes) is True,
        comma_between_lines=_agreed(joints) is True,
    )


def _learn_tokens(printed: str, typed: str, tokens: dict[str, Counter[str]], commas: dict[str, Counter[bool]]) -> None:
    before, after = printed.split(), typed.split()
    if len(before) != len(after):
        return
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        if letters(old) != letters(new):
            return
        # Capitals do not count, so a token is worth learning only where its marks or its form changed.
        changed = old.rstrip(",").casefold() != new.rstrip(",").casefold()
        tokens[old.rstrip(",").casefold()][new.rstrip(",") if changed else ""] += 1
        if old.endswith(",") and place + 1 < len(before):
            commas[letters(before[place + 1])][not new.endswith(",")] += 1


def _agreed(seen: Counter[_Answer]) -> _Answer | None:
    if not seen:
        return None
    answer, count = seen.most_common(1)[0]
    return answer if count >= _SEEN and count >= _SHARE * seen.total() else None
