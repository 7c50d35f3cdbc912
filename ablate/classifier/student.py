"""What a student is: a light classifier that is trained once, kept in a folder, and scores texts.

A student's folder holds `student.json` and one file with its weights. The JSON says which class made it
(`student`, as in `conf/student/*.yaml`), what that class needs to score (`facts`), and what it was
trained on (`recipe`). A fastText model from elsewhere becomes a student by a `student.json` of one's own:

    {"format": 1, "student": {"_target_": "ablate.classifier.fast_text.FastText", "normalise": false},
     "file": "model.bin", "facts": {"values": {"__label__hq": 1, "__label__cc": 0}}, "recipe": {}}
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NotRequired, TypedDict

import numpy as np

from ablate.config import make
from ablate.errors import DataError
from ablate.fingerprint import digest, file_digest, library_versions
from ablate.plain import Plain
from ablate.store import atomic, read_json, write_json

FORMAT = 1
INDEX = "student.json"
Scorer = Callable[[Sequence[str]], np.ndarray]
"""Texts to scores, shape (n,), float64; a text's score does not depend on the others."""


@dataclass(frozen=True, kw_only=True)
class Student(ABC):
    """Hyperparameters of a classifier. Built from a `conf/student/*.yaml`.

    Attributes:
        file: name of the file with the weights.
        version: bump it when the same training gives another model, or the same model other scores.
        libraries: the distributions whose version may change the model or its scores.
    """

    file: ClassVar[str]
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ()

    def identity(self) -> dict[str, Plain]:
        """Return what names it: class, version, libraries and every parameter."""
        return {
            "student": type(self).__name__,
            "version": self.version,
            "libraries": library_versions(self.libraries),
            "parameters": self.parameters(),
        }

    def parameters(self) -> dict[str, Plain]:
        """Every field by name, as it counts for identity; one that says where something lies by a digest of it."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @abstractmethod
    def fit(
        self, texts: Sequence[str], targets: np.ndarray, path: Path, *, binary: bool, seed: int
    ) -> dict[str, Plain]:
        """Train, and write the weights.

        Args:
            targets: shape (n,), float64: scores, or 0 and 1 when `binary`.
            path: file to write.
        Returns:
            Facts that `load` needs; plain data.
        Raises:
            DataError: when nothing can be learnt from these targets.
        """

    @abstractmethod
    def load(self, path: Path, facts: Mapping[str, Plain]) -> Scorer:
        """Make what `fit` wrote score texts: the expected score, or the probability of 1."""


def train_student(
    student: Student,
    texts: Sequence[str],
    targets: np.ndarray,
    folder: Path,
    *,
    binary: bool,
    seed: int,
    recipe: Mapping[str, Plain],
) -> Scorer:
    """Train a student into a folder; `student.json` is written last and counts as done.

    Args:
        recipe: what it is trained on, without paths or times; counts for its identity.
    """
    if len(texts) != len(targets) or len(np.unique(targets)) < 2:
        raise DataError(
            f"a classifier needs texts with two different targets at least, got {len(texts)} texts with "
            f"targets {np.unique(targets).tolist()[:5]}"
        )
    (folder / INDEX).unlink(missing_ok=True)
    with atomic(folder / student.file) as part:
        facts = student.fit(texts, targets, part, binary=binary, seed=seed)
    node = {"_target_": f"{type(student).__module__}.{type(student).__name__}"}
    write_json(
        folder / INDEX,
        {
            "format": FORMAT,
            "student": node | {f.name: getattr(student, f.name) for f in dataclasses.fields(student)},
            "version": student.version,
            "file": student.file,
            "digest": file_digest(folder / student.file),
            "facts": facts,
            "recipe": {**recipe, "binary": binary, "seed": seed},
        },
    )
    return load_student(folder)


def student_digest(folder: str | Path) -> str:
    """Names a student by its weights, its class and its recipe, wherever its folder lies.

    Raises:
        DataError: when there is no student, or its weights are not those that its JSON describes.
    """
    index, student = _open(folder)
    return digest([student.identity(), index["facts"], index["recipe"], file_digest(_weights(folder, index))])


def load_student(folder: str | Path) -> Scorer:
    """Return a student ready to score, loaded once per process.

    Raises:
        DataError: as `student_digest`.
    """
    return _load(str(Path(folder).resolve()), student_digest(folder))


@lru_cache(maxsize=4)
def _load(folder: str, key: str) -> Scorer:
    index, student = _open(folder)
    return student.load(_weights(folder, index), index["facts"])


class _Index(TypedDict):
    """What `student.json` holds; `digest` and `version` where we wrote it."""

    format: int
    student: Mapping[str, Plain]
    file: str
    facts: Mapping[str, Plain]
    recipe: Mapping[str, Plain]
    digest: NotRequired[str]
    version: NotRequired[int]


def _weights(folder: str | Path, index: _Index) -> Path:
    return Path(folder, index["file"])


def _open(folder: str | Path) -> tuple[_Index, Student]:
    path = Path(folder) / INDEX
    index: _Index = read_json(path)
    wanted = {"format", "student", "file", "facts", "recipe"}
    if not isinstance(index, dict) or not wanted <= set(index):
        raise DataError(f"{path}: expected the fields {', '.join(sorted(wanted))}; train the student again")
    if index["format"] != FORMAT:
        raise DataError(f"{path} has format {index['format']}, expected {FORMAT}; train the student again")
    found = file_digest(_weights(folder, index))
    if index.get("digest", found) != found:
        raise DataError(
            f"{_weights(folder, index)} is not the model that {path} describes; train the student again"
        )
    student = make(index["student"], f"{path}: student")
    if index.get("version", student.version) != student.version:
        raise DataError(
            f"{path} was trained by version {index['version']} of {type(student).__name__}, whose models version "
            f"{student.version} reads otherwise; train the student again"
        )
    return index, student
