"""Bytes to text in whatever encoding they came, without guessing more than needed.

Order of belief: byte order mark, UTF-8 if it decodes, UTF-16 by its zero bytes, then statistics. It does not
repair text that was decoded wrongly before it reached us; `cleaning` does.
"""

from __future__ import annotations

import codecs
import unicodedata

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What the statistics may answer: encodings that letters in European languages still arrive in.
_CANDIDATES = [
    *("cp1252", "iso8859_15", "cp850", "cp437", "mac_roman", "cp1250", "iso8859_2", "cp1251", "koi8_r", "cp866"),
    *("cp500", "cp1253", "cp1254", "iso8859_5", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1255"),
    *("cp1256", "cp273", "cp1140", "cp424", "cp037"),
]
#: Enough for statistics; charset-normalizer is quadratic in candidates, not needed on more.
_SAMPLE_BYTES = 16_384


def looks_like_text(head: bytes) -> bool:
    """Whether the first bytes of a file may be text in some encoding (UTF-16 and EBCDIC included)."""
    if not head or head.startswith(tuple(mark for mark, _ in _MARKS)):
        return True
    if _utf16_without_mark(head) is not None:
        return True
    if b"\x00" in head:
        return False
    if _utf8(head, cut=True) is not None:
        controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
        return controls <= len(head) * 0.02
    return any(_control_share(head.decode(encoding)) < 0.02 for encoding in ("latin-1", "cp866", "cp500"))


def decode(content: bytes, declared: str | None = None) -> tuple[str, str]:
    """The text of `content` and the name of the encoding that gave it.

    `declared` is what a header or a meta tag says; it is believed when it decodes without error. Never fails:
    the last resort is Windows-1252 with replacement characters.
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            return content.decode(name, "replace"), name
    sixteen = _utf16_without_mark(content[:4096])
    if sixteen is not None:
        return content.decode(sixteen, "replace"), sixteen
    if (text := _utf8(content)) is not None:
        return text, "utf-8"
    if declared and (text := _strict(content, declared)) is not None:
        return text, declared
    return _by_statistics(content)


def _by_statistics(content: bytes) -> tuple[str, str]:
    """Try the plain guess for Western Europe first: most files that are not UTF-8 are Windows-1252."""
    western = _strict(content, "cp1252")
    if western is not None and _reads_western(western):
        return western, "cp1252"
    best = from_bytes(content[:_SAMPLE_BYTES], cp_isolation=_CANDIDATES).best()
    if best is not None and (text := _strict(content, best.encoding)) is not None:
        return text, best.encoding
    return content.decode("cp1252", "replace"), "cp1252"


def _reads_western(text: str) -> bool:
    """Whether the non-ASCII characters are letters and signs that French and German use."""
    odd = [character for character in text[:20_000] if character > "\x7f"]
    usual = sum(character in _WESTERN for character in odd)
    letters = sum(character.isascii() and character.isalpha() for character in text[:20_000])
    return _control_share(text[:4096]) < 0.01 and usual >= 0.9 * len(odd) and letters > 2 * len(odd)


_WESTERN = frozenset("àâäçéèêëîïôöùûüÿœæÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸŒÆßñÑáíóúÁÍÓÚãõ€£§°«»“”„‘’–—…•·²³©®ø\xa0´±½¼×µ")


def _utf16_without_mark(head: bytes) -> str | None:
    if len(head) < 8:
        return None
    even, odd = head[0::2].count(0) / (len(head) / 2), head[1::2].count(0) / (len(head) / 2)
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and odd < 0.05 else None


def _utf8(content: bytes, *, cut: bool = False) -> str | None:
    """The text, or None; with `cut`, a character that the end of the bytes cuts in two is forgiven."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return content[: wrong.start].decode("utf-8") if cut and len(content) - wrong.start < 4 else None


def _strict(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def _control_share(text: str) -> float:
    controls = sum(unicodedata.category(character) == "Cc" and character not in "\t\n\r\f\x85" for character in text)
    return controls / max(len(text), 1)
