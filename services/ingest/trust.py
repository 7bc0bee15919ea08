"""Whether the text layer of a PDF page says what the page shows, told from the words alone.

Scanners and broken fonts leave layers of private characters, boxes and letter salad; such a page is recognised
from its picture instead.
"""

from __future__ import annotations

import re

#: Fewer words than this say nothing by statistics.
_ENOUGH_WORDS = 15
#: Where a picture covers this much of a page, a layer of a few words is a stamp or a fax line, not the page.
_PICTURE_SHARE, _STAMP_WORDS = 0.5, 25
#: Share of characters that no text has; two thirds of garbage layers are above 0.5, sound pages below 0.02.
_STRANGE_SHARE = 0.15
_VOWELS = re.compile(r"[aeiouyàâäåæèéêëìíîïòóôöøœùúûüýÿαεηιουωаеёиоуыэюяії]", re.IGNORECASE)


def trustworthy(words: list[str]) -> bool:
    """Whether these words may be the text of a page; True for few words, which prove nothing."""
    if not words:
        return True
    text = "".join(words)
    if not text.isascii():
        strange = sum(map(_strange, text))
        if strange > _STRANGE_SHARE * len(text):
            return False
    letters = [word for word in words if len(word) > 3 and word.isalpha() and ord(word[0]) < 0x500]
    if len(letters) < _ENOUGH_WORDS:
        return True
    return sum(_VOWELS.search(word) is not None for word in letters) > 0.6 * len(letters)


def _strange(character: str) -> bool:
    code = ord(character)
    return 0xE000 <= code < 0xF900 or code in (0xFFFD, 0xFFFE, 0xFFFF) or code < 32 or 0x7F <= code < 0xA0


def only_a_stamp(words: list[str], picture_share: float) -> bool:
    """Whether the page is a picture with a few words printed over it."""
    return len(words) < _STAMP_WORDS and picture_share >= _PICTURE_SHARE
