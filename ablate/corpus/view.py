"""Decide many times: an arm's corpus is a text version and the rows that its stages keep."""

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
    """What one step of a stage decided about the documents that reached it.

    Attributes:
        stage: the stage's name in the recipe.
        step: the primitive step of that stage.
        rows: shape (m,), int64: pool rows that came in, ascending.
        verdict: over `rows`.
        before, after: text versions; they differ where texts were rewritten.
        measured: columns over `rows` that hold for this arm alone; only a span relation has any.
        mine: shape (m,), bool: the documents that the stage deals with, see `Stage.only`.
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
    """What one arm trains on.

    Attributes:
        key: names the recipe on the pool; the same for the same enabled stages and parameters.
        content: names what came out; equal for two recipes that keep the same texts.
        version: the text of each document.
        rows: shape (n,), int64: documents kept, in pool order.
        source: shape (m,), int64: documents that the first stage received, in pool order.
        decisions: of every step, in order.
    """

    key: str
    content: str
    version: TextVersion
    rows: np.ndarray
    source: np.ndarray
    decisions: tuple[Decision, ...]


class Part(Protocol):
    """Some of a pool's documents."""

    def rows(self, pool: Pool) -> np.ndarray:
        """The pool's rows that belong to it, ascending: int64."""
        ...

    def identity(self) -> dict[str, Plain]:
        """What names it, beside the pool."""
        ...


@dataclass(frozen=True)
class Overlap:
    """The documents that belong to all of some parts."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return " with ".join(map(str, self.parts))

    def rows(self, pool: Pool) -> np.ndarray:
        """The pool's rows that belong to all, ascending: int64."""
        return reduce(np.intersect1d, [part.rows(pool) for part in self.parts])

    def identity(self) -> dict[str, Plain]:
        """Of every part."""
        return {"in_all": [part.identity() for part in self.parts]}


def overlap(*parts: Part | None) -> Part | None:
    """The documents that belong to all parts; None, which stands for the whole pool, where there is no part."""
    there = tuple(part for part in parts if part is not None)
    return Overlap(there) if len(there) > 1 else there[0] if there else None


def corpus_key(pool: str, stages: Sequence[Stage], part: Part | None = None) -> str:
    """Name the corpus that the enabled `stages` make of a pool, or of a part of it: by every step that they consist of."""
    key = pool if part is None else digest({"pool": pool, **part.identity()})
    for stage in stages:
        steps = [step.identity() for step in stage.steps()]
        key = digest({"input": key, "steps": steps, **stage.restriction()})
    return key


def build_corpus(stages: Sequence[Stage], annotations: Annotations, part: Part | None = None) -> Corpus:
    """Apply enabled stages in order, measuring what was not measured before.

    The result is, document for document and byte for byte, what running the stages one after another
    on the raw documents would produce: filters and transforms see one text at a time, and what a
    relation found is restricted to the documents that reached it. A part of the pool is one more restriction: what
    was measured and related on the whole pool gives what the part alone would.

    Args:
        stages: in order.
        annotations: of the whole pool.
        part: what is curated; None for all of it.
    Raises:
        DataError: when a stage leaves no document at all; names the stage and the reasons.
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
            before, here = version, {}
            mine = stage.deals_with(synthetic[rows])
            some = rows[mine]
            if isinstance(step, Transform):
                version = annotations.transform(before, step, stage.only)
                verdict = Verdict.first_of(empty=annotations.sizes(version)[some] == 0)
            elif isinstance(step, Relation):
                groups = annotations.groups(version, step)
                last = {"synthetic": synthetic[some]} if synthetic[some].any() else {}
                n_bytes = annotations.sizes(version)[some]
                verdict = step.resolve(groups, some, keys=pool.keys, n_bytes=n_bytes, **last)
            elif isinstance(step, SpanRelation):
                _check_order(stage, step, synthetic[some])
                windows = annotations.windows(version, step)
                spans = step.resolve(windows, some)
                repeated = spans.pieces(len(pool))
                here = {"pieces": windows.n_pieces[rows], "repeated_pieces": repeated[rows]}
                if step.on_hit == "cut":
                    version = annotations.cut(before, step, spans)
                    verdict = Verdict.first_of(empty=annotations.sizes(version)[some] == 0)
                else:
                    verdict = step.decide({name: column[mine] for name, column in here.items()})
            else:
                ahead = _filters_ahead(steps[len(decisions) + 1 :])
                measured = annotations.measure(version, step, also=ahead)
                verdict = step.decide({name: column[some] for name, column in measured.items()})
            verdict = verdict.among(mine)
            decisions.append(Decision(stage.name, step, rows, verdict, before, version, here, mine))
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
    """Refuse to cut real text where a synthetic document that repeats it stands first.

    Args:
        synthetic: shape (n,), bool: of the documents that it deals with, in pool order.
    """
    if step.keep == "first" and synthetic.any() and (np.diff(synthetic.astype(np.int8)) < 0).any():
        raise DataError(
            f"stage {stage.name} keeps what stands first in the pool, where synthetic documents stand before real ones: "
            f"name the real parts first in pool.parts, or give stages.{stage.name}.only=synthetic"
        )


def _filters_ahead(steps: Sequence[Step]) -> list[Filter]:
    """The filters before the first step that may rewrite texts."""
    same = takewhile(lambda step: isinstance(step, (Filter, Relation)), steps)
    return [step for step in same if isinstance(step, Filter)]


def _content(annotations: Annotations, version: TextVersion, rows: np.ndarray) -> str:
    which = version.which[rows]
    parts = [
        [segment, hashlib.blake2b(rows[which == number].astype("<i8").tobytes(), digest_size=16).hexdigest()]
        for number, segment in enumerate(version.segments)
        if (which == number).any()
    ]
    return digest([annotations.pool.digest, sorted(parts)])
