"""What a student learns from: texts with scores, each text once, split by score."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ablate.errors import DataError, FieldError, nearest
from ablate.fingerprint import digest
from ablate.pool.files import Files
from ablate.pool.source import Document, Skipped
from ablate.reading.records import clean_text


@dataclass(frozen=True, eq=False)
class Examples:
    """Texts to learn from.

    Attributes:
        texts: each once.
        scores: shape (n,), float64.
        left_out: reason -> records that are not among them.
    """

    texts: tuple[str, ...]
    scores: np.ndarray
    left_out: dict[str, int]

    @property
    def digest(self) -> str:
        """Of texts and scores in order."""
        texts = hashlib.blake2b(digest_size=16)
        for text in self.texts:
            texts.update(len(text).to_bytes(8, "little") + text.encode())
        return digest([texts.hexdigest(), self.scores.tolist()])


def read_labels(paths: Sequence[str], text_column: str, score_column: str) -> Examples:
    """Texts with scores from files of `pool=files`'s formats.

    Records with an empty score (an answer that stated none) are left out and counted.

    Raises:
        DataError: when no record has a score, or one is not a number.
    """
    found, left_out, columns = [], Counter[str](), set[str]()
    for document in _documents(paths, "classifier.labels", text_column, left_out):
        columns |= set(document.metadata)
        score = document.metadata.get(score_column)
        if score is None:
            left_out["no score"] += 1
            continue
        try:
            number = float(score) if isinstance(score, (str, int, float)) else np.nan
        except ValueError:
            number = np.nan
        if not np.isfinite(number):
            raise DataError(f"expected a number in {score_column!r}, got {score!r} (in {', '.join(paths)})")
        found.append((document.text, number))
    if not found:
        raise DataError(
            f"no record of {', '.join(paths)} has a score in {score_column!r}: {nearest(score_column, columns)}. "
            "Set classifier.score_column"
        )
    return _each_once(found, left_out)


def read_reference(reference: Sequence[str], background: Sequence[str], text_column: str) -> Examples:
    """Good texts with score 1 and background texts with score 0; a text of both is a good one."""
    left_out = Counter[str]()
    found = [
        (document.text, score)
        for paths, key, score in (
            (reference, "classifier.reference", 1.0),
            (background, "classifier.background", 0.0),
        )
        for document in _documents(paths, key, text_column, left_out)
    ]
    return _each_once(found, left_out)


def _documents(
    paths: Sequence[str], key: str, text_column: str, left_out: Counter[str]
) -> Iterator[Document]:
    """The documents of the files that a key of the configuration names."""
    files = Files(paths=list(paths), text_column=text_column)
    try:
        files.found()
    except FieldError as error:
        raise DataError(f"{key}{str(error).removeprefix('paths')}") from error
    for item in files.documents():
        if isinstance(item, Skipped) and item.reason.startswith("unreadable"):
            raise DataError(f"{key}: {item.file}, {item.offset}: {item.reason}")
        if isinstance(item, Skipped):
            left_out[item.reason.split(":")[0]] += 1
        elif not item.text.strip():
            left_out["no text"] += 1
        else:
            yield item


def _each_once(found: Sequence[tuple[str, float]], left_out: Counter[str]) -> Examples:
    """A text that came twice would stand on both sides of the split; the first counts."""
    unique: dict[str, float] = {}
    for text, score in found:
        unique.setdefault(clean_text(text), score)
    if len(unique) < len(found):
        left_out["repeats another text"] += len(found) - len(unique)
    return Examples(
        tuple(unique),
        np.fromiter(unique.values(), np.float64, len(unique)),
        dict(sorted(left_out.items())),
    )


def split(scores: np.ndarray, validation: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows for training and for validation, the same share of each score, in order.

    Args:
        scores: shape (n,).
        validation: share held out, in (0, 1).
    Returns:
        Two ascending arrays of rows, int64, that make up 0 .. n - 1.
    Raises:
        ValueError: for a share out of range.
    """
    if not 0 < validation < 1:
        raise ValueError(f"validation must be in (0, 1), got {validation}")
    rng, held_out = np.random.default_rng(seed), np.zeros(scores.size, dtype=bool)
    for score in np.unique(scores):
        rows = rng.permutation(np.flatnonzero(scores == score))
        held_out[rows[: round(validation * rows.size)]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
