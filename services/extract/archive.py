"""A ranker as bytes: one zip of open formats, no pickle, the same ranker always the same bytes.

    manifest.json            format, fields with everything small, SHA-256 of every other member
    weights.safetensors      first stage: for each field the places (i32) and values (f32) of its weights
    boosters/<n>-<fold>.txt  second stage: LightGBM text models

Reading checks every digest before anything is parsed. A ranker that an older version wrote is `Outdated`: its
boosters look at other columns, so it can be named but not asked.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from services.extract.calibration import Calibration
from services.extract.familiar import Familiar
from services.extract.linear import WEIGHTS
from services.extract.ranker import FieldModel, Measured, Ranker, Writing, row_names
from services.extract.schema import FieldSpec
from services.extract.spelling import Spelling

#: Goes up when what a manifest holds changes; that features changed shows in `columns` by itself.
FORMAT = "dossier-ranker/2"
#: Zip members need a time; a fixed one keeps equal rankers equal bytes.
_TIME = (2000, 1, 1, 0, 0, 0)


class Outdated(ValueError):
    """The bytes are a ranker, but of a format, or for columns, that this version does not have."""


def packed(ranker: Ranker) -> bytes:
    """The ranker as bytes that `unpacked` reads."""
    members: dict[str, bytes] = {}
    weights: dict[str, NDArray[Any]] = {}
    fields = []
    for number, model in enumerate(ranker.models.values()):
        places = np.flatnonzero(model.weights)
        weights[f"{number}.places"] = places.astype(np.int32)
        weights[f"{number}.values"] = model.weights[places]
        for fold, booster in enumerate(model.boosters):
            members[f"boosters/{number}-{fold}.txt"] = booster.model_to_string().encode()
        fields.append(_described(model))
    members["weights.safetensors"] = save(weights)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    manifest = {"format": FORMAT, "columns": _columns(), "width": WEIGHTS, "fields": fields, "sha256": digests}
    members["manifest.json"] = json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=1).encode()
    return _zipped(members)


def unpacked(content: bytes) -> Ranker:
    """The ranker that `packed` wrote.

    Raises Outdated on one that an older version wrote, ValueError on anything else, or where a digest is wrong.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(members.pop("manifest.json"))
    except (zipfile.BadZipFile, KeyError, ValueError) as wrong:
        raise ValueError(f"these {len(content)} bytes are not a ranker: {wrong}") from wrong
    if not str(manifest.get("format")).startswith("dossier-ranker/"):
        raise ValueError(f"these {len(content)} bytes are not a ranker but {manifest.get('format')!r}")
    if (manifest["format"], manifest.get("columns"), manifest.get("width")) != (FORMAT, _columns(), WEIGHTS):
        raise Outdated(f"the ranker has format {manifest['format']!r} and other columns than this version's {FORMAT!r}")
    for name, digest in manifest["sha256"].items():
        if hashlib.sha256(members.get(name, b"")).hexdigest() != digest:
            raise ValueError(f"the ranker's member {name} is not what was written")
    weights = load(members["weights.safetensors"])
    return Ranker([_model(number, field, weights, members) for number, field in enumerate(manifest["fields"])])


def _columns() -> str:
    """What the second stage looks at, as a digest: boosters of other columns give nonsense."""
    return hashlib.sha256("\n".join(row_names([])).encode()).hexdigest()[:16]


def _described(model: FieldModel) -> dict[str, Any]:
    spelling = model.writing.spelling
    return {
        "field": model.field.model_dump(mode="json"),
        "pools": list(model.pools),
        "rivals": list(model.rivals),
        "folds": len(model.boosters),
        "choose": [*model.choose.weights, model.choose.bias],
        "trust": [*model.trust.weights, model.trust.bias],
        "threshold": model.threshold,
        "month_first": model.month_first,
        "spelling": {
            "tokens": spelling.tokens,
            "comma_goes_before": sorted(spelling.comma_goes_before),
            "blank_after_comma": spelling.blank_after_comma,
            "no_blank_before_comma": spelling.no_blank_before_comma,
            "straight_quotes": spelling.straight_quotes,
            "usual": spelling.usual,
            "comma_between_lines": spelling.comma_between_lines,
        },
        "familiar": list(model.writing.familiar.values),
        "measured": dataclasses.asdict(model.measured),
    }


def _model(
    number: int, field: dict[str, Any], weights: dict[str, NDArray[Any]], members: dict[str, bytes]
) -> FieldModel:
    dense = np.zeros(WEIGHTS, dtype=np.float32)
    dense[weights[f"{number}.places"]] = weights[f"{number}.values"]
    spelling = field["spelling"]
    return FieldModel(
        field=FieldSpec.model_validate(field["field"]),
        pools=tuple(field["pools"]),
        weights=dense,
        rivals=tuple(field["rivals"]),
        boosters=tuple(
            lightgbm.Booster(model_str=members[f"boosters/{number}-{fold}.txt"].decode())
            for fold in range(field["folds"])
        ),
        choose=Calibration(tuple(field["choose"][:-1]), field["choose"][-1]),
        trust=Calibration(tuple(field["trust"][:-1]), field["trust"][-1]),
        threshold=field["threshold"],
        writing=Writing(
            Spelling(**spelling | {"comma_goes_before": frozenset(spelling["comma_goes_before"])}),
            Familiar(tuple(field["familiar"])),
        ),
        measured=Measured(**field["measured"]),
        month_first=field["month_first"],
    )


def _zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name, _TIME), members[name], zipfile.ZIP_DEFLATED)
    return target.getvalue()
