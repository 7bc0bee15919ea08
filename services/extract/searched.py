"""A document searched for candidates: the one preparation that fitting, ranking and cold choosing share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from services.extract.anchors import FieldAnchors, Labels
from services.extract.candidates import Candidate, candidates_in
from services.extract.context import Surroundings, hashed
from services.extract.features import DocumentFeatures
from services.extract.layout import sheet_of
from services.extract.matching import Forms
from services.extract.schema import FieldSpec
from shared.documents import Reading


@dataclass
class Pool:
    """The candidates of some pools of one document, their hashed words (a row each) and their numbers."""

    surroundings: Surroundings
    candidates: list[Candidate]

    @cached_property
    def words(self) -> csr_matrix:
        """Row i is the hashed surroundings of candidate i."""
        return hashed([self.surroundings.strings(candidate) for candidate in self.candidates])

    def anchored(self, field: FieldSpec) -> NDArray[np.float32]:
        """How well the labels around each candidate name `field`: a row of `anchors.NAMES` each."""
        if field not in self._anchored:
            self._anchored[field] = self._labels.rows(FieldAnchors.of(field))
        return self._anchored[field]

    @cached_property
    def _labels(self) -> Labels:
        return Labels(self.surroundings, self.candidates)

    @cached_property
    def _anchored(self) -> dict[FieldSpec, NDArray[np.float32]]:
        return {}

    @cached_property
    def forms(self) -> Forms:
        """The candidates by what they say."""
        return Forms(self.candidates)

    @cached_property
    def numbers(self) -> DocumentFeatures:
        """The numbers of the candidates, worked out only for those asked for."""
        return DocumentFeatures(self.surroundings.sheet, self.candidates)


@dataclass
class Searched:
    """One document, laid out; pools are searched when first asked for."""

    surroundings: Surroundings
    _pools: dict[tuple[str, ...], Pool] = field(default_factory=dict)

    @classmethod
    def of(cls, reading: Reading) -> Searched:
        """Lay out `reading`."""
        return cls(Surroundings(sheet_of(reading)))

    def pool(self, names: Sequence[str]) -> Pool:
        """The candidates of these pools, one pool after the other."""
        key = tuple(names)
        if key not in self._pools:
            found = [candidate for name in key for candidate in candidates_in(self.surroundings.sheet, name)]
            self._pools[key] = Pool(self.surroundings, found)
        return self._pools[key]
