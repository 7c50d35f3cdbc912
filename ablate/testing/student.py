"""`check_student`: whether a classifier is named by all that it depends on."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ablate.classifier.student import Student
from ablate.fingerprint import file_digest
from ablate.testing.contract import check_canonical, require, same, usual_texts, variations


def check_student(
    student: Student, *, values: Mapping[str, Sequence[object]] | None = None, most: int = 6
) -> None:
    """Train a small student several times, with other values of its fields.

    Args:
        student: with settings that train in a moment.
        values: field -> values worth trying beside the usual ones.
        most: values tried of each field.
    Raises:
        ContractError: when training is not repeatable, a score depends on the batch, or a field changes the
            model or its scores and not the identity.
    """
    what = type(student).__name__
    check_canonical(student.identity(), f"the identity of {what}")
    texts = [text for text in usual_texts() if text.strip()]
    targets = np.array([float("rain" in text) for text in texts])
    weights, scores = _trained(student, texts, targets)
    require(
        same(_trained(student, texts, targets), (weights, scores)),
        f"{what} trains another model the second time",
    )
    tried: dict[str, int] = {}
    for name, value, changed in variations(student, values):
        tried[name] = tried.get(name, 0) + 1
        if tried[name] <= most and same(changed.identity(), student.identity()):
            require(
                same(_trained(changed, texts, targets), (weights, scores)),
                f"{what}.{name}={value!r} changes the model, and its identity stays",
            )


def _trained(student: Student, texts: Sequence[str], targets: np.ndarray) -> tuple[str, np.ndarray]:
    what = type(student).__name__
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / student.file
        facts = student.fit(texts, targets, path, binary=True, seed=0)
        check_canonical(facts, f"the facts of {what}")
        score = student.load(path, facts)
        together = score(texts)
        require(
            together.shape == (len(texts),) and together.dtype == np.float64,
            f"{what} must give each text a score, float64, got shape {together.shape} of {together.dtype}",
        )
        alone = np.concatenate([score([text]) for text in texts])
        require(
            bool(np.allclose(alone, together, rtol=1e-6, atol=1e-6)),
            f"{what} scores a text by what else is in the batch",
        )
        return file_digest(path), together
