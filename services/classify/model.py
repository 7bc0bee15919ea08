"""The encoder engine's model: what it keeps, how it answers, how it is stored.

A model is the labelled rows it compares with (terms and sentence vectors, never their text), one coefficient for
each row and leaf, and what the left-out rows taught about confidence and scope. It is stored as one safetensors
file: plain arrays and a JSON header, nothing that could run.

Model files hold the vocabulary of the labelled documents: treat them like the documents.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from scipy import sparse

from services.classify.calibration import Calibration
from services.classify.kernel import lexical_part, mixed, near_part
from services.classify.lexical import Lexicon, Vocabulary, similarities
from services.classify.scope import Scope, signals_from
from services.classify.tree import Path, Tree, softmax
from shared.errors import Unavailable

Floats = NDArray[np.float32]

FORMAT = "dossier-classifier-1"
#: Tokens of a text that its sentence vector sees: half a page. More cost much and gained nothing on the
#: development sets (docs/measurements/classify.md); the words and letters see the rest.
ENCODER_TOKENS = 128
#: Texts that are compared with all rows at once.
BATCH = 256
ALTERNATIVES = 5


class Embedder(Protocol):
    """What is needed of `shared.encoder.Encoder`."""

    name: str

    def encode(self, texts: list[str], max_tokens: int = 256) -> Floats:
        """Unit vectors, one row for each text."""
        ...


@dataclass(frozen=True)
class Alternative:
    """Another leaf that was considered; `confidence` is its share of the probability, None before any calibration."""

    path: Path
    confidence: float | None


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    `path` is the best leaf, also where `in_scope` is False (then none fits and `path` is the nearest class).
    `confidence` has, for each level, the calibrated probability that the path is right down to it, falling from
    level to level; None on every level where too few labels support one. `alternatives` are the best five
    leaves, the chosen one first.
    """

    path: Path
    confidence: tuple[float | None, ...]
    in_scope: bool
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True)
class Rows:
    """Texts as the kernel compares them: sparse words and letters, and unit sentence vectors, row by row."""

    words: Any
    letters: Any
    vectors: Floats

    def kernel(self, others: Rows, share: float) -> Floats:
        """Similarity of each row here to each row there; `share` is that of words and letters."""
        lexical = lexical_part(similarities(self.words, others.words), similarities(self.letters, others.letters))
        return mixed(lexical, near_part(self.vectors @ others.vectors.T), share)


@dataclass(frozen=True)
class Model:
    """A learned classifier, or a cold one that knows only the taxonomy's words.

    `coefficients` has a row for each row of `rows` and a column for each leaf, then one for "none fits"; `labelled`
    is how many of the rows, the first ones, are labelled documents (the others are the taxonomy's words).
    `lexical_share` is the share of words and letters in the kernel. `calibrations` has one entry for each level, None
    where it is not calibrated.
    """

    tree: Tree
    lexicon: Lexicon
    rows: Rows
    coefficients: Floats
    labelled: int
    lexical_share: float
    calibrations: tuple[Calibration | None, ...]
    scope: Scope | None
    encoder: str

    def predict(self, texts: list[str], embedder: Embedder, vectors: Floats | None = None) -> list[Prediction]:
        """The answer for each text; `vectors` are its sentence vectors where the caller has them already.

        Raises Unavailable where the model was learned with another encoder than `embedder`.
        """
        if embedder.name != self.encoder:
            raise Unavailable(
                f"The classifier was learned with the encoder {self.encoder}, but {embedder.name} is configured.",
                action="Train the classifier again, or configure the former encoder.",
            )
        if vectors is None:
            vectors = embedder.encode(texts, max_tokens=ENCODER_TOKENS)
        answers: list[Prediction] = []
        for start in range(0, len(texts), BATCH):
            part = slice(start, start + BATCH)
            words, letters = self.lexicon.rows(texts[part])
            answers += self._answers(Rows(words, letters, vectors[part]).kernel(self.rows, self.lexical_share))
        return answers

    def _answers(self, kernel: Floats) -> list[Prediction]:
        scores = kernel @ self.coefficients
        leaf_scores = scores[:, : len(self.tree.leaves)]
        inside = np.ones(len(kernel), bool)
        if self.scope is not None:
            inside = self.scope.fits(signals_from(leaf_scores, scores[:, -1], kernel[:, : self.labelled]))
        return answers_from(self.tree, softmax(leaf_scores), self.calibrations, inside)

    def limited_to(self, leaves: Collection[Path]) -> Model:
        """This model without the classes that are not among `leaves`; what remains shares the probability.

        For a taxonomy that lost classes since the model was learned. `leaves` must have some of the model's.
        """
        wanted = set(leaves)
        kept = [place for place, leaf in enumerate(self.tree.leaves) if leaf in wanted]
        if len(kept) == len(self.tree.leaves):
            return self
        tree = Tree(tuple(self.tree.leaves[place] for place in kept))
        return replace(
            self,
            tree=tree,
            coefficients=self.coefficients[:, [*kept, -1]],
            calibrations=self.calibrations[: tree.depth],
        )

    def save(self) -> bytes:
        """The model as one safetensors file; equal models give equal bytes."""
        arrays: dict[str, NDArray[Any]] = {
            "coefficients": self.coefficients,
            "vectors": self.rows.vectors.astype(np.float16),
            **_packed("words", self.rows.words, self.lexicon.words),
            **_packed("letters", self.rows.letters, self.lexicon.letters),
        }
        header: dict[str, Any] = {
            "leaves": self.tree.leaves,
            "labelled": self.labelled,
            "lexical_share": self.lexical_share,
            "encoder": self.encoder,
            "calibrations": [
                None if one is None else [one.scores.tolist(), one.shares.tolist()] for one in self.calibrations
            ],
            "scope": None
            if self.scope is None
            else [
                *(part.tolist() for part in (self.scope.means, self.scope.deviations, self.scope.weights)),
                self.scope.line,
            ],
        }
        # One entry, since several come in no fixed order; and safetensors takes the bytes of an array as they lie.
        plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        return bytes(save_arrays(plain, {FORMAT: json.dumps(header, sort_keys=True)}))


