"""What a file is, told from its bytes; the name only decides between kinds of plain text.

This module opens nothing beyond the directory of a ZIP or OLE container.
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePath

import msgspec
import olefile  # type: ignore[import-untyped]

from services.ingest.encodings import looks_like_text

#: The most of a file that is looked at, save for container directories.
HEAD_BYTES = 8192


class Kind(msgspec.Struct, frozen=True):
    """One kind of file: `label` is what people call it, `extensions` the suffixes that agree with it."""

    media_type: str
    label: str
    extensions: tuple[str, ...]


_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
_TEXT_SUFFIXES = (".txt", ".text", ".log", ".asc", ".ini", ".yaml", ".yml", ".ics", ".vcf", ".tex", "")

PDF = Kind("application/pdf", "PDF", (".pdf",))
DOCX = Kind(_OOXML + "wordprocessingml.document", "Word document", (".docx", ".docm", ".dotx", ".dotm"))
XLSX = Kind(_OOXML + "spreadsheetml.sheet", "Excel workbook", (".xlsx", ".xlsm", ".xltx", ".xltm"))
PPTX = Kind(_OOXML + "presentationml.presentation", "PowerPoint presentation", (".pptx", ".pptm", ".ppsx", ".potx"))
ODT = Kind(_ODF + "text", "OpenDocument text", (".odt", ".ott", ".fodt"))
ODS = Kind(_ODF + "spreadsheet", "OpenDocument spreadsheet", (".ods", ".ots"))
ODP = Kind(_ODF + "presentation", "OpenDocument presentation", (".odp", ".otp"))
EPUB = Kind("application/epub+zip", "EPUB book", (".epub",))
RTF = Kind("application/rtf", "RTF document", (".rtf", ".doc"))
HTML = Kind("text/html", "HTML page", (".html", ".htm", ".xhtml", ".mht"))
XML = Kind("application/xml", "XML file", (".xml", ".xsl", ".rdf", ".svg", ".gpx", ".kml"))
CSV = Kind("text/csv", "CSV table", (".csv", ".tsv"))
JSON = Kind("application/json", "JSON file", (".json", ".jsonl"))
MARKDOWN = Kind("text/markdown", "Markdown text", (".md", ".markdown"))
TEXT = Kind("text/plain", "plain text", _TEXT_SUFFIXES)
EMAIL = Kind("message/rfc822", "e-mail", (".eml", ".txt", ".mht", ".mhtml"))
MBOX = Kind("application/mbox", "mailbox", (".mbox", ".mbx", ".txt"))
MSG = Kind("application/vnd.ms-outlook", "Outlook message", (".msg",))
ZIP = Kind("application/zip", "ZIP archive", (".zip",))
PNG = Kind("image/png", "PNG image", (".png",))
JPEG = Kind("image/jpeg", "JPEG image", (".jpg", ".jpeg", ".jfif"))
TIFF = Kind("image/tiff", "TIFF image", (".tif", ".tiff"))
WEBP = Kind("image/webp", "WebP image", (".webp",))
HEIC = Kind("image/heic", "HEIC image", (".heic", ".heif"))
GIF = Kind("image/gif", "GIF image", (".gif",))
BMP = Kind("image/bmp", "BMP image", (".bmp",))
DOC = Kind("application/msword", "Word 97-2003 (.doc)", (".doc", ".dot"))
XLS = Kind("application/vnd.ms-excel", "Excel 97-2003 (.xls)", (".xls", ".xlt"))
PPT = Kind("application/vnd.ms-powerpoint", "PowerPoint 97-2003 (.ppt)", (".ppt", ".pps", ".pot"))
LOCKED_OFFICE = Kind("application/x-ole-encrypted", "Office document", (".docx", ".xlsx", ".pptx"))
OLE = Kind("application/x-ole-storage", "OLE container", ())
IWORK = Kind("application/vnd.apple.iwork", "Apple Pages, Numbers and Keynote", (".pages", ".numbers", ".key"))
VISIO = Kind("application/vnd.visio", "Visio", (".vsdx", ".vsd"))
PACKED = Kind("application/x-compressed", "gz, bz2, xz, Z, 7z, rar and tar", ())
SIGNED = Kind("application/pkcs7-mime", "Encrypted or signed PKCS#7", (".p7m", ".p7s"))
BINARY = Kind("application/octet-stream", "unknown binary", ())

#: Kinds that are text under the hood: any text may carry their names.
PLAIN = frozenset([HTML, XML, CSV, JSON, MARKDOWN, TEXT, EMAIL, MBOX])

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"PK00PK", ZIP),  # the first part of a split archive
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"{\\rtf", RTF),
    (b"\x1f\x8b", PACKED),
    (b"\x1f\x9d", PACKED),
    (b"BZh", PACKED),
    (b"\xfd7zXZ\x00", PACKED),
    (b"7z\xbc\xaf\x27\x1c", PACKED),
    (b"Rar!\x1a\x07", PACKED),
    (b"\x28\xb5\x2f\xfd", PACKED),
    (b"]\x00\x00", PACKED),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif")
_CONTENT_TYPES = (
    (b"wordprocessingml", DOCX),
    (b"application/vnd.ms-word", DOCX),
    (b"spreadsheetml", XLSX),
    (b"application/vnd.ms-excel", XLSX),
    (b"presentationml", PPTX),
    (b"application/vnd.ms-powerpoint", PPTX),
    (b"vnd.ms-visio", VISIO),
)
_OLE_STREAMS = (
    ("EncryptedPackage", LOCKED_OFFICE),
    ("__properties_version1.0", MSG),
    ("WordDocument", DOC),
    ("Workbook", XLS),
    ("Book", XLS),
    ("PowerPoint Document", PPT),
    ("VisioDocument", VISIO),
)
_MAIL_HEADER = re.compile(
    rb"^(from|to|cc|subject|date|received|message-id|mime-version|return-path|delivered-to|content-type"
    rb"|reply-to|newsgroups|x-[a-z-]+|dkim-signature)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_HEADER_LINE = re.compile(rb"[!-9;-~]+[ \t]*:")
_HTML_START = re.compile(
    rb"\s*(<!--.*?-->\s*|<\?xml[^>]*>\s*|<!DOCTYPE\s+html[^>]*>\s*)*<(!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_HTML_TAG = re.compile(rb"<(p|div|table|span|br|a|h1|meta|title|ul)\b[^>]*>", re.IGNORECASE)


def kind_of(content: bytes, name: str) -> Kind:
    """The kind of `content`; BINARY where nothing fits. `name` decides only between kinds of plain text."""
    head = content[:HEAD_BYTES]
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if b"%PDF-" in head[:1024]:
        return PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip_kind(content)
    if head.startswith(olefile.MAGIC):
        return _ole_kind(content)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return HEIC
    if head.startswith(b"BM") and head[6:10] == b"\x00\x00\x00\x00":
        return BMP
    return _text_kind(head, name)


def disagreement(kind: Kind, name: str) -> str | None:
    """A sentence where the name promises another format than the bytes hold, else None."""
    suffix = PurePath(name).suffix.lower()
    promised = promised_kind(suffix)
    if promised is None or suffix in kind.extensions:
        return None
    return f"The file is named {suffix} but its content is a {kind.label}; it was read as that."


def promised_kind(suffix: str) -> Kind | None:
    """The first kind whose files carry `suffix` (lower case, with the dot); None for an unknown suffix."""
    return next((kind for kind in _KNOWN if suffix and suffix in kind.extensions), None)


def _zip_kind(content: bytes) -> Kind:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                declared = archive.read("mimetype").strip().decode("ascii", "replace")
                for kind in (ODT, ODS, ODP, EPUB):
                    if declared.startswith(kind.media_type):
                        return kind
            if "[Content_Types].xml" in names:
                return _ooxml_kind(archive)
            if any(name.endswith(".iwa") or name in ("Index.zip", "buildVersionHistory.plist") for name in names):
                return IWORK
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError, EOFError):
        return ZIP  # its reader says what is wrong
    return ZIP


def _ooxml_kind(archive: zipfile.ZipFile) -> Kind:
    with archive.open("[Content_Types].xml") as part:
        declared = part.read(200_000)
    mains = re.findall(rb'ContentType="([^"]*\.main\+xml)"', declared)
    for main in mains or [declared]:
        for needle, kind in _CONTENT_TYPES:
            if needle in main:
                return kind
    return ZIP


def _ole_kind(content: bytes) -> Kind:
    try:
        with olefile.OleFileIO(io.BytesIO(content)) as container:
            for stream, kind in _OLE_STREAMS:
                if container.exists(stream):
                    return kind
    except (OSError, ValueError, IndexError, TypeError):
        return OLE
    return OLE


def _text_kind(head: bytes, name: str) -> Kind:
    suffix = PurePath(name).suffix.lower()
    if suffix in SIGNED.extensions:
        return SIGNED
    if not looks_like_text(head):
        return BINARY
    plain = head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if _HTML_START.match(plain):
        return HTML
    if plain.startswith(b"<?xml") or (plain.startswith(b"<") and suffix in XML.extensions):
        return XML
    if _is_mail(plain) or suffix == ".eml":
        return EMAIL
    if plain.startswith(b"From ") and (_is_mail(plain.partition(b"\n")[2]) or suffix in (".mbox", ".mbx")):
        return MBOX
    if suffix in HTML.extensions or (plain.startswith(b"<") and _HTML_TAG.search(plain)):
        return HTML
    for kind in (CSV, JSON, MARKDOWN):
        if suffix in kind.extensions:
            return kind
    return TEXT


def _is_mail(head: bytes) -> bool:
    """Whether `head` opens with a block of header lines of which at least two are those of a mail."""
    block = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    lines = [line for line in block.splitlines() if line and not line.startswith((b" ", b"\t"))]
    if not lines or not all(_HEADER_LINE.match(line) for line in lines):
        return False
    return len({found.lower() for found in _MAIL_HEADER.findall(block)}) >= 2


_KNOWN = (
    *(PDF, DOCX, XLSX, PPTX, ODT, ODS, ODP, EPUB, RTF, HTML, XML, CSV, JSON, MARKDOWN, EMAIL, MBOX, MSG, ZIP),
    *(PNG, JPEG, TIFF, WEBP, HEIC, GIF, BMP, DOC, XLS, PPT, IWORK, VISIO, SIGNED),
)
