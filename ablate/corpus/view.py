"""Builds an arm's corpus from what was measured once on the whole pool.

A corpus is a view: which version of the texts it reads, and which rows of the pool its stages keep. No text is
copied, so deciding again for another arm is cheap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import takewhile
from typing import Protocol

import numpy as np

from ablate.corpus.annotate import Annotations, TextVersion
from ablate.errors import DataError, under
from ablate.fingerprint import digest
from ablate.plain import Plain
from ablate.pool.pool import Pool
from ablate.stages.base import (
    Filter,
    Groups,
    Relation,
    SpanRelation,
    Stage,
    Step,
    Table,
    Transform,
    Verdict,
)
from ablate.text.spans import Spans, Windows


@dataclass(frozen=True, eq=False)
class Decision:
    """Holds what one step of a stage decided about the documents that reached it.

    Attributes:
        stage: the stage's name in the recipe.
        step: the primitive step of that stage.
        rows: shape (m,), int64: pool rows that came in, ascending.
        verdict: over `rows`.
        before, after: text versions that came in and went out; they differ where the step rewrote texts.
        measured: columns over `rows` that hold for this arm alone, since they depend on which documents are
            left; only a span relation has any.
        mine: shape (m,), bool: which of `rows` the stage deals with, see `Stage.only`.
    """

    stage: str
    step: Step
    rows: np.ndarray
    verdict: Verdict
    before: TextVersion
    after: TextVersion
    measured: Table
    mine: np.ndarray


@dataclass(frozen=True, eq=False)
class Corpus:
    """Holds what one arm trains on.

    Attributes:
        key: digest of what went in: the pool, the enabled stages and their parameters.
        content: digest of what came out; equal for two recipes that keep the same texts.
        version: which text each document has.
        rows: shape (n,), int64: pool rows of the documents kept, ascending.
        source: shape (m,), int64: pool rows of the documents that the first stage received, ascending.
        decisions: one for every step, in order.
    """

    key: str
    content: str
    version: TextVersion
    rows: np.ndarray
    source: np.ndarray
    decisions: tuple[Decision, ...]


class Part(Protocol):
    """Some of a pool's documents, such as one of its shards."""

    def rows(self, pool: Pool) -> np.ndarray:
        """Return the pool's rows that belong to it, ascending: int64."""
        ...

    def identity(self) -> dict[str, Plain]:
        """Return what names it among the parts of a pool."""
        ...


@dataclass(frozen=True)
class Overlap:
    """The documents that several parts have in common."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return " with ".join(map(str, self.parts))

    def rows(self, pool: Pool) -> np.ndarray:
        """Return the pool's rows that belong to every part, ascending: int64."""
        return reduce(np.intersect1d, [part.rows(pool) for part in self.parts])

    def identity(self) -> dict[str, Plain]:
        """Return the identities of the parts."""
        return {"in_all": [part.identity() for part in self.parts]}


def overlap(*parts: Part | None) -> Part | None:
    """Return the part that holds the documents that all `parts` have in common; None stands for the whole pool."""
    proper = tuple(part for part in parts if part is not None)
    return Overlap(proper) if len(proper) > 1 else proper[0] if proper else None


def corpus_key(pool: str, stages: Sequence[Stage], part: Part | None = None) -> str:
    """Return the key of the corpus that the enabled `stages` make of a pool or of a part of it.

    Each stage's key is a digest of the key before it and of the steps that the stage consists of.

    Args:
        pool: the pool's name.
    """
    key = pool if part is None else digest({"pool": pool, **part.identity()})
    for stage in stages:
        steps = [step.identity() for step in stage.steps()]
        key = digest({"input": key, "steps": steps, **stage.restriction()})
    return key


def build_corpus(stages: Sequence[Stage], annotations: Annotations, part: Part | None = None) -> Corpus:
    """Apply enabled stages in order, measuring only what was not measured before.

    The result is, document for document and byte for byte, what running the stages one after another
    on the raw documents would produce: filters and transforms see one text at a time, and what a
    relation found in the whole pool is restricted to the documents that reached it. The same holds for a part of the
    pool: measurements made on the whole give what measuring the part alone would.

    Args:
        stages: in order.
        annotations: what was measured on the whole pool; missing measurements are added to it.
        part: which documents go in; None for the whole pool.
    Raises:
        DataError: when the part is empty, or when a stage leaves no document; names the stage and the reasons.
        FieldError: when a stage reads a field that the pool's documents do not have.
    """
    version, pool = annotations.root(), annotations.pool
    for stage in stages:
        with under(f"stages.{stage.name}"):
            stage.check_fields(pool.fields())
    source = rows = np.arange(len(pool)) if part is None else part.rows(pool)
    synthetic = pool.is_synthetic
    if rows.size == 0:
        raise DataError(f"{part} of the pool holds no document; take fewer shards: randomness.shards")
    steps = [step for stage in stages for step in stage.steps()]
    decisions: list[Decision] = []
    for stage in stages:
        came_in = rows.size
        for step in stage.steps():
            mine = stage.deals_with(synthetic[rows])
            later = _filters_of_same_texts(steps[len(decisions) + 1 :])  # read in the same pass
            arrived = _Arrived(stage, annotations, version, rows, mine, later)
            before, verdict = version, step.apply(arrived).among(mine)
            version = arrived.version
            decisions.append(Decision(stage.name, step, rows, verdict, before, version, arrived.noted, mine))
            rows = rows[verdict.keep]
        if rows.size == 0:
            final = decisions[-1].verdict
            counts = np.bincount(final.code, minlength=len(final.reasons) + 1)[1:]
            why = ", ".join(f"{n} x {reason}" for reason, n in zip(final.reasons, counts, strict=True) if n)
            raise DataError(
                f"stage {stage.name} drops every document that reaches it ({came_in} came in; {why}). "
                f"Loosen its parameters or disable it: stages.{stage.name}.enabled=false"
            )
    key = corpus_key(pool.name, stages, part)
    return Corpus(key, _content(annotations, version, rows), version, rows, source, tuple(decisions))


