"""Student: a linear model on hashed word n-grams.

Source: feature hashing, Weinberger et al. 2009 (arXiv 0902.2206), here without signs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array

from ablate.classifier.fit import fit_linear, score_linear
from ablate.classifier.student import Scorer, Student
from ablate.plain import Plain
from ablate.text.text_norm import ngram_hashes, word_hashes_many


@dataclass(frozen=True, kw_only=True)
class Linear(Student):
    """Logistic or ridge regression on log counts of n-grams, each text scaled to length 1.

    Attributes:
        ngram: longest n-gram, in words in normal form.
        buckets: number of features.
        c: weight of the data against the penalty.
    """

    file: ClassVar[str] = "weights.npy"
    version: ClassVar[int] = 3
    ngram: int = 2
    buckets: int = 262_144
    c: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("ngram", 1), ("buckets", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, got {getattr(self, name)}")
        if self.c <= 0:
            raise ValueError(f"c must be above 0, got {self.c}")

    def features(self, texts: Sequence[str]) -> csr_array:
        """Shape (len(texts), buckets), float64."""
        rows, columns, values = [np.zeros(0, dtype=np.int64)], [], []
        words, bounds = word_hashes_many(texts)
        for number, (begin, end) in enumerate(pairwise(bounds)):
            grams = [ngram_hashes(words[begin:end], n) for n in range(1, self.ngram + 1)]
            hashed = np.concatenate(grams) % np.uint64(self.buckets)
            column, count = np.unique(hashed, return_counts=True)
            value = np.log1p(count)
            rows.append(np.full(column.size, number))
            columns.append(column.astype(np.int64))
            values.append(value / max(float(np.sqrt((value**2).sum())), 1e-12))
        shape = (len(texts), self.buckets)
        if not columns:
            return csr_array(shape)
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return csr_array(entries, shape=shape)

    def fit(
        self, texts: Sequence[str], targets: np.ndarray, path: Path, *, binary: bool, seed: int
    ) -> dict[str, Plain]:
        """The weights and, last, the intercept."""
        weights, intercept = fit_linear(self.features(texts), targets, binary=binary, c=self.c)
        with path.open("wb") as file:
            np.save(file, np.append(weights, intercept))
        return {"binary": binary}

    def load(self, path: Path, facts: Mapping[str, Plain]) -> Scorer:
        """Scores of texts."""
        parameters = np.load(path, allow_pickle=False)
        weights, intercept = parameters[:-1], parameters[-1]

        def scores(texts: Sequence[str]) -> np.ndarray:
            return score_linear(self.features(texts) @ weights + intercept, binary=bool(facts["binary"]))

        return scores
