"""Whether the text layer of a PDF page says what the page shows, told from the words alone.

Scanners and broken fonts leave layers of private characters, boxes and letter salad; such a page is recognised
from its picture instead.
"""

from __future__ import annotations

import re

#: Fewer words than this say nothing by statistics.
_ENOUGH_WORDS = 15
#: A broken font is broken from the first words on.
_SAMPLE_WORDS = 200
#: Where a picture covers this much of a page, a layer of a few words is a stamp or a fax line, not the page.
_PICTURE_SHARE, _STAMP_WORDS = 0.5, 25
#: Share of characters that no text has; two thirds of garbage layers are above 0.5, sound pages below 0.02.
_STRANGE_SHARE = 0.15
#: Private use, replacement, not a character, control.
_STRANGE = re.compile("[\ue000-\uf8ff\ufffd-\uffff\x00-\x1f\x7f-\x9f]")
_VOWELS = frozenset("aeiouyàâäåæèéêëìíîïòóôöøœùúûüýÿαεηιουωаеёиоуыэюяіїAEIOUYÀÂÄÅÆÈÉÊËÌÍÎÏÒÓÔÖØŒÙÚÛÜÝŸАЕЁИОУЫЭЮЯ")


def trustworthy(words: list[str]) -> bool:
    """Whether these words may be the text of a page; True for few words, which prove nothing."""
    if not words:
        return True
    text = "".join(words)
    if not text.isascii() and len(_STRANGE.findall(text)) > _STRANGE_SHARE * len(text):
        return False
    letters = [word for word in words[:_SAMPLE_WORDS] if len(word) > 3 and word.isalpha() and ord(word[0]) < 0x500]
    if len(letters) < _ENOUGH_WORDS:
        return True
    return sum(not _VOWELS.isdisjoint(word) for word in letters) > 0.6 * len(letters)


def only_a_stamp(words: list[str], picture_share: float) -> bool:
    """Whether the page is a picture with a few words printed over it."""
    return len(words) < _STAMP_WORDS and picture_share >= _PICTURE_SHARE