def load(content: bytes) -> Model:
    """The inverse of `Model.save`; raises Unavailable on anything else."""
    try:
        header = _header(content)
        arrays = load_arrays(content)
    except (SafetensorError, KeyError, ValueError) as wrong:
        raise Unavailable(
            "The stored classifier cannot be read.",
            action="Train it again, or roll back to the version before.",
            private=str(wrong),
        ) from wrong
    words, word_rows = _unpacked("words", arrays)
    letters, letter_rows = _unpacked("letters", arrays)
    scope = header["scope"]
    return Model(
        tree=Tree(tuple(tuple(path) for path in header["leaves"])),
        lexicon=Lexicon(words, letters),
        rows=Rows(word_rows, letter_rows, arrays["vectors"].astype(np.float32)),
        coefficients=arrays["coefficients"],
        labelled=header["labelled"],
        lexical_share=header["lexical_share"],
        calibrations=tuple(
            None if one is None else Calibration(np.array(one[0]), np.array(one[1])) for one in header["calibrations"]
        ),
        scope=None if scope is None else Scope(np.array(scope[0]), np.array(scope[1]), np.array(scope[2]), scope[3]),
        encoder=header["encoder"],
    )


def answers_from(
    tree: Tree, leaves: Floats, calibrations: tuple[Calibration | None, ...], inside: NDArray[np.bool_]
) -> list[Prediction]:
    """Answers from the probabilities of the leaves, one row for each text."""
    best = leaves.argmax(axis=1)
    confidences = _confidences(tree, leaves, best, calibrations)
    calibrated = all(one is not None for one in calibrations)
    count = min(ALTERNATIVES, leaves.shape[1])
    ranked = np.argsort(-leaves, axis=1, kind="stable")[:, :count]
    return [
        Prediction(
            path=tree.leaves[best[row]],
            confidence=tuple(confidences[row][: len(tree.leaves[best[row]])]),
            in_scope=bool(inside[row]),
            alternatives=tuple(
                Alternative(tree.leaves[leaf], float(leaves[row, leaf]) if calibrated else None) for leaf in ranked[row]
            ),
        )
        for row in range(len(leaves))
    ]


def _confidences(
    tree: Tree, leaves: Floats, best: NDArray[np.intp], calibrations: tuple[Calibration | None, ...]
) -> list[list[float | None]]:
    rows = np.arange(len(leaves))
    columns: list[NDArray[np.float64]] = []
    for level, calibration in enumerate(calibrations):
        if calibration is None:
            return [[None] * tree.depth for _ in rows]
        columns.append(calibration(tree.above(leaves, level)[rows, tree.members[level][best]]))
    falling = np.minimum.accumulate(np.column_stack(columns), axis=1)
    return [[float(value) for value in row] for row in falling]


def _packed(name: str, rows: Any, vocabulary: Vocabulary) -> dict[str, NDArray[Any]]:
    return {
        f"{name}.terms": np.frombuffer("\n".join(vocabulary.terms).encode(), np.uint8),
        f"{name}.weights": vocabulary.weights,
        f"{name}.data": rows.data.astype(np.float16),
        f"{name}.indices": rows.indices.astype(np.int32),
        f"{name}.starts": rows.indptr.astype(np.int64),
        f"{name}.shape": np.array(rows.shape, np.int64),
    }


def _unpacked(name: str, arrays: dict[str, NDArray[Any]]) -> tuple[Vocabulary, Any]:
    terms = arrays[f"{name}.terms"].tobytes().decode()
    vocabulary = Vocabulary(terms.split("\n") if terms else [], arrays[f"{name}.weights"])
    parts = (arrays[f"{name}.data"].astype(np.float32), arrays[f"{name}.indices"], arrays[f"{name}.starts"])
    return vocabulary, sparse.csr_matrix(parts, shape=tuple(arrays[f"{name}.shape"]))


def _header(content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    header: dict[str, Any] = json.loads(metadata[FORMAT])
    return header
