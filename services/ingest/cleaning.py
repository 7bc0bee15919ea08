"""Repair of characters: mojibake, ligatures, invisible characters. Nothing here changes what a reader would see.

Words with boxes are repaired one by one before the text is put together, so offsets never need mending.
"""

from __future__ import annotations

import re
import unicodedata

import ftfy
from ftfy.badness import is_bad

#: Characters that print nothing: soft hyphen, zero width space and joiners, marks, directions, byte order mark.
_INVISIBLE = dict.fromkeys(
    [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF, 0xFFFE, 0xFFFF]
    + [code for code in range(32) if code not in (9, 10, 12, 13)]
    + list(range(0x7F, 0xA0))
)
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_WORD_TABLE = {**_INVISIBLE, **_LIGATURES, **dict.fromkeys(range(0xD800, 0xE000))}
#: Mojibake needs at least one other character: "Ã" or "Â" for Latin text, "Ð" for Cyrillic, "â€" for quotes.
_UNUSUAL = re.compile(
    r"[^\x00-\x7fàâäçéèêëîïôöùûüÿœæÀÇÉÈÊËÎÏÔÖÙÛÜŸŒÆÄßáíóúñ€£§°«»“”„‘’‚‹›–—‑…•·²³®©™½¼¾×÷±µ\xa0\u202f\u2009ﬁﬂﬀﬃﬄ■□●○▪\ufffe\xad]"
)
_BLANKS = re.compile(r"[^\S\n\f\t]+")
_AROUND_TABS = re.compile(r" ?\t[ \t]*")
_LINE_EDGES = re.compile(r"[ \t]*\n[ \t]*")
_FTFY = ftfy.TextFixerConfig(
    unescape_html=False, uncurl_quotes=False, fix_latin_ligatures=True, fix_character_width=False, explain=False
)


def clean_word(word: str) -> str:
    """`word` without invisible characters and ligatures, in NFC; "" where nothing of it can be seen."""
    if word.isascii() and word.isprintable():
        return word
    return unicodedata.normalize("NFC", word.translate(_WORD_TABLE))


def repair(text: str) -> str:
    """`text` with wrongly decoded characters put right ("FranÃ§ois" to "François"), where it looks so."""
    if text.isascii() or not _suspicious(text) or not is_bad(text):
        return text
    return ftfy.fix_text(text, _FTFY)


def _suspicious(text: str) -> bool:
    """A cheap look before the expensive one: characters beyond those that French, German and print shops use."""
    return "â€" in text or _UNUSUAL.search(text) is not None


def clean_text(text: str) -> str:
    """Repaired text for formats without geometry: NFC, one blank between words, lines kept, no blank at line ends.

    Line breaks become line feeds, page breaks stay form feeds. White space with a tab in it becomes one tab: it
    parts the columns of a table that was typed.
    """
    text = repair(text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n").replace("\x85", "\n"))
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFC", text.translate(_WORD_TABLE))
    text = _BLANKS.sub(" ", text)
    if "\t" in text:
        return _LINE_EDGES.sub("\n", _AROUND_TABS.sub("\t", text))
    return text.replace(" \n", "\n").replace("\n ", "\n")
