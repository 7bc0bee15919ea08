"""Which model answers now: the promoted version as today's taxonomy has it, or a cold one where there is none.

Handlers and routes of one process share the models they have read; nothing is written here.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence

from services.classify.learning import learn
from services.classify.model import Model
from services.classify.moving import Move, moved
from services.classify.seeing import Embedder
from services.classify.settings import settings
from services.classify.storing import loaded
from services.classify.taxonomy import Taxonomy
from shared import registry
from shared.registry import Version
from shared.store import Store


def in_use(
    promoted: Version | None, store: Store, taxonomy: Taxonomy, moves: Sequence[Move], embedder: Embedder
) -> tuple[str, Model]:
    """The name and the model that answer now, where `promoted` is the version in use.

    `taxonomy`, which must have classes, is today's; `moves` are the renamings that led there.
    """
    leaves = taxonomy.leaves()
    if promoted is not None:
        learned = _MODELS.of(promoted.digest, lambda: loaded(registry.artefact(store, promoted)))
        later = [move for move in moves if move.version > promoted.lineage.get("taxonomy_version", 0)]
        if {moved(path, later) for path in learned.tree.leaves} & set(leaves):
            return promoted.id, learned.today(leaves, lambda path: moved(path, later))
    digest = hashlib.sha256(f"{embedder.name}\n{taxonomy.model_dump_json()}".encode()).hexdigest()
    return f"cold@{digest[:12]}", _MODELS.of(digest, lambda: learn(taxonomy, [], embedder).model)


class _Models:
    """The models this process has read or built, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Model] = OrderedDict()

    def of(self, digest: str, made: Callable[[], Model]) -> Model:
        """The model with that digest; `made` brings it where it is not in memory."""
        if digest not in self._kept:
            self._kept[digest] = made()
        self._kept.move_to_end(digest)
        while len(self._kept) > settings().models_in_memory:
            self._kept.popitem(last=False)
        return self._kept[digest]


_MODELS = _Models()
