"""`check_stage`: whether what names a stage's output names all of it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

from ablate.stages.base import Filter, Groups, Relation, SpanRelation, Stage, Step, Transform, Verdict
from ablate.testing.contract import (
    ContractError,
    as_read,
    check_canonical,
    drawn_texts,
    is_frozen,
    require,
    same,
    usual_addresses,
    usual_texts,
    variations,
)
from ablate.testing.libraries import check_libraries
from ablate.text.spans import Windows

SMALL = 1_000_000
"""Bytes of a pickled stage: models are loaded by the workers, not sent to them."""


def check_stage(
    stage: Stage,
    *,
    values: Mapping[str, Sequence[object]] | None = None,
    texts: Sequence[str] = (),
    examples: int = 25,
    libraries: bool = True,
) -> None:
    """Try to find what a stage's identity forgets, and whatever else the store and the arms rely on.

    Each field is set to other values; where the identity of the slow half stays, so must what it returns,
    and where the whole identity stays, so must the decisions. Output must depend on nothing but the text:
    not on the batch, the order, an earlier call or the process. Every document that goes in must be
    accounted for. Libraries that the slow half uses must be declared.

    Args:
        stage: as it is used; one with a model or lists should be given small ones.
        values: field -> values worth trying beside the usual ones, such as names that only this stage knows.
        texts: texts (or whatever column a filter reads) worth trying beside the usual ones: some that make the
            fields matter.
        examples: lists of texts that hypothesis draws.
        libraries: look for libraries that are not declared, in a process of its own (some seconds).
    Raises:
        ContractError: names the field, or the text, and what differs.
    """
    require(
        is_frozen(type(stage)),
        f"{type(stage).__name__} must be a frozen dataclass: its fields are its parameters",
    )
    whole = [*texts, *usual_texts()]
    _check_shape(stage)
    steps = stage.steps()
    for step in steps:
        _check_shape(step)
        _check_output(step, _of(step, whole))
    # Once: that it is the same whenever it is asked was just seen.
    measured = [slow_half(step, _of(step, whole)) for step in steps]
    for name, value, changed in variations(stage, values):
        where = f"{type(stage).__name__}.{name}={value!r}"
        others = changed.steps()
        if len(others) == len(steps):
            for step, other, half in zip(steps, others, measured, strict=True):
                _compare(step, other, _of(step, whole), where, half)
        require(
            [step.identity() for step in steps] != [step.identity() for step in others]
            or _alike(steps, others, whole),
            f"{where} changes what the stage does, and its identity stays",
        )
    for step, half in zip(steps, measured, strict=True):
        for name, value, changed in variations(step, values):
            _compare(step, changed, _of(step, whole), f"{type(step).__name__}.{name}={value!r}", half)
    _check_drawn(stage, values, examples)
    if libraries:
        for step in steps:
            check_libraries(step, _of(step, whole))


def slow_half(step: Step, texts: Sequence[str]) -> Any:
    """What the slow half returns for some texts."""
    if isinstance(step, Transform):
        return list(step.transform_many(texts))
    if isinstance(step, SpanRelation):
        return [step.sketch_many(texts), [step.pieces(text) for text in texts]]
    if isinstance(step, Relation):
        return step.sketch_many(texts)
    return dict(step.measure_many(texts))


def related(step: Relation | SpanRelation, texts: Sequence[str]) -> Groups | Windows:
    """What a relation finds among some texts."""
    rows = np.arange(len(texts))
    if isinstance(step, Relation):
        return step.relate(
            step.sketch_many(texts), rows, lambda asked: [(int(row), texts[row]) for row in asked]
        )
    sketches = step.sketch_many(texts)
    counts = np.array([sketch.size for sketch in sketches], dtype=np.int64)
    values = np.concatenate([np.zeros(0, dtype=np.uint64), *sketches])
    return step.relate(values, counts, rows, len(texts))


def decided(step: Step, texts: Sequence[str]) -> Any:
    """What a step decides about some texts; of a transform, what it makes of them."""
    if isinstance(step, Transform):
        return slow_half(step, texts)
    rows = np.arange(len(texts))
    if isinstance(step, Relation):
        groups = related(step, texts)
        assert isinstance(groups, Groups)
        sizes = np.array([len(text.encode()) for text in texts], dtype=np.int64)
        return step.resolve(groups, rows, keys=rows.astype(np.uint64) * np.uint64(2654435761), n_bytes=sizes)
    if isinstance(step, SpanRelation):
        windows = related(step, texts)
        assert isinstance(windows, Windows)
        spans = step.resolve(windows, rows)
        measured = {"pieces": windows.n_pieces, "repeated_pieces": spans.pieces(len(texts))}
        return [spans, step.decide(measured), step.on_hit]
    return step.decide(step.measure_many(texts))


def _of(step: Step, texts: Sequence[str]) -> list[str]:
    """The texts, or addresses or records for a filter that reads those; each once."""
    addresses = isinstance(step, Filter) and step.reads == "url"
    return list(dict.fromkeys([*texts, *usual_addresses()] if addresses else as_read(step, texts)))


def _check_shape(stage: Stage) -> None:
    what = type(stage).__name__
    require(isinstance(stage.name, str) and stage.name, f"{what}.name must be a word")
    for identity in (stage.identity(), stage.slow_identity()):
        check_canonical(identity, f"the identity of {what}")
    packed = pickle.dumps(stage)
    require(
        len(packed) < SMALL,
        f"{what} takes {len(packed):,} bytes to send to a worker; load models lazily and keep fields plain",
    )
    again = pickle.loads(packed)
    require(
        same(again.identity(), stage.identity()), f"{what} has another identity after it was sent to a worker"
    )


def _check_output(step: Step, texts: Sequence[str]) -> None:
    what = type(step).__name__
    together = slow_half(step, texts)
    require(same(slow_half(step, texts), together), f"{what} gives another output when it is asked again")
    fresh = pickle.loads(pickle.dumps(step))
    require(same(slow_half(fresh, texts), together), f"{what} gives another output in another worker")
    backwards = slow_half(step, texts[::-1])
    for number, text in enumerate(texts):
        alone = _row(slow_half(step, [text]), 0, 1, what)
        here = _row(together, number, len(texts), what)
        turned = _row(backwards, len(texts) - 1 - number, len(texts), what)
        require(
            same(alone, here) and same(turned, here),
            f"{what} gives another output for {text[:60]!r} alone or in another order than in a batch",
        )
    _row(slow_half(step, []), 0, 0, what)
    if isinstance(step, Transform):
        require(all(isinstance(text, str) for text in together), f"{what} must return a text for each text")
    if isinstance(step, SpanRelation):
        for text, sketch, pieces in zip(texts, *together, strict=True):
            require(len(sketch) == len(pieces), f"{what} must sketch each piece of {text[:60]!r} once")
            flat = [edge for piece in pieces for edge in piece]
            require(
                flat == sorted(flat) and all(text[begin:end].strip() for begin, end in pieces),
                f"{what} must cut {text[:60]!r} into pieces that are ascending, disjoint and not blank",
            )
    _check_verdict(step, texts)


def _check_verdict(step: Step, texts: Sequence[str]) -> None:
    what = type(step).__name__
    if isinstance(step, Transform):
        return
    if isinstance(step, Filter):
        measured = {name: np.array(column) for name, column in step.measure_many(texts).items()}
        for column in measured.values():
            column.flags.writeable = False
        try:
            verdict = step.decide(measured)
        except ValueError as error:
            if "read-only" in str(error):
                raise ContractError(
                    f"{what}.decide changes what was measured; other arms read it too"
                ) from error
            raise
        missing = set(step.counts) - set(measured)
        require(not missing, f"{what}.counts names {sorted(missing)}, which is not measured")
    elif isinstance(step, Relation):
        verdict = decided(step, texts)
    else:
        verdict = decided(step, texts)[1]
    require(isinstance(verdict, Verdict), f"{what} must return a Verdict, got {type(verdict).__name__}")
    require(
        verdict.code.shape == (len(texts),),
        f"{what} must decide about each of {len(texts)} documents, got a verdict of shape {verdict.code.shape}",
    )
    require(
        not verdict.code.size or 0 <= verdict.code.min() <= verdict.code.max() <= len(verdict.reasons),
        f"{what} drops documents for a reason that it does not name",
    )
    require(
        len(set(verdict.reasons)) == len(verdict.reasons), f"{what} names a reason twice: {verdict.reasons}"
    )


def _row(output: Any, number: int, count: int, what: str) -> Any:
    """What belongs to one text; `count` texts went in."""
    columns = list(output.values()) if isinstance(output, dict) else output if _is_pair(output) else [output]
    for column in columns:
        require(len(column) == count, f"{what} was given {count} texts and returned {len(column)} rows")
    return [column[number] for column in columns] if count else None


def _is_pair(output: Any) -> bool:
    return isinstance(output, list) and len(output) == 2 and all(isinstance(part, list) for part in output)


def _compare(step: Step, other: Step, texts: Sequence[str], where: str, half: Any = None) -> None:
    """Where what names the output of two configurations is the same, the output must be.

    Args:
        half: what the slow half of `step` returns for these texts, where that is known.
    """
    if type(step) is not type(other):
        return
    if same(step.slow_identity(), other.slow_identity()):
        require(
            same(slow_half(step, texts) if half is None else half, slow_half(other, texts)),
            f"{where} changes what {type(step).__name__} measures, and the identity of its slow half stays: the "
            "store would give back what the other value measured. Take the field out of decide_only",
        )
    related_to = (Relation, SpanRelation)
    if isinstance(step, related_to) and isinstance(other, related_to):
        require(
            not same(step.relate_identity(), other.relate_identity())
            or same(related(step, texts), related(other, texts)),
            f"{where} changes what {type(step).__name__} relates, and relate_identity stays",
        )
    if same(step.identity(), other.identity()):
        require(
            same(decided(step, texts), decided(other, texts)),
            f"{where} changes what {type(step).__name__} decides, and its identity stays",
        )


def _alike(steps: Sequence[Step], others: Sequence[Step], texts: Sequence[str]) -> bool:
    return len(steps) == len(others) and all(
        same(decided(step, _of(step, texts)), decided(other, _of(other, texts)))
        for step, other in zip(steps, others, strict=True)
    )


def _check_drawn(stage: Stage, values: Mapping[str, Sequence[object]] | None, examples: int) -> None:
    """As above, over texts that hypothesis draws."""
    strategy = drawn_texts()
    import hypothesis

    steps = stage.steps()
    others = [(f"{name}={value!r}", changed) for name, value, changed in variations(stage, values)]
    # Only those can lie whose name stays.
    slow = [step.slow_identity() for step in steps]
    hidden = []
    for where, changed in others:
        made = changed.steps()
        pairs = list(zip(steps, made, slow, strict=False))
        hidden += [(where, one, two) for one, two, name in pairs if same(two.slow_identity(), name)]

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy, hypothesis.strategies.randoms(use_true_random=False))
    def drawn(texts: list[str], chance: Random) -> None:
        for step in steps:
            _check_output(step, list(dict.fromkeys(as_read(step, texts))))
        for where, one, two in chance.sample(hidden, min(5, len(hidden))):
            _compare(one, two, as_read(one, texts), f"{type(stage).__name__}.{where}")

    drawn()
