"""An arm, opened to be looked at: its pool, and what each of its stages received and kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from ablate.config import make, plain
from ablate.corpus.annotate import TextVersion
from ablate.corpus.view import Corpus
from ablate.store import Store
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.schema import Arm


@contextmanager
def open_arm(config: DictConfig) -> Iterator[tuple[Arm, CorpusBuilder]]:
    """Open the recipe as configured, as an arm, and the builder that makes its corpus; workers stop with the block."""
    groups = {key: plain(config[key]) for key in ("pool", "recipe", "stages", "tokenizer", "evaluate")}
    arm = Arm(name=str(config.study.name), levels={}, config=groups)
    executor = make(config.executor, "executor")
    with CorpusBuilder(arm, Store(Path(config.store)), config.workers, executor) as builder:
        yield arm, builder


@dataclass(frozen=True, eq=False)
class StageOutcome:
    """What one stage received and what it kept, its steps taken together.

    Attributes:
        stage: its name in the recipe.
        rows: shape (m,), int64: pool rows that reached it, ascending.
        keep: shape (m,), bool.
        reason: shape (m,), object: why each document was dropped, None where it is kept.
        before, after: text versions; they differ when a step rewrites texts.
    """

    stage: str
    rows: np.ndarray
    keep: np.ndarray
    reason: np.ndarray
    before: TextVersion
    after: TextVersion

    @property
    def kept(self) -> np.ndarray:
        """Pool rows of the documents that it kept, ascending."""
        return np.asarray(self.rows[self.keep])


def stage_outcomes(corpus: Corpus) -> list[StageOutcome]:
    """One for each enabled stage, in order."""
    found = []
    for stage, steps in groupby(corpus.decisions, key=lambda decision: decision.stage):
        first, *others = steps
        rows, reason = first.rows, np.full(first.rows.size, None, dtype=object)
        last = first
        for last in (first, *others):
            names = np.array([None, *last.verdict.reasons], dtype=object)
            reason[np.searchsorted(rows, last.rows)] = names[last.verdict.code]
        keep = np.array([why is None for why in reason], dtype=bool)
        found.append(StageOutcome(stage, rows, keep, reason, first.before, last.after))
    return found
