"""Words and letters count more the less the encoder can make of a text."""

import numpy as np

from services.classify.seeing import SHARE_FOREIGN, SHARE_LONG, SHARE_SHORT, shares_of


def test_a_short_text_in_the_encoders_language_is_left_to_the_encoder() -> None:
    texts = ["where is my card", "word " * 40, "word " * 500]
    shares = shares_of(texts, np.full(3, 0.9, np.float32))
    assert shares[0] == np.float32(SHARE_SHORT)
    assert shares[0] < shares[1] < shares[2]
    assert np.isclose(shares[2], SHARE_LONG)


def test_a_foreign_language_is_left_to_words_and_letters_whatever_its_length() -> None:
    shares = shares_of(["kurz", "Wort " * 500], np.full(2, 0.3, np.float32))
    assert np.allclose(shares, SHARE_FOREIGN)


def test_an_empty_text_has_a_share_too() -> None:
    assert 0 < shares_of([""], np.array([0.5], np.float32))[0] < 1
