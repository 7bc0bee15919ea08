"""Secrets that must be used again, such as the password of a file: kept so that no single place gives them away.

The sealed text goes into the database; its key, made for this one secret, goes into the store. A copy of either
alone is worthless, and once the key is deleted so is every backup of the database (docs/decisions/0052).
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import Unavailable
from shared.store import Store

_NONCE_BYTES = 12


class Sealed(NamedTuple):
    """A secret at rest: where its key is in the store, and nonce and ciphertext (AES-256-GCM)."""

    secret_key: str
    sealed: bytes


def sealed_into(store: Store, workspace: str, secret: str) -> Sealed:
    """Seal `secret` under a fresh key, which is in the store when this returns."""
    key, nonce = AESGCM.generate_key(256), secrets.token_bytes(_NONCE_BYTES)
    return Sealed(store.put(workspace, "keys", key).key, nonce + AESGCM(key).encrypt(nonce, secret.encode(), None))


def opened(store: Store, sealed: Sealed) -> str:
    """The secret. Raises Unavailable where its key is gone or does not fit."""
    try:
        key = store.get(sealed.secret_key)
        nonce, content = sealed.sealed[:_NONCE_BYTES], sealed.sealed[_NONCE_BYTES:]
        return AESGCM(key).decrypt(nonce, content, None).decode()
    except (KeyError, InvalidTag) as lost:
        raise Unavailable("A sealed secret cannot be opened.", action="Give it again.", private=repr(lost)) from lost
