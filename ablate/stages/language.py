"""Language filter: keep documents that fastText's lid.176 takes for one of the wanted languages.

Source: Joulin et al. 2016 (arXiv 1607.01759); threshold as in FineWeb (arXiv 2406.17557, section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ablate.errors import nearest
from ablate.fingerprint import file_digest
from ablate.plain import Plain
from ablate.stages.base import Filter, Table, Verdict
from ablate.text.fast_text import LABEL, load_model
from ablate.text.lines import one_line

MODEL = Path(__file__).parent / "data" / "lid.176.ftz"
CANDIDATES = 4
"""Languages kept per document; enough for any threshold from 1 / 5 up to be exact."""


@cache
def _model() -> Any:
    return load_model(MODEL)


@cache
def language_codes() -> tuple[str, ...]:
    """Return ISO 639 codes that the model knows, in a fixed order."""
    return tuple(sorted(label.removeprefix(LABEL) for label in _model().get_labels()))


@dataclass(frozen=True, kw_only=True)
class Language(Filter):
    """Keep a document when a wanted language scores at least the threshold.

    Attributes:
        languages: ISO 639 codes, e.g. [en, de].
        threshold: least score, in [0.2, 1].
    """

    name: ClassVar[str] = "language"
    version: ClassVar[int] = 2
    libraries: ClassVar[tuple[str, ...]] = ("fasttext-numpy2-wheel",)
    decide_only: ClassVar[tuple[str, ...]] = ("languages", "threshold")
    languages: tuple[str, ...] = ("en",)
    threshold: float = 0.65

    def __post_init__(self) -> None:
        if not 1 / (CANDIDATES + 1) <= self.threshold <= 1:
            raise ValueError(f"threshold must be in [{1 / (CANDIDATES + 1)}, 1], got {self.threshold}")
        if not self.languages:
            raise ValueError("languages must name at least one language, e.g. [en]")
        for code in self.languages:
            if code not in language_codes():
                raise ValueError(
                    f"languages: the model does not know {code!r}: {nearest(code, language_codes())}"
                )

    def parameters(self) -> dict[str, Plain]:
        """Name the model by its digest beside them."""
        return super().parameters() | {"model": file_digest(MODEL)}

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Find the best languages (positions in `language_codes`, -1 for none) and their scores."""
        position = {f"{LABEL}{code}": number for number, code in enumerate(language_codes())}
        label = np.full((len(texts), CANDIDATES), -1, dtype=np.int16)
        score = np.zeros((len(texts), CANDIDATES), dtype=np.float32)
        flat = [one_line(text) for text in texts]
        filled = [number for number, text in enumerate(flat) if text]
        if filled:
            labels, scores = _model().predict([flat[number] for number in filled], k=CANDIDATES)
            for number, names, values in zip(filled, labels, scores, strict=True):
                label[number, : len(names)] = [position[name] for name in names]
                score[number, : len(values)] = values
        return {
            "languages": label,
            "scores": score,
            "top": label[:, 0].copy(),
            "top_score": score[:, 0].copy(),
        }

    def decide(self, measured: Table) -> Verdict:
        """Drop for reason `other_language` when another is the best guess, else `low_score`."""
        wanted = [language_codes().index(code) for code in self.languages]
        is_wanted = np.isin(measured["languages"], wanted)
        best = np.where(is_wanted, measured["scores"], 0).max(axis=1)
        return Verdict.first_of(
            other_language=(best < self.threshold) & ~is_wanted[:, 0], low_score=best < self.threshold
        )
