"""Words from pictures of pages: skew, orientation, tesseract.

One call recognises one page with one thread of tesseract; callers run pages side by side. Pixel boxes are those
of the picture as given, whatever was turned or straightened on the way.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.errors import Refused, Unavailable

LANGUAGES = "fra+deu+eng"
#: What tesseract's models were trained around (its own documentation: at least 300 dpi).
DPI = 300
#: Below this mean confidence the page may lie on its side or head: worth 0.3 s to ask.
_DOUBTFUL = 0.6
#: One page of dense print takes 2 to 8 s on one core; a page that takes longer is a picture of noise.
_PAGE_TIMEOUT_S = 120
_COARSE = np.arange(-8.0, 8.1, 0.5)
#: The samples' pages on their side have 4.0 and more; one upright receipt of two exceeds this as well (2026-11).
_CLEARLY = 1.5

Pixels = npt.NDArray[np.uint8]


class Recognised(msgspec.Struct):
    """What stands on one picture.

    Attributes:
        words: in tesseract's order, none empty.
        boxes: one row `(x0, y0, x1, y1)` in pixels of the picture per word.
        lines: per word the number of its line, not decreasing.
        confidence: mean word confidence weighted by length, 0..1; None where nothing was found.
        turned: quarter turns (clockwise) that put the picture upright.
    """

    words: list[str]
    boxes: npt.NDArray[np.float64]
    lines: npt.NDArray[np.int64]
    confidence: float | None
    turned: int = 0


def available() -> bool:
    """Whether tesseract is installed."""
    return shutil.which("tesseract") is not None


def recognise(picture: Image.Image, dpi: int = DPI) -> Recognised:
    """Read a greyscale picture. Turns it upright and straightens it for the recogniser alone.

    Raises Refused where tesseract is missing or takes too long for the page.
    """
    if _blank(picture):
        return Recognised([], np.zeros((0, 4)), np.zeros(0, dtype=np.int64), None)
    if may_lie_sideways(np.asarray(picture)) and (asked := _quarter_turns(picture, dpi)) % 2:
        return _better(_turned(picture, dpi, asked), picture, dpi, (asked + 2) % 4)
    found = _straightened(picture, dpi)
    if not _sound(found):
        faint = _straightened(picture, dpi, adaptive=True)
        found = faint if _weight(faint) > _weight(found) else found
    return found if _sound(found) else _better(found, picture, dpi, _quarter_turns(picture, dpi))


def _sound(found: Recognised) -> bool:
    return found.confidence is not None and found.confidence >= _DOUBTFUL and len(found.words) > 5


def _better(found: Recognised, picture: Image.Image, dpi: int, turns: int) -> Recognised:
    """`found`, or where it is doubtful what is read after another turn, whichever has more confident letters."""
    if _sound(found) or turns == found.turned:
        return found
    other = _turned(picture, dpi, turns)
    return other if _weight(other) > _weight(found) else found


def _turned(picture: Image.Image, dpi: int, turns: int) -> Recognised:
    """What is read after so many clockwise quarter turns; boxes are those of the picture as it lies."""
    if not turns:
        return _straightened(picture, dpi)
    found = _straightened(picture.transpose(_TURN[turns]), dpi)
    found.boxes = _turned_back(found.boxes, turns, picture.width, picture.height)
    found.turned = turns
    return found


def _blank(picture: Image.Image) -> bool:
    """Whether hardly a pixel differs from the paper: recognising an empty page costs as much as a full one."""
    shades = np.array(picture.histogram())
    paper = int(np.searchsorted(shades.cumsum(), shades.sum() / 2))
    other = shades[: max(paper - 40, 0)].sum() + shades[paper + 41 :].sum()
    return float(other / max(shades.sum(), 1)) < 5e-5


#: Clockwise quarter turns to Pillow's counter-clockwise ones.
_TURN = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}


def _weight(found: Recognised) -> float:
    return (found.confidence or 0.0) * sum(map(len, found.words))


def _straightened(picture: Image.Image, dpi: int, *, adaptive: bool = False) -> Recognised:
    """What is read from the level picture. `adaptive` is for faint print: black is told from white tile by tile."""
    angle = skew_degrees(np.asarray(picture))
    if abs(angle) < 0.3:  # tesseract follows slopes below that by itself
        return _tesseract(picture, dpi, adaptive)
    level = picture.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    found = _tesseract(level, dpi, adaptive)
    found.boxes = _slanted_back(found.boxes, angle, picture.width, picture.height)
    return found


def skew_degrees(pixels: Pixels) -> float:
    """The counter-clockwise angle that makes the lines of text level, within 8 degrees either way; 0.0 in doubt.

    The angle whose horizontal projection profile has the greatest energy (Postl 1986; Bloomberg, Kopec and
    Dasari 1995, "Measuring document image skew and orientation").
    """
    ys, xs = _ink(pixels)
    if not len(xs):
        return 0.0
    coarse, _ = _steepest(ys, xs, _COARSE)
    fine, _ = _steepest(ys, xs, np.arange(coarse - 0.5, coarse + 0.51, 0.1))
    return fine


def may_lie_sideways(pixels: Pixels) -> bool:
    """Whether the lines of text seem to run up or down the picture: their profile is the sharper one that way.

    The edge of a receipt looks the same, so this only says when it is worth asking tesseract (0.3 s).
    """
    ys, xs = _ink(pixels)
    if not len(xs):
        return False
    _, level = _steepest(ys, xs, _COARSE)
    _, upright = _steepest(xs, ys, _COARSE)
    return upright > _CLEARLY * level


def _ink(pixels: Pixels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of at most 30,000 dark points of a reduced picture; none where it is not print on paper."""
    step = max(1, max(pixels.shape) // 1000)
    edge_y, edge_x = pixels.shape[0] // 25, pixels.shape[1] // 25  # a scanner's black border is no text
    small = pixels[edge_y : pixels.shape[0] - edge_y : step, edge_x : pixels.shape[1] - edge_x : step]
    dark = small < min(128, int(small.mean()) - 20)
    ys, xs = np.nonzero(dark)
    if not 200 < len(xs) < 0.5 * dark.size:
        return ys[:0], xs[:0]
    if len(xs) > 30_000:
        keep = np.linspace(0, len(xs) - 1, 30_000).astype(np.int64)
        ys, xs = ys[keep], xs[keep]
    return ys, xs


def _steepest(
    ys: npt.NDArray[np.int64], xs: npt.NDArray[np.int64], angles: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """The angle of the sharpest profile and its energy; the level one unless another is clearly sharper."""
    energies = []
    for angle in angles:
        rows = (ys - xs * math.tan(math.radians(angle))).astype(np.int64)
        profile = np.bincount(rows - rows.min())
        energies.append(float(np.square(np.diff(profile.astype(np.float64))).sum()))
    best = int(np.argmax(energies))
    clear = energies[best] > 1.05 * float(np.median(energies))
    return (float(angles[best]) if clear else 0.0), energies[best]


def _slanted_back(boxes: npt.NDArray[np.float64], angle: float, width: int, height: int) -> npt.NDArray[np.float64]:
    """Boxes of the straightened picture as upright boxes of the slanted one."""
    radians = math.radians(angle)
    cos, sin = math.cos(radians), math.sin(radians)
    middle = np.array([width / 2, height / 2])
    x, y = (boxes[:, [0, 2]].mean(axis=1) - middle[0]), (boxes[:, [1, 3]].mean(axis=1) - middle[1])
    centre_x, centre_y = cos * x - sin * y + middle[0], sin * x + cos * y + middle[1]
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    half_x = (abs(cos) * wide + abs(sin) * high) / 2
    half_y = (abs(sin) * wide + abs(cos) * high) / 2
    return np.stack([centre_x - half_x, centre_y - half_y, centre_x + half_x, centre_y + half_y], axis=1)


def _turned_back(boxes: npt.NDArray[np.float64], turns: int, width: int, height: int) -> npt.NDArray[np.float64]:
    """Boxes of the picture after `turns` clockwise quarter turns as boxes of the picture before them."""
    x0, y0, x1, y1 = boxes.T
    if turns == 1:
        return np.stack([y0, height - x1, y1, height - x0], axis=1)
    if turns == 2:
        return np.stack([width - x1, height - y1, width - x0, height - y0], axis=1)
    return np.stack([width - y1, x0, width - y0, x1], axis=1)


def _quarter_turns(picture: Image.Image, dpi: int) -> int:
    """Clockwise quarter turns that tesseract's orientation detection asks for; 0 where it cannot tell."""
    report = _run(["--psm", "0", "-l", "osd", "--dpi", str(dpi)], picture, ok=(0, 1))
    for line in report.splitlines():
        if line.startswith("Rotate:"):
            return int(line.split(":")[1]) // 90 % 4
    return 0


def _tesseract(picture: Image.Image, dpi: int, adaptive: bool) -> Recognised:
    threshold = ["-c", "thresholding_method=1"] if adaptive else []
    report = _run(["-l", LANGUAGES, "--psm", "3", "--dpi", str(dpi), *threshold, "tsv"], picture)
    words: list[str] = []
    numbers: list[list[int]] = []
    for row in report.splitlines()[1:]:
        # level page block paragraph line word left top width height confidence text
        columns = row.split("\t")
        if len(columns) == 12 and columns[0] == "5" and columns[11].strip():
            words.append(columns[11].strip())
            numbers.append([int(value) for value in columns[2:10]] + [round(float(columns[10]))])
    if not words:
        return Recognised([], np.zeros((0, 4)), np.zeros(0, dtype=np.int64), None)
    table = np.array(numbers, dtype=np.int64)
    place = table[:, :3]
    lines = np.concatenate(([0], np.cumsum((place[1:] != place[:-1]).any(axis=1)))).astype(np.int64)
    x, y, wide, high = table[:, 4:8].T.astype(np.float64)
    lengths = np.array([len(word) for word in words])
    confidence = float(np.average(np.clip(table[:, 8], 0, 100), weights=lengths)) / 100
    return Recognised(words, np.stack([x, y, x + wide, y + high], axis=1), lines, confidence)


def _run(arguments: list[str], picture: Image.Image, ok: tuple[int, ...] = (0,)) -> str:
    """Run tesseract on one picture, single-threaded, and return what it prints."""
    # A file in memory: tesseract reads its standard input byte by byte, a tenth of a second for a page.
    with os.fdopen(os.memfd_create("picture"), "w+b") as file:
        picture.convert("L").save(file, "PPM")
        file.flush()
        return _answer([f"/proc/self/fd/{file.fileno()}", "stdout", *arguments], file.fileno(), ok)


def _answer(arguments: list[str], descriptor: int, ok: tuple[int, ...]) -> str:
    try:
        finished = subprocess.run(
            ["tesseract", *arguments],
            pass_fds=[descriptor],
            capture_output=True,
            timeout=_PAGE_TIMEOUT_S,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            check=False,
        )
    except FileNotFoundError as missing:
        raise Refused(
            "Scans and pictures cannot be read: tesseract is not installed on this machine.",
            action="Install tesseract-ocr with the languages fra, deu and eng, then retry.",
            code="ocr_missing",
        ) from missing
    except subprocess.TimeoutExpired as slow:
        raise Refused(
            f"Recognising one page took longer than {_PAGE_TIMEOUT_S} s.",
            action="Scan the page again in black and white at 300 dpi.",
            code="too_slow",
        ) from slow
    if finished.returncode not in ok:
        complaint = finished.stderr.decode("utf-8", "replace")[:500]
        raise Unavailable("The text recogniser failed on a page.", private=complaint)
    return finished.stdout.decode("utf-8", "replace")
