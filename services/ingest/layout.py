"""Reading order: from words with boxes, in the order the file draws them, to lines a person would read.

Words are first chained to segments (pieces of a line without a wide hole), segments to rows. Rows are read from
top to bottom, except where a gutter parts columns of running text: those are read one after the other. A row of
several segments keeps them as cells, so a label stays beside its value.

Works on geometry alone; knows nothing of PDF or OCR.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from services.ingest.composing import Line
from services.ingest.tabular import mark_tables
from shared.documents import Box

Boxes = npt.NDArray[np.float64]


class Scale(NamedTuple):
    """In heights of a box: a hole wider than `hole` ends a segment, more white than `paragraph` a paragraph."""

    hole: float
    paragraph: float


#: Boxes from descent to ascent of the font, as PDF text layers give them: lines of a paragraph touch.
CELLS = Scale(0.9, 0.25)
#: Boxes around the ink, as recognisers give them: two thirds as high, so everything else is farther away.
INK = Scale(1.4, 0.9)

#: Running text: a column's segments fill this share of its width at the median and hold this many words.
_FILL, _PROSE_WORDS = 0.55, 4.0
_FEWEST_COLUMN_LINES = 4


class Segment(msgspec.Struct, gc=False):
    """Words `first:last` of the page (half open), side by side on one line, and their hull."""

    first: int
    last: int
    x0: float
    y0: float
    x1: float
    y1: float


def lines_of(
    texts: list[str], boxes: Boxes, line_numbers: npt.NDArray[np.int64], width: float, scale: Scale = CELLS
) -> list[Line]:
    """The page's words as lines in reading order.

    Args:
        texts: the words, none empty, in the order of the file.
        boxes: one row `(x0, y0, x1, y1)` per word, in points from the top left.
        line_numbers: per word, the line the file or the recogniser puts it on; not decreasing.
        width: of the page, in points.
        scale: what kind of boxes these are.

    Every word occurs exactly once in the result.
    """
    if not texts:
        return []
    rounded = np.round(boxes, 2)
    plain: list[Box] = list(zip(*rounded.T.tolist(), strict=True))
    upright = _turned(rounded, _quarter_turns(rounded, line_numbers))
    level, sideways = _split_sideways(_segments(upright, line_numbers, scale.hole), texts)
    rows = _rows(level)
    height = float(np.sort(upright[:, 3] - upright[:, 1])[len(texts) // 2])
    spread = float(upright[:, 2].max() - upright[:, 0].min())
    ordered = _with_gaps(_in_columns(rows, min(width, spread)), scale.paragraph * height)
    lines = [_line(row, texts, plain, scale.hole, gap) for row, gap in ordered]
    mark_tables(lines)
    return lines + [_line([segment], texts, plain, scale.hole, True) for segment in sideways]


def _quarter_turns(boxes: Boxes, line_numbers: npt.NDArray[np.int64]) -> int:
    """How often the page must be turned clockwise for its lines to run from left to right.

    Told from the steps between words of one line. Upside down needs lines that climb as well: Arabic runs from
    right to left on a page that stands upright.
    """
    within = line_numbers[1:] == line_numbers[:-1]
    corner = boxes[1:, :2] - boxes[:-1, :2]
    across, down = np.dot(within, corner).tolist()
    if within.sum() < 3 or across > 2 * abs(down):
        return 0  # nearly every page; the rest may cost more
    steps = corner + boxes[1:, 2:] - boxes[:-1, 2:]
    sideways = np.abs(steps[within]).sum(axis=0)
    if sideways[1] > 2 * sideways[0]:
        return 3 if down > 0 else 1
    if 2 * across < -0.5 * sideways[0] and steps[~within][:, 1].sum() < 0:
        return 2
    return 0


def _turned(boxes: Boxes, turns: int) -> Boxes:
    """The boxes after so many clockwise quarter turns; where the origin comes to lie does not matter here."""
    x0, y0, x1, y1 = boxes.T
    if turns == 1:
        return np.stack([-y1, x0, -y0, x1], axis=1)
    if turns == 2:
        return -boxes[:, [2, 3, 0, 1]]
    if turns == 3:
        return np.stack([y0, -x1, y1, -x0], axis=1)
    return boxes


def _segments(boxes: Boxes, line_numbers: npt.NDArray[np.int64], widest: float) -> list[Segment]:
    """Chain words that follow each other on one line without a wide hole or a step back."""
    left, right = boxes[:-1], boxes[1:]
    height = np.maximum(np.maximum(left[:, 3] - left[:, 1], right[:, 3] - right[:, 1]), 1.0)
    hole = right[:, 0] - left[:, 2]
    apart = (line_numbers[1:] != line_numbers[:-1]) | (hole > widest * height) | (hole < -height)
    beside = np.minimum(left[:, 3], right[:, 3]) >= np.maximum(left[:, 1], right[:, 1])
    apart |= ~beside
    tall = boxes[:, 3] - boxes[:, 1] > 1.2 * (boxes[:, 2] - boxes[:, 0])
    if tall.any():  # words of a line that runs up or down a margin
        below = np.minimum(left[:, 2], right[:, 2]) > np.maximum(left[:, 0], right[:, 0])
        apart &= ~(tall[1:] & tall[:-1] & below & ~beside & (line_numbers[1:] == line_numbers[:-1]))
    firsts = np.concatenate(([0], np.flatnonzero(apart) + 1))
    lasts = np.append(firsts[1:], len(boxes))
    low = np.minimum.reduceat(boxes[:, :2], firsts, axis=0)
    high = np.maximum.reduceat(boxes[:, 2:], firsts, axis=0)
    return [
        Segment(first, last, x0, y0, x1, y1)
        for first, last, (x0, y0), (x1, y1) in zip(
            firsts.tolist(), lasts.tolist(), low.tolist(), high.tolist(), strict=True
        )
    ]


def _split_sideways(segments: list[Segment], texts: list[str]) -> tuple[list[Segment], list[Segment]]:
    """Part the segments that run up or down a margin from the rest."""
    level: list[Segment] = []
    sideways: list[Segment] = []
    for segment in segments:
        tall = segment.y1 - segment.y0 > 3 * (segment.x1 - segment.x0)
        letters = sum(map(len, texts[segment.first : segment.last]))
        (sideways if tall and letters > 3 else level).append(segment)
    return level, sideways


def _rows(segments: list[Segment]) -> list[list[Segment]]:
    """Segments that stand beside each other, top to bottom, each row from left to right."""
    rows: list[list[Segment]] = []
    top = bottom = 0.0
    for segment in sorted(segments, key=lambda s: (s.y0 + s.y1, s.x0)):
        overlap = min(bottom, segment.y1) - max(top, segment.y0)
        if rows and overlap > 0.5 * min(bottom - top, segment.y1 - segment.y0):
            rows[-1].append(segment)
            if len(rows[-1]) < 4:  # later members may only narrow the band, or a slanted row swallows the next
                top, bottom = min(top, segment.y0), max(bottom, segment.y1)
        else:
            rows.append([segment])
            top, bottom = segment.y0, segment.y1
    for row in rows:
        if len(row) > 1:
            row.sort(key=lambda s: s.x0)
    return rows


def _in_columns(rows: list[list[Segment]], width: float) -> list[list[Segment]]:
    """The rows in reading order, bands of two or more prose columns read column by column."""
    if sum([sum([s.last - s.first > 2 for s in row]) > 1 for row in rows if len(row) > 1]) < _FEWEST_COLUMN_LINES:
        return rows  # forms and tables: short pieces beside each other
    gutter = _gutter([segment for row in rows for segment in row], width)
    if gutter is None:
        return rows
    ordered: list[list[Segment]] = []
    band: list[list[Segment]] = []
    for row in [*rows, []]:
        if row and not any(s.x0 < gutter < s.x1 for s in row):
            band.append(row)
            continue
        ordered.extend(_band(band, gutter, width))
        band = []
        if row:
            ordered.append(row)
    return ordered


def _band(band: list[list[Segment]], gutter: float, width: float) -> list[list[Segment]]:
    """Rows that all leave the gutter free: left column then right column if both are prose, else as they are."""
    left = [segment for row in band for segment in row if segment.x1 <= gutter]
    right = [segment for row in band for segment in row if segment.x1 > gutter]
    if not (_is_prose(left) and _is_prose(right)):
        return band
    return [*_in_columns(_rows(left), width), *_in_columns(_rows(right), width)]


def _is_prose(segments: list[Segment]) -> bool:
    if len(segments) < _FEWEST_COLUMN_LINES:
        return False
    spread = max(s.x1 for s in segments) - min(s.x0 for s in segments)
    widths = sorted(s.x1 - s.x0 for s in segments)
    words = sum(s.last - s.first for s in segments) / len(segments)
    return words >= _PROSE_WORDS and widths[len(widths) // 2] >= _FILL * spread


def _gutter(segments: list[Segment], width: float) -> float | None:
    """The x that the fewest segments cross while many stand on both sides; None where there is no such place."""
    x0, x1 = np.sort([s.x0 for s in segments]), np.sort([s.x1 for s in segments])
    places = np.arange(x0[0] + 0.15 * width, x1[-1] - 0.15 * width, 3.0)
    if not len(places):
        return None
    before = np.searchsorted(x1, places, side="right")
    behind = len(segments) - np.searchsorted(x0, places, side="left")
    crossing = len(segments) - before - behind
    worth = np.minimum(before, behind) - 2 * crossing
    best = int(worth.argmax())
    if worth[best] < _FEWEST_COLUMN_LINES:
        return None
    same = np.flatnonzero(worth == worth[best])
    return float(places[same[len(same) // 2]])


def _with_gaps(rows: list[list[Segment]], white: float) -> list[tuple[list[Segment], bool]]:
    """Each row with whether a blank line goes before it: more than `white` points, or a jump to the next column."""
    result = []
    above = bottom = -np.inf
    for row in rows:
        top = min([segment.y0 for segment in row])
        gap = bottom > -np.inf and not (-(bottom - above) < top - bottom < white)
        result.append((row, gap))
        above, bottom = top, max([segment.y1 for segment in row])
    return result


def _line(row: list[Segment], texts: list[str], boxes: list[Box], hole: float, gap: bool) -> Line:
    if len(row) == 1:
        segment = row[0]
        return Line(texts[segment.first : segment.last], boxes[segment.first : segment.last], [0], gap)
    words: list[str] = []
    inside: list[Box] = []
    cells: list[int] = []
    right = -np.inf
    for segment in row:
        if segment.x0 - right > hole * (segment.y1 - segment.y0):
            cells.append(len(words))
        right = segment.x1
        words += texts[segment.first : segment.last]
        inside += boxes[segment.first : segment.last]
    return Line(words, inside, cells, gap)
