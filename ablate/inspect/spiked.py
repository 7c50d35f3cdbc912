"""What the stages of an arm made of planted defects: removed documents, and what is gone of those that stayed."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ablate.corpus.annotate import Annotations, TextVersion
from ablate.corpus.dropped_texts import is_markup
from ablate.corpus.view import Corpus
from ablate.inspect.arm import StageOutcome, stage_outcomes
from ablate.inspect.retention import Share
from ablate.pool.spike.defects import COPIES, KINDS
from ablate.stages.base import Relation, SpanRelation

WHOLE = "whole recipe"
NOT_PLANTED = "not planted"


@dataclass(frozen=True)
class Outcome:
    """What one stage, or the whole recipe, made of documents of one kind.

    Attributes:
        stage: its name, or `WHOLE`.
        kind: of the defect, or `NOT_PLANTED`.
        strength: of the defect; 0 without one.
        removed: documents dropped, of those that reached the stage. Of copies: pairs of which not both
            are left, of the pairs that reached a stage which compares documents.
        gone: planted pieces that are gone, of those that stood in documents which the stage kept.
        n_before, n_after: bytes of the texts of documents that it kept; 0 where the texts before were HTML source.
    """

    stage: str
    kind: str
    strength: float
    removed: Share
    gone: Share
    n_before: int
    n_after: int


@dataclass(frozen=True, eq=False)
class Planting:
    """The truth of a pool, as arrays over its documents.

    Attributes:
        kind: shape (n,), object: of the defect, "" without one.
        strength: shape (n,), float.
        original: shape (n,), int64: row of the document that a copy was made of; -1 for what is no copy.
        pieces: shape (n,), object: what was added to each.
    """

    kind: np.ndarray
    strength: np.ndarray
    original: np.ndarray
    pieces: np.ndarray

    @classmethod
    def of(cls, truth: pa.Table) -> Planting:
        """From what the pool keeps."""
        kind = np.array(truth["kind"].to_pylist(), dtype=object)
        origin = truth["origin"].to_numpy()
        untouched = np.full(int(origin.max(initial=-1)) + 1, -1, dtype=np.int64)
        untouched[origin[kind == ""]] = np.flatnonzero(kind == "")
        copies = np.isin(kind, COPIES)
        pieces = np.empty(kind.size, dtype=object)
        pieces[:] = [tuple(row) for row in truth["pieces"].to_pylist()]
        return cls(kind, truth["strength"].to_numpy(), np.where(copies, untouched[origin], -1), pieces)

    def kinds(self) -> list[tuple[str, float]]:
        """Kind and strength of everything that was planted, in the order of the configuration."""
        found = {(kind, float(s)) for kind, s in zip(self.kind, self.strength, strict=True) if kind}
        return sorted(found, key=lambda one: (KINDS.index(one[0]), one[1]))


def outcomes(corpus: Corpus, planting: Planting, annotations: Annotations) -> list[Outcome]:
    """Of every stage in order and then of the whole recipe, each kind that was planted and what was not."""
    found: list[Outcome] = []
    passed = stage_outcomes(corpus)
    compares = {d.stage for d in corpus.decisions if isinstance(d.step, (Relation, SpanRelation))}
    keep = np.isin(corpus.source, corpus.rows)
    whole = StageOutcome(
        WHOLE, corpus.source, keep, np.full(keep.size, None), annotations.root(), corpus.version
    )
    for outcome in [*passed, whole]:
        found += _of_stage(outcome, planting, annotations, outcome.stage in compares or outcome is whole)
    return found


def _of_stage(
    outcome: StageOutcome, planting: Planting, annotations: Annotations, compares: bool
) -> Iterator[Outcome]:
    rows, kept = outcome.rows, outcome.kept
    reached, left = (np.zeros(planting.kind.size, dtype=bool) for _ in range(2))
    reached[rows], left[kept] = True, True
    original = planting.original
    paired = (original >= 0) & compares  # a pair stands for the copy, and its original for nothing
    with_copy = np.zeros_like(reached)
    with_copy[original[reached & paired]] = True
    sizes = [annotations.sizes(version) for version in (outcome.before, outcome.after)]
    text = np.zeros_like(reached)
    text[rows] = ~is_markup(annotations, outcome.before, rows)
    for kind, strength in [*planting.kinds(), (NOT_PLANTED, 0.0)]:
        if kind == NOT_PLANTED:
            mine = (planting.kind == "") & ~with_copy
        else:
            mine = (planting.kind == kind) & (planting.strength == strength)
        mine &= reached & (~paired | reached[original])
        gone = mine & ~(left & (~paired | left[original]))
        stayed = mine & left
        n_before, n_after = (int(one[stayed & text].sum()) for one in sizes)
        pieces = (
            _pieces(outcome, planting, annotations, np.flatnonzero(stayed))
            if kind != NOT_PLANTED
            else Share(0, 0)
        )
        yield Outcome(
            outcome.stage, kind, strength, Share(int(gone.sum()), int(mine.sum())), pieces, n_before, n_after
        )


def _pieces(outcome: StageOutcome, planting: Planting, annotations: Annotations, rows: np.ndarray) -> Share:
    """Pieces that are gone from the texts of `rows`, of those that stood in them before."""
    rows = np.array([row for row in rows.tolist() if planting.pieces[row]], dtype=np.int64)
    if rows.size == 0:
        return Share(0, 0)
    before = _holding(outcome.before, planting, annotations, rows)
    after = (
        _holding(outcome.after, planting, annotations, rows)
        if outcome.after is not outcome.before
        else before
    )
    return Share(len(before - after), len(before))


def _holding(
    version: TextVersion, planting: Planting, annotations: Annotations, rows: np.ndarray
) -> set[tuple[int, str]]:
    """(row, piece) of every planted piece that stands in a version's text, whatever blanks are between its words."""
    markup = dict(zip(rows.tolist(), is_markup(annotations, version, rows).tolist(), strict=True))
    found = set()
    for row, text in annotations.texts(version, rows):
        read = " ".join((html.unescape(text) if markup[row] else text).split())
        found |= {(row, piece) for piece in planting.pieces[row] if piece in read}
    return found
