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
from ablate.stages.base import Filter, Relation, SpanRelation, Stage, Step, Table, Transform, Verdict


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
            before, for_arm = version, {}
            mine = stage.deals_with(synthetic[rows])
            dealt_with = rows[mine]
            if isinstance(step, Transform):
                version = annotations.transform(before, step, stage.only)
                verdict = Verdict.first_of(empty=annotations.sizes(version)[dealt_with] == 0)
            elif isinstance(step, Relation):
                groups = annotations.groups(version, step)
                # A relation from outside the package need not know of synthetic documents until a pool has some.
                give_way = {"synthetic": synthetic[dealt_with]} if synthetic[dealt_with].any() else {}
                n_bytes = annotations.sizes(version)[dealt_with]
                verdict = step.resolve(groups, dealt_with, keys=pool.keys, n_bytes=n_bytes, **give_way)
            elif isinstance(step, SpanRelation):
                _check_order(stage, step, synthetic[dealt_with])
                windows = annotations.windows(version, step)
                spans = step.resolve(windows, dealt_with)
                repeated = spans.pieces(len(pool))
                for_arm = {"pieces": windows.n_pieces[rows], "repeated_pieces": repeated[rows]}
                if step.on_hit == "cut":
                    version = annotations.cut(before, step, spans)
                    verdict = Verdict.first_of(empty=annotations.sizes(version)[dealt_with] == 0)
                else:
                    verdict = step.decide({name: column[mine] for name, column in for_arm.items()})
            else:
                later = _filters_of_same_texts(steps[len(decisions) + 1 :])  # read in the same pass
                measured = annotations.measure(version, step, also=later)
                verdict = step.decide({name: column[dealt_with] for name, column in measured.items()})
            verdict = verdict.among(mine)
            decisions.append(Decision(stage.name, step, rows, verdict, before, version, for_arm, mine))
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
