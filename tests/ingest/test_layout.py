"""Reading order loses nothing, whatever the geometry."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.layout import CELLS, INK, lines_of

boxes = st.tuples(st.floats(0, 500), st.floats(0, 700), st.floats(1, 90), st.floats(1, 40))


@given(st.lists(st.tuples(boxes, st.integers(0, 2)), max_size=60), st.sampled_from([CELLS, INK]))
def test_every_word_comes_out_exactly_once(words, scale):
    hulls = np.array([(x, y, x + wide, y + high) for (x, y, wide, high), _ in words]).reshape(-1, 4)
    numbers = np.cumsum([step for _, step in words], dtype=np.int64)
    texts = [f"w{index}" for index in range(len(words))]
    lines = lines_of(texts, hulls, numbers, 595.0, scale)
    assert sorted(word for line in lines for word in line.words) == sorted(texts)
    places = dict(zip(texts, np.round(hulls, 2).tolist(), strict=True))
    assert all(list(box) == places[word] for line in lines for word, box in zip(line.words, line.boxes, strict=True))
