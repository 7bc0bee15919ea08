"""Any file to a reading: what it is by its bytes, the reader for it, language and marks at the end.

Runs inside the sandbox. Reads bytes it is given, writes nothing, fetches nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

import msgspec

from services.ingest import mail, markup, opendocument, outlook, plaintext, rich_text, sheets, slides, word
from services.ingest import sniffing as kinds
from services.ingest.composing import PageDraft, compose
from services.ingest.language import language_of, language_of_page
from services.ingest.limits import DEFAULT, Limits, corrupt, needs_password, too_large, unsupported
from services.ingest.running import running_marks
from services.ingest.sniffing import Kind
from shared.documents import Embedded, Page, Reading
from shared.errors import Refused


class Child(msgspec.Struct):
    """A file inside the file: an attachment, an archive member. Becomes a document of its own."""

    name: str
    content: bytes


class Outcome(msgspec.Struct):
    """One file read. `container`: it only holds its children, its text is their list."""

    reading: Reading
    children: list[Child] = []
    container: bool = False


class Request(msgspec.Struct, frozen=True):
    """One file to read.

    Attributes:
        name: as uploaded; decides nothing but plain-text kinds.
        password: for encrypted PDFs and ZIPs, None where none is known.
        threads: pages recognised side by side.
        depth: 0 for an upload, 1 for its attachments, and so on.
    """

    name: str
    password: str | None = None
    threads: int = 1
    depth: int = 0
    limits: Limits = DEFAULT


Progress = Callable[[int, int], None]
Reader = Callable[[bytes, Kind, Request, Progress], Outcome]

#: Attachments of attachments of … of an upload; a quine archive ends here.
DEEPEST = 6


def read(content: bytes, request: Request, progress: Progress = lambda done, of: None) -> Outcome:
    """Read one file.

    `progress(done, of)` counts pages. The reading's `check()` holds. Raises Refused, with a code and words for
    the person who sent it, where the file cannot be read; any other exception is a defect of a reader.
    """
    if not content:
        raise Refused("The file is empty (0 bytes).", action="Send the file again.", code="empty")
    kind = kinds.kind_of(content, request.name)
    reader = _reader_for(kind, request.name)
    if request.depth > DEEPEST:
        raise Refused(
            f"The file is nested more than {DEEPEST} levels deep.", action="Send it by itself.", code="too_deep"
        )
    outcome = reader(content, kind, request, progress)
    if len(outcome.children) > request.limits.children:
        raise too_large("files inside", len(outcome.children), request.limits.children)
    return msgspec.structs.replace(outcome, reading=_finished(outcome.reading, kind, request))


def _finished(reading: Reading, kind: Kind, request: Request) -> Reading:
    notes = list(reading.notes)
    explained = kinds.disagreement(kind, request.name)
    if explained:
        notes.insert(0, explained)
    if not reading.text:
        notes.append("No text was found in the file.")
    language = reading.language or language_of(reading.text)
    pages = [
        msgspec.structs.replace(page, language=language_of_page(reading.text[page.start : page.end], language))
        for page in reading.pages
    ]
    return msgspec.structs.replace(reading, notes=notes, language=language, pages=pages)


def _reader_for(kind: Kind, name: str) -> Reader:
    """The reader of a kind; Refused where there is none, or where a text claims to be a binary format."""
    promised = kinds.promised_kind(PurePath(name).suffix.lower())
    if kind in (kinds.TEXT, kinds.BINARY) and promised is not None and promised not in kinds.PLAIN:
        raise corrupt(promised.label, f"its content is {kind.label}, not {promised.label}")
    if kind == kinds.LOCKED_OFFICE:
        raise needs_password(kind.label)
    if kind in _REFUSED:
        raise unsupported(kind.label, _REFUSED[kind])
    reader = _READERS.get(kind)
    if reader is None:
        raise unsupported("Unknown binary file", "Save it as PDF and send that.")
    return reader


def _read_pdf(content: bytes, kind: Kind, request: Request, progress: Progress) -> Outcome:
    from services.ingest.pdf import read_pdf

    found = read_pdf(
        content,
        password=request.password,
        limits=request.limits,
        threads=request.threads,
        progress=progress,
    )
    children = [Child(name, attached) for name, attached in found.attached]
    return Outcome(composed_reading(found.drafts, kind.media_type, found.embedded, found.notes), children)


def composed_reading(drafts: list[PageDraft], media_type: str, embedded: list[Embedded], notes: list[str]) -> Reading:
    """The reading of pages with geometry, running headers and footers marked."""
    composed = compose(drafts)
    pages: list[Page] = composed.pages
    return Reading(composed.text, pages, media_type, None, running_marks(composed), composed.tables, embedded, notes)


def _read_image(content: bytes, kind: Kind, request: Request, progress: Progress) -> Outcome:
    from services.ingest.scans import read_pictures

    drafts = read_pictures(content, kind.label, limits=request.limits, threads=request.threads, progress=progress)
    return Outcome(composed_reading(drafts, kind.media_type, [], []))


def _plain(read_kind: Callable[[bytes, str, Limits], Reading]) -> Reader:
    """A reader for a format that carries no other files."""

    def reader(content: bytes, kind: Kind, request: Request, progress: Progress) -> Outcome:
        return Outcome(read_kind(content, kind.media_type, request.limits))

    return reader


def _carrying(
    read_kind: Callable[[bytes, str, Limits], tuple[Reading, list[tuple[str, bytes]]]], *, container: bool = False
) -> Reader:
    """A reader for a format that carries other files."""

    def reader(content: bytes, kind: Kind, request: Request, progress: Progress) -> Outcome:
        reading, carried = read_kind(content, kind.media_type, request.limits)
        return Outcome(reading, [Child(name, inside) for name, inside in carried if inside], container)

    return reader


def _read_zip(content: bytes, kind: Kind, request: Request, progress: Progress) -> Outcome:
    from services.ingest.archives import read_zip

    reading, carried = read_zip(content, kind.media_type, request.limits, request.password)
    return Outcome(reading, [Child(name, inside) for name, inside in carried if inside], container=True)


def _read_old_workbook(content: bytes, kind: Kind, request: Request, progress: Progress) -> Outcome:
    from services.ingest.legacy import encrypted

    if encrypted(content, kind):
        raise needs_password(kind.label)
    return Outcome(sheets.read_old_workbook(content, kind.media_type, request.limits))


def _read_legacy(content: bytes, kind: Kind, request: Request, progress: Progress) -> Outcome:
    from services.ingest.legacy import modern

    converted, extension = modern(content, kind)
    outcome = read(converted, msgspec.structs.replace(request, name=f"converted.{extension}"), progress)
    return msgspec.structs.replace(
        outcome, reading=msgspec.structs.replace(outcome.reading, media_type=kind.media_type)
    )


_READERS: dict[Kind, Reader] = {
    kinds.PDF: _read_pdf,
    **dict.fromkeys((kinds.PNG, kinds.JPEG, kinds.TIFF, kinds.WEBP, kinds.HEIC, kinds.GIF, kinds.BMP), _read_image),
    kinds.DOCX: _carrying(word.read_word),
    kinds.XLSX: _carrying(sheets.read_workbook),
    kinds.PPTX: _carrying(slides.read_slides),
    **dict.fromkeys((kinds.ODT, kinds.ODS, kinds.ODP), _plain(opendocument.read_opendocument)),
    kinds.EPUB: _plain(markup.read_epub),
    kinds.RTF: _plain(rich_text.read_rtf),
    kinds.HTML: _plain(markup.read_html),
    kinds.XML: _plain(markup.read_xml),
    kinds.CSV: _plain(sheets.read_csv),
    **dict.fromkeys((kinds.TEXT, kinds.MARKDOWN, kinds.JSON), _plain(plaintext.read_text)),
    kinds.EMAIL: _carrying(mail.read_mail),
    kinds.MBOX: _carrying(mail.read_mailbox, container=True),
    kinds.MSG: _carrying(outlook.read_msg),
    kinds.ZIP: _read_zip,
    kinds.XLS: _read_old_workbook,
    **dict.fromkeys((kinds.DOC, kinds.PPT), _read_legacy),
}
_REFUSED: dict[Kind, str] = {
    kinds.OLE: "Open it in the program it comes from, save it as PDF, and send that.",
    kinds.IWORK: "Export it as PDF and send that.",
    kinds.VISIO: "Export it as PDF and send that.",
    kinds.PACKED: "Unpack it, and send the files or a .zip of them.",
    kinds.SIGNED: "Open the message in your mail program, and send it as .eml without encryption.",
}