class _Arrived:
    """The documents that reached a step, see `ablate.stages.base.Arrived`.

    Args:
        stage: that the step is of.
        annotations: of the pool.
        version: of the texts as the step meets them.
        reached: shape (m,), int64: pool rows of all documents that reached it.
        mine: shape (m,), bool: which of them the stage deals with.
        later: filters that will be asked of the same texts.
    Attributes:
        version: of the texts as the step leaves them.
        noted: columns over `reached` that hold for this arm alone.
    """

    def __init__(
        self,
        stage: Stage,
        annotations: Annotations,
        version: TextVersion,
        reached: np.ndarray,
        mine: np.ndarray,
        later: Sequence[Filter],
    ) -> None:
        self._stage, self._annotations, self._later = stage, annotations, later
        self._reached, self._mine = reached, mine
        self.version, self.noted = version, dict[str, np.ndarray]()
        self.rows, self.keys = reached[mine], annotations.pool.keys
        self.synthetic = annotations.pool.is_synthetic[self.rows]

    def n_bytes(self) -> np.ndarray:
        """Return the length of each text."""
        sizes = self._annotations.sizes(self.version)
        return np.asarray(sizes[self.rows])

    def measured(self, step: Filter) -> Table:
        """Measure what was not measured before, in one pass with the filters that follow."""
        found = self._annotations.measure(self.version, step, also=self._later)
        return {name: column[self.rows] for name, column in found.items()}

    def rewrite(self, step: Transform) -> None:
        """Take the version that the transform makes."""
        self.version = self._annotations.transform(self.version, step, self._stage.only)

    def groups(self, step: Relation) -> Groups:
        """Return the groups of the whole pool."""
        return self._annotations.groups(self.version, step)

    def windows(self, step: SpanRelation) -> Windows:
        """Return the windows of the whole pool, unless its order is one in which real text would be cut."""
        _check_order(self._stage, step, self.synthetic)
        return self._annotations.windows(self.version, step)

    def repeated(self, windows: Windows, spans: Spans) -> Table:
        """Count the pieces of every document that reached the step."""
        repeated = spans.pieces(len(self.keys))
        reached = self._reached
        self.noted = {"pieces": windows.n_pieces[reached], "repeated_pieces": repeated[reached]}
        return {name: column[self._mine] for name, column in self.noted.items()}

    def cut(self, step: SpanRelation, spans: Spans) -> None:
        """Take the version that is left."""
        self.version = self._annotations.cut(self.version, step, spans)

    def emptied(self) -> Verdict:
        """Drop what has no text left."""
        return Verdict.first_of(empty=self.n_bytes() == 0)


def _check_order(stage: Stage, step: SpanRelation, synthetic: np.ndarray) -> None:
    """Refuse a pool in which a synthetic document stands before a real one, if the step keeps what stands first.

    It would cut the real text because the synthetic one repeats it.

    Args:
        synthetic: shape (n,), bool: which of the documents that the stage deals with are synthetic, in pool order.
    Raises:
        DataError: says how to put the real documents first.
    """
    if step.keep == "first" and synthetic.any() and (np.diff(synthetic.astype(np.int8)) < 0).any():
        raise DataError(
            f"stage {stage.name} keeps what stands first in the pool, where synthetic documents stand before real ones: "
            f"name the real parts first in pool.parts, or give stages.{stage.name}.only=synthetic"
        )


def _filters_of_same_texts(steps: Sequence[Step]) -> list[Filter]:
    """Return the filters among the coming `steps` that see the texts as they are now: before one that may rewrite them."""
    before_rewriting = takewhile(lambda step: isinstance(step, (Filter, Relation)), steps)
    return [step for step in before_rewriting if isinstance(step, Filter)]


def _content(annotations: Annotations, version: TextVersion, rows: np.ndarray) -> str:
    """Return a digest of which documents are kept, each with the segment that holds its text."""
    which = version.which[rows]
    parts = [
        [segment, hashlib.blake2b(rows[which == number].astype("<i8").tobytes(), digest_size=16).hexdigest()]
        for number, segment in enumerate(version.segments)
        if (which == number).any()
    ]
    return digest([annotations.pool.digest, sorted(parts)])
