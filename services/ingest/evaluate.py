"""How well documents are read, against pages whose words and places are known exactly.

    python -m services.ingest.evaluate FOLDER

FOLDER holds `words.jsonl.gz` (a record per page: file, page, width, height, words `[text, x0, y0, x1, y1]`, points
from the top left) and the files it names, as `python -m samples.make` writes them.
"""

from __future__ import annotations

import difflib
import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import msgspec

from services.ingest.reading import Request, read
from shared.documents import Box, Page


class TrueWord(msgspec.Struct, frozen=True, array_like=True):
    """A word as it was set."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def box(self) -> Box:
        """Its place on the page."""
        return (self.x0, self.y0, self.x1, self.y1)


class TruePage(msgspec.Struct, frozen=True):
    """What stands on one page, and where."""

    file: str
    page: int
    width: float
    height: float
    words: list[TrueWord]


class Score(msgspec.Struct, frozen=True):
    """How one page was read, each 0..1.

    Attributes:
        found: share of the true words that were read letter by letter, at their place.
        placed: of the words read right, the share whose box covers the middle of the true one, and the reverse.
        overlap: of the words read right, the mean intersection over union with the true box.
        characters: 1 - character error rate of the words in the order of the truth, against their nearest word.
        source: where the words came from: "text" or "ocr".
    """

    found: float
    placed: float
    overlap: float
    characters: float
    source: str


def true_pages(folder: Path) -> dict[str, list[TruePage]]:
    """The true pages by file name, in page order."""
    pages: defaultdict[str, list[TruePage]] = defaultdict(list)
    with gzip.open(folder / "words.jsonl.gz", "rt") as lines:
        for line in lines:
            page = msgspec.convert(json.loads(line), TruePage)
            pages[page.file].append(page)
    return dict(pages)


def score_page(page: Page, truth: TruePage) -> Score:
    """Compare one page as read with what stands on it."""
    placed = overlap = found = 0.0
    errors = length = 0
    for true in truth.words:
        length += len(true.text)
        near = _nearest(page, true)
        if near is None:
            errors += len(true.text)
            continue
        text, box = near
        errors += min(_distance(true.text, text), len(true.text))
        if text == true.text:
            found += 1
            placed += _covers_middle(box, true.box) and _covers_middle(true.box, box)
            overlap += _overlap(box, true.box)
    count = max(len(truth.words), 1)
    return Score(
        found / count, placed / max(found, 1), overlap / max(found, 1), 1 - errors / max(length, 1), page.source
    )


def scores(folder: Path) -> Iterator[tuple[str, int, Score]]:
    """File, page number and score of every page with known words."""
    for name, pages in sorted(true_pages(folder).items()):
        reading = read((folder / name).read_bytes(), Request(name)).reading
        reading.check()
        for truth in pages:
            if truth.page <= len(reading.pages):
                yield name, truth.page, score_page(reading.pages[truth.page - 1], truth)


def _nearest(page: Page, true: TrueWord) -> tuple[str, Box] | None:
    """The word read that overlaps the true one most; broken words are joined with the piece that follows."""
    best, where = 0.0, -1
    for index, word in enumerate(page.words):
        if word.box is not None and (shared := _shared(word.box, true.box)) > best:
            best, where = shared, index
    if where < 0:
        return None
    word = page.words[where]
    hyphen = "-" if true.text == word.text + "-" else ""  # a hyphen that only broke the line was taken away
    return word.text + hyphen, word.box or true.box


def _shared(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _overlap(one: Box, other: Box) -> float:
    shared = _shared(one, other)
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _covers_middle(box: Box, other: Box) -> bool:
    x, y = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _distance(one: str, other: str) -> int:
    """Edits between two words, by difflib's matching blocks: an upper bound of Levenshtein's distance."""
    if one == other:
        return 0
    same = sum(block.size for block in difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())
    return max(len(one), len(other)) - same


def summary(found: list[Score]) -> dict[str, float]:
    """Means over pages, by source: `text_found`, `ocr_overlap` and so on, and the number of pages."""
    figures: dict[str, float] = {}
    for source in sorted({score.source for score in found}):
        pages = [score for score in found if score.source == source]
        figures[f"{source}_pages"] = len(pages)
        for name in ("found", "placed", "overlap", "characters"):
            figures[f"{source}_{name}"] = round(mean(getattr(score, name) for score in pages), 4)
    return figures


def main(folder: Path) -> None:
    """Print the worst pages and the summary."""
    found = list(scores(folder))
    for name, number, score in sorted(found, key=lambda entry: entry[2].found)[:12]:
        sys.stdout.write(f"{name} page {number}: {score}\n")
    sys.stdout.write(json.dumps(summary([score for _, _, score in found])) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
