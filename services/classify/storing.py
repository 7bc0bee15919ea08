"""How a model is stored: one safetensors file, plain arrays and a JSON header, nothing that could run.

Model files hold the vocabulary of the labelled documents: treat them like the documents.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from scipy import sparse

from services.classify.calibration import Calibration
from services.classify.lexical import Lexicon, Vocabulary
from services.classify.model import Model, Rows
from services.classify.scope import Scope
from services.classify.seeing import Seen
from services.classify.tree import Tree
from shared.errors import Unavailable

#: Raise the number whenever a file of before could not be read any more.
FORMAT = "dossier-classifier-2"
LOOKS_FORMAT = "dossier-looks-1"


def saved(model: Model) -> bytes:
    """The model as one file; equal models give equal bytes."""
    rows, lexicon = model.rows, model.lexicon
    arrays: dict[str, NDArray[Any]] = {
        "coefficients": model.coefficients,
        "columns": model.columns.astype(np.int32),
        "deep": rows.deep.astype(np.float16),
        "shares": rows.shares,
        **_packed("words", rows.words, lexicon.words),
        **_packed("letters", rows.letters, lexicon.letters),
    }
    if model.centre is not None and rows.middle is not None:
        arrays |= {"centre": model.centre, "middle": rows.middle.astype(np.float16)}
    scope = model.scope
    header: dict[str, Any] = {
        "leaves": model.tree.leaves,
        "labelled": model.labelled,
        "encoder": model.encoder,
        "calibrations": [
            None if one is None else [one.scores.tolist(), one.shares.tolist()] for one in model.calibrations
        ],
        "scope": None
        if scope is None
        else [*(part.tolist() for part in (scope.means, scope.deviations, scope.weights)), scope.line],
    }
    # One entry, since several come in no fixed order; and safetensors takes the bytes of an array as they lie.
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return bytes(save_arrays(plain, {FORMAT: json.dumps(header, sort_keys=True)}))


def loaded(content: bytes) -> Model:
    """The inverse of `saved`; raises Unavailable on anything else."""
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
    middle = arrays["middle"].astype(np.float32) if "middle" in arrays else None
    scope = header["scope"]
    return Model(
        tree=Tree(tuple(tuple(path) for path in header["leaves"])),
        lexicon=Lexicon(words, letters),
        rows=Rows(word_rows, letter_rows, arrays["deep"].astype(np.float32), middle, arrays["shares"]),
        centre=arrays.get("centre"),
        coefficients=arrays["coefficients"],
        columns=arrays["columns"].astype(np.intp),
        labelled=header["labelled"],
        calibrations=tuple(
            None if one is None else Calibration(np.array(one[0]), np.array(one[1])) for one in header["calibrations"]
        ),
        scope=None if scope is None else Scope(np.array(scope[0]), np.array(scope[1]), np.array(scope[2]), scope[3]),
        encoder=header["encoder"],
    )


def looks_saved(digests: list[str], looked: Seen, encoder: str) -> bytes:
    """What the encoder saw of texts, each by its digest, so that learning again need not look at them again."""
    arrays: dict[str, NDArray[Any]] = {
        "deep": looked.deep.astype(np.float16),
        "middle": looked.middle.astype(np.float16),
        "shares": looked.shares,
    }
    header = {"digests": digests, "encoder": encoder}
    return bytes(save_arrays(arrays, {LOOKS_FORMAT: json.dumps(header, sort_keys=True)}))


def looks_loaded(content: bytes, encoder: str) -> tuple[dict[str, int], Seen] | None:
    """Digest of a text -> row, and the rows; None where another encoder saw them. The inverse of `looks_saved`."""
    header = _header(content, LOOKS_FORMAT)
    if header["encoder"] != encoder:
        return None
    arrays = load_arrays(content)
    looked = Seen(arrays["deep"].astype(np.float32), arrays["middle"].astype(np.float32), arrays["shares"])
    return {digest: row for row, digest in enumerate(header["digests"])}, looked


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


def _header(content: bytes, form: str = FORMAT) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    header: dict[str, Any] = json.loads(metadata[form])
    return header
