"""Which choice of a logged sample is the right one: as the task declares it, checked against its accuracy.

lm-eval writes the target of a sample as a string, so the position 2 and the answer "2" look alike. Which of
them it is follows from lm-eval's own rules (`ConfigurableTask.doc_to_target` and `process_results`): a metric that
logs the position; else `doc_to_target` of the task's configuration, a field of the document being a position
when it is a number and an answer when it is a text, and digits of a template being a position. Where the
configuration says nothing (a function, a class), a reading must fit the accuracy of every sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ablate.errors import DataError

Sample = Mapping[str, Any]
LOGS_POSITION = ("f1", "mcc", "brier_score", "likelihood")
"""Metrics whose value of a sample is (position of the right choice, what the model did)."""
SAME = 1e-9
"""Log-likelihoods that differ by less, relatively, may have been equal before they were written."""


@dataclass(frozen=True)
class Choices:
    """The scored choices of a sample.

    Attributes:
        lls: shape (n,): log-likelihoods, nats.
        endings: what was scored after the question, delimiter included.
        texts: the choices themselves.
    """

    lls: np.ndarray
    endings: tuple[str, ...]
    texts: tuple[str, ...]


def choices_of(sample: Sample, config: Mapping[str, Any]) -> Choices | None:
    """The choices of a multiple-choice sample; None for any other, and where the contexts are the choices."""
    answers, arguments = sample.get("filtered_resps"), sample.get("arguments")
    given = [
        _pair(entry) for entry in (arguments.values() if isinstance(arguments, dict) else arguments or [])
    ]
    if not isinstance(answers, list) or len(answers) != len(given) or len(given) < 2:
        return None
    if not all(isinstance(answer, list) and len(answer) == 2 for answer in answers):
        return None
    if len({context for context, _ in given}) > 1:
        return None
    try:
        lls = np.array([float(answer[0]) for answer in answers])
    except (TypeError, ValueError):
        return None
    endings = tuple(ending for _, ending in given)
    delimiter = config.get("target_delimiter")
    texts = (
        ending.removeprefix(delimiter) if isinstance(delimiter, str) else ending.strip() for ending in endings
    )
    return Choices(lls, endings, tuple(texts))


def _pair(entry: Any) -> tuple[str, str]:
    values = list(entry.values()) if isinstance(entry, dict) else entry
    return (str(values[0]), str(values[1])) if isinstance(values, list) and len(values) > 1 else ("", "")


def right_choices(
    samples: Sequence[Sample], choices: Sequence[Choices], config: Mapping[str, Any], where: Path
) -> list[int] | None:
    """Position of the right choice of each sample; None where the task has no single one among its choices.

    Raises:
        DataError: when what the task declares, or every reading of what it leaves open, contradicts the
            accuracy of a sample; when several readings fit.
    """
    own = bool(config.get("process_results"))  # its accuracy may mean something else
    declared = [_declared(sample, config) for sample in samples]
    if all(declared):
        golds = [
            reading(sample, one)
            for reading, sample, one in zip(declared, samples, choices, strict=True)
            if reading is not None
        ]
        if (wrong := _contradicted(samples, choices, golds)) is None:
            return _all(golds)
        if own:
            return None
        sample, gold = samples[wrong], golds[wrong]
        raise DataError(
            f"{where}: doc {sample['doc_id']} says that choice {gold} is right (target {sample.get('target')!r}), "
            f"and that its accuracy is {_accuracy(sample)}, while the likelihoods say otherwise: "
            f"{[float(f'{ll:.4g}') for ll in choices[wrong].lls]}. Log the samples of this task again, or leave it out: results.tasks=[...]"
        )
    readings = {
        "the answer's text": [_text(sample, one) for sample, one in zip(samples, choices, strict=True)],
        "a position": [_position(sample, one) for sample, one in zip(samples, choices, strict=True)],
    }
    whole = {name: found for name, golds in readings.items() if (found := _all(golds)) is not None}
    if not whole:
        letters = _all([_letter(sample, one) for sample, one in zip(samples, choices, strict=True)])
        return letters if letters and _contradicted(samples, choices, letters) is None else None
    fitting = {name: golds for name, golds in whole.items() if _contradicted(samples, choices, golds) is None}
    if len({tuple(golds) for golds in fitting.values()}) == 1:
        return next(iter(fitting.values()))
    if own:
        return None
    if not fitting:
        wrong = _contradicted(samples, choices, next(iter(whole.values()))) or 0
        raise DataError(
            f"{where}: doc {samples[wrong]['doc_id']}: target {samples[wrong].get('target')!r}, read as "
            f"{' or as '.join(whole)}, contradicts the sample's accuracy of {_accuracy(samples[wrong])}. "
            "Log the samples of this task again, or leave it out: results.tasks=[...]"
        )
    raise DataError(
        f"{where}: targets such as {samples[0].get('target')!r} may be {' or '.join(fitting)}, and neither the "
        "task's doc_to_target nor the accuracies tell which. Leave the task out: results.tasks=[...]"
    )


Reading = Callable[[Sample, Choices], int | None]


def _declared(sample: Sample, config: Mapping[str, Any]) -> Reading | None:
    """How the task says that its target is read; None where it does not say."""
    if any(_logged(sample, name) is not None for name in LOGS_POSITION):
        return _by_metric
    said, doc = config.get("doc_to_target"), sample.get("doc")
    if isinstance(said, int):
        return _position
    if not isinstance(said, str) or not said or "def " in said or "lambda" in said or said.startswith("<"):
        return None
    if isinstance(doc, dict) and said in doc:
        return {int: _position, str: _text}.get(type(doc[said]), _none)
    target = str(sample.get("target"))
    if "{" in said:
        return _position if target.isdigit() else _text
    return None


def _logged(sample: Sample, metric: str) -> int | None:
    value = sample.get(metric)
    pair = isinstance(value, list) and len(value) == 2 and type(value[0]) is int
    return value[0] if pair and isinstance(value, list) else None


def _by_metric(sample: Sample, choices: Choices) -> int | None:
    gold = next(gold for name in LOGS_POSITION if (gold := _logged(sample, name)) is not None)
    return gold if 0 <= gold < choices.lls.size else None


def _position(sample: Sample, choices: Choices) -> int | None:
    target = str(sample.get("target"))
    return int(target) if target.isascii() and target.isdigit() and int(target) < choices.lls.size else None


def _text(sample: Sample, choices: Choices) -> int | None:
    target = str(sample.get("target"))
    return choices.texts.index(target) if target in choices.texts else None


def _letter(sample: Sample, choices: Choices) -> int | None:
    place = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".find(str(sample.get("target")).strip() or "?")
    return place if 0 <= place < choices.lls.size else None


def _none(sample: Sample, choices: Choices) -> int | None:
    return None


def _all(golds: Sequence[int | None]) -> list[int] | None:
    found = [gold for gold in golds if gold is not None]
    return found if len(found) == len(golds) else None


def _accuracy(sample: Sample) -> float | None:
    """What the sample itself says: whether the likeliest choice was the right one."""
    value = sample.get("acc")
    return float(value) if isinstance(value, (int, float)) and value in (0, 1) else None


def _contradicted(
    samples: Sequence[Sample], choices: Sequence[Choices], golds: Sequence[int | None]
) -> int | None:
    """The first sample whose accuracy cannot be that of this right choice; None when there is none."""
    for number, (sample, one, gold) in enumerate(zip(samples, choices, golds, strict=True)):
        accuracy = _accuracy(sample)
        if (
            accuracy is None or gold is None or np.isnan(one.lls).any()
        ):  # a likelihood that is none says nothing
            continue
        best = np.flatnonzero(one.lls >= one.lls.max() - SAME * abs(one.lls.max()))
        if (gold not in best) if accuracy else (best.tolist() == [gold]):
            return number
    return None
