"""Pictures as documents: each frame is a page, recognised side by side with the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from PIL import Image

from services.ingest import images, ocr
from services.ingest.composing import PageDraft
from services.ingest.limits import Limits
from services.ingest.pdf import recognised_lines

_POINTS_PER_INCH = 72.0
#: Enlarging beyond this only blurs; the recogniser wants capitals of about 30 pixels.
_LARGEST_SCALE = 3.0
#: Logos, icons and trackers in mails are smaller than this, in pixels; nothing anybody scans is.
_SMALLEST_SIDE, _SMALLEST_AREA = 60, 30_000


def read_pictures(
    content: bytes, label: str, *, limits: Limits, threads: int, progress: Callable[[int, int], None]
) -> list[PageDraft]:
    """The pages of a picture file; a page's size in points follows from the resolution the file states.

    `progress(done, of)` is called as pages are finished. Raises Refused for damaged or oversized pictures.
    """
    drafts: list[PageDraft] = []
    waiting: deque[tuple[PageDraft, float, Future[ocr.Recognised]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for number, (frame, dpi) in enumerate(images.frames(content, label, limits), start=1):
            points_per_pixel = _POINTS_PER_INCH / dpi
            draft = PageDraft(number, frame.width * points_per_pixel, frame.height * points_per_pixel, [], "none")
            drafts.append(draft)
            if min(frame.size) < _SMALLEST_SIDE or frame.width * frame.height < _SMALLEST_AREA:
                continue
            scale = min(max(ocr.DPI / dpi, 1.0), _LARGEST_SCALE)
            waiting.append((draft, points_per_pixel / scale, pool.submit(_recognise, frame, scale)))
            while len(waiting) > 2 * threads:
                _finish(*waiting.popleft())
                progress(number - len(waiting), number)
        while waiting:
            _finish(*waiting.popleft())
            progress(len(drafts) - len(waiting), len(drafts))
    return drafts


def _recognise(frame: Image.Image, scale: float) -> ocr.Recognised:
    if scale > 1.05:
        size = (round(frame.width * scale), round(frame.height * scale))
        frame = frame.resize(size, Image.Resampling.BICUBIC)
    return ocr.recognise(frame)


def _finish(draft: PageDraft, points_per_pixel: float, outcome: Future[ocr.Recognised]) -> None:
    found = outcome.result()
    draft.lines = recognised_lines(found, points_per_pixel, draft.width)
    draft.source, draft.quality = ("ocr" if found.words else "none"), found.confidence
