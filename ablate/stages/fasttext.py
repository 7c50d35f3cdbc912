"""Keep documents by a label of any fastText classifier: DCLM's, a domain's, one trained with fastText's own program.

Source: Joulin et al. 2016 (arXiv 1607.01759); as a quality filter: DCLM (arXiv 2406.11794, section 4.4), which kept the
best 10 % by the label `hq`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ablate.errors import ConfigError, nearest
from ablate.fingerprint import file_digest, file_stamp
from ablate.plain import Plain
from ablate.stages.base import Table, Verdict
from ablate.stages.thresholds import Scored
from ablate.text.fast_text import LABEL, load_model
from ablate.text.lines import one_line

MOST_LABELS = 256
"""Labels whose scores are kept of each document."""


@dataclass(frozen=True, kw_only=True)
class FastText(Scored):
    """Keep a document by the probability of a label; a document of blanks has none.

    The probability of every label is measured once for a model, so label and thresholds are chosen afterwards.

    Attributes:
        model: file of a supervised model, .bin or .ftz; its content counts for identity, its place does not.
        label: with or without fastText's prefix `__label__`.
    """

    name: ClassVar[str] = "fasttext"
    libraries: ClassVar[tuple[str, ...]] = ("fasttext-numpy2-wheel",)
    decide_only: ClassVar[tuple[str, ...]] = (*Scored.decide_only, "label")
    model: str | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model is not None and not Path(self.model).is_file():
            raise ValueError(f"model: {self.model} is not a file; give a fastText model, .bin or .ftz")

    def check(self) -> None:
        """Require a model that can be read, a label that it knows, and a rule."""
        labels = _load(self._model).labels
        if self.label is None or _full(self.label) not in labels:
            known = [label.removeprefix(LABEL) for label in labels]
            said = (
                f"the model does not know {self.label!r}: " if self.label is not None else "none is given; "
            )
            raise ConfigError(f"label: {said}{nearest(self.label or '', known)}")
        super().check()

    def parameters(self) -> dict[str, Plain]:
        """Name the model by its digest."""
        return super().parameters() | {"model": file_digest(self._model)}

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill column `scores`, shape (n, labels of the model in order of the alphabet), float32; NaN for blanks."""
        loaded = _load(self._model)
        place = {label: number for number, label in enumerate(loaded.labels)}
        scores = np.full((len(texts), len(place)), np.nan, dtype=np.float32)
        flat = [one_line(text) for text in texts]
        filled = [number for number, text in enumerate(flat) if text]
        if filled:
            found, values = loaded.model.predict([flat[number] for number in filled], k=len(place))
            for number, names, probabilities in zip(filled, found, values, strict=True):
                scores[number] = 0  # of labels too improbable to be named
                scores[number, [place[name] for name in names]] = probabilities
        return {"scores": scores, "missing": np.asarray(np.isnan(scores).any(axis=1), dtype=np.int64)}

    def decide(self, measured: Table) -> Verdict:
        """Decide as `Scored`, by the label's column."""
        assert self.label is not None
        column = _load(self._model).labels.index(_full(self.label))
        return super().decide({"score": measured["scores"][:, column]})

    @property
    def _model(self) -> str:
        if self.model is None:
            raise ConfigError(
                "model: no model is given; give the file of a fastText classifier, .bin or .ftz"
            )
        return self.model


def _full(label: str) -> str:
    return label if label.startswith(LABEL) else LABEL + label


@dataclass(frozen=True)
class _Loaded:
    model: Any
    labels: tuple[str, ...]


def _load(path: str) -> _Loaded:
    try:
        return _read(path, file_stamp(path))
    except OSError as error:
        raise ConfigError(f"model: cannot read {path}: {error.strerror or error}") from error


@lru_cache(maxsize=2)
def _read(path: str, _: tuple[int, ...]) -> _Loaded:
    try:
        model = load_model(path)
        model.predict(["a"])
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ConfigError(f"model: {path} is no fastText classifier ({error})") from error
    labels = tuple(sorted(model.get_labels()))
    if len(labels) > MOST_LABELS:
        raise ConfigError(
            f"model: {path} has {len(labels):,} labels; up to {MOST_LABELS} can be kept of each document"
        )
    return _Loaded(model, labels)
