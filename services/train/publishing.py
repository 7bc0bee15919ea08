"""A model of many files in the store: a manifest that names each file's key, SHA-256 and size, and the way back.

The manifest is the artefact that the registry keeps; equal folders give equal manifests.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from services.train.failpoints import reached
from shared.errors import Unavailable
from shared.store import Store


def manifest_of(folder: Path, store: Store, workspace: str) -> bytes:
    """Put every file of `folder` (and of the folders in it) into the store; the manifest. Raises Unavailable."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as opened:
            stored = store.put(workspace, "models", opened)
        reached("uploading")
        name = path.relative_to(folder).as_posix()
        files[name] = {"key": stored.key, "sha256": stored.sha256, "size_bytes": stored.size_bytes}
    return json.dumps({"files": files}, sort_keys=True).encode()


def fetched(manifest: bytes, store: Store, out: Path) -> Path:
    """Write the files of a manifest to `out`, hash-checked; `out`, which appears whole or not at all.

    Raises Unavailable where a file is gone or changed, ValueError on a name that leaves `out`.
    """
    aside = out.with_name(f".{out.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    for name, file in json.loads(manifest)["files"].items():
        place = aside / name
        if not place.resolve().is_relative_to(aside.resolve()):
            raise ValueError(f"the manifest names {name!r}, which is outside of its folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            place.write_bytes(store.get(file["key"]))  # the store checks the hash that is in the key
        except KeyError:
            raise Unavailable(
                f"The model's file {name} is gone from the store.", action="Restore the store from a backup."
            ) from None
    shutil.rmtree(out, ignore_errors=True)
    aside.rename(out)
    return out
