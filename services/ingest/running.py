"""Running headers and footers: lines that come back at the same edge of page after page.

They are marked, not removed: the page still shows them, and a policy number often stands nowhere else.
"""

from __future__ import annotations

import bisect
import re
from collections import Counter, defaultdict

from services.ingest.composing import Composed
from shared.documents import Mark, MarkKind, Page

#: How many lines at each edge may belong to a running header or footer.
_EDGE_LINES = 4
_FEWEST_PAGES = 3
#: Share of pages a line must come back on: below one half, since left and right pages may differ.
_SHARE = 0.4
#: Share of the page's height, at the top and at the bottom, where running lines stand.
_EDGE = 0.15
_DIGITS = re.compile(r"\d+")


def running_marks(composed: Composed) -> list[Mark]:
    """Marks "header" and "footer", in text order; none for fewer than three pages."""
    if len(composed.pages) < _FEWEST_PAGES:
        return []
    marks: list[Mark] = []
    for kind, from_top in (("header", True), ("footer", False)):
        marks.extend(_edge_marks(composed, kind, from_top))  # type: ignore[arg-type]
    return sorted(marks, key=lambda mark: mark.start)


def _edge_marks(composed: Composed, kind: MarkKind, from_top: bool) -> list[Mark]:
    """A line counts by its text with digits blotted out ("Page 3 of 12" is "Page # of #")."""
    places: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
    pages: Counter[str] = Counter()
    for number, spans in enumerate(composed.spans):
        edge = spans[:_EDGE_LINES] if from_top else spans[-_EDGE_LINES:]
        if len(spans) <= _EDGE_LINES:
            edge = edge[: len(spans) // 2] if from_top else edge[(len(spans) + 1) // 2 :]
        seen = set()
        for start, end in edge:
            if not _at_edge(composed.pages[number], start, from_top):
                continue
            key = _DIGITS.sub("#", composed.text[start:end]).casefold()
            places[key].append((number, start, end))
            seen.add(key)
        pages.update(seen)
    needed = max(_FEWEST_PAGES, _SHARE * len(composed.pages))
    return [Mark(kind, start, end) for key, count in pages.items() if count >= needed for _, start, end in places[key]]


def _at_edge(page: Page, start: int, from_top: bool) -> bool:
    """Whether the line that begins at `start` stands where running lines do; True where there is no geometry."""
    place = bisect.bisect_left(page.words, start, key=lambda word: word.start)
    box = page.words[place].box if place < len(page.words) else None
    if box is None or not page.height:
        return True
    return box[3] <= _EDGE * page.height if from_top else box[1] >= (1 - _EDGE) * page.height
