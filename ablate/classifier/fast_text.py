"""Student: a fastText classifier, as DCLM's filter is (Li et al. 2024, arXiv 2406.11794, section 4.4).

Source of the method: Joulin et al. 2016 (arXiv 1607.01759).
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ablate.classifier.student import Scorer, Student
from ablate.errors import DataError
from ablate.plain import Plain
from ablate.text.fast_text import LABEL, load_model
from ablate.text.lines import one_line
from ablate.text.text_norm import normal_text
from ablate.typed import typed

MOST_CLASSES = 20
WORDS, PASSES = 20_000_000, (5, 100)
"""What a training reads, and the fewest and most passes that it may take."""
TRAIN = """
import fasttext, json, sys
fasttext.train_supervised(**json.loads(sys.argv[1])).save_model(sys.argv[2])
"""
ZEROED = {"MALLOC_PERTURB_": "255"}
"""On one thread fastText draws start values for the first tenth of its table and leaves the rest as the memory was
(`DenseMatrix::uniform`), so it trains in a process of its own, in which glibc hands out zeroed memory: it fills with
the complement of this value's byte."""


@dataclass(frozen=True, kw_only=True)
class FastText(Student):
    """One class for each target; the score is the mean of the classes' values by their probabilities.

    Trained on one thread, since several update the weights in an order that no seed fixes. The first tenth of the
    table, which holds the words where there are many more buckets, starts at random, the rest at zero.

    Attributes:
        dim: width of the embeddings.
        ngram: longest word n-gram.
        buckets: rows for hashed n-grams.
        epochs: passes over the texts; null for as many as read 20 million words, from 5 to 100: a few hundred texts
            need more passes than a hundred thousand before the model has moved from where it starts.
        lr: learning rate at the start.
        min_count: rarer words are left out.
        normalise: words in lower case without accents and punctuation; false: only white space is.
    """

    file: ClassVar[str] = "model.bin"
    version: ClassVar[int] = 4
    libraries: ClassVar[tuple[str, ...]] = ("fasttext-numpy2-wheel",)
    dim: int = 64
    ngram: int = 2
    buckets: int = 200_000
    epochs: int | None = None
    lr: float = 0.5
    min_count: int = 1
    normalise: bool = True

    def __post_init__(self) -> None:
        for name in ("dim", "ngram", "buckets", "min_count", "epochs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        if self.lr <= 0:
            raise ValueError(f"lr must be above 0, got {self.lr}")

    def passes(self, lines: Sequence[str]) -> int:
        """Over these texts."""
        if self.epochs is not None:
            return self.epochs
        fewest, most = PASSES
        return min(most, max(fewest, math.ceil(WORDS / max(1, sum(line.count(" ") for line in lines)))))

    def line(self, text: str) -> str:
        """A text as fastText reads it; nothing in it can pass for a label."""
        if self.normalise:  # leaves no underscore
            return normal_text(text)
        return " ".join(part for part in one_line(text).split() if not part.startswith(LABEL))

    def fit(
        self, texts: Sequence[str], targets: np.ndarray, path: Path, *, binary: bool, seed: int
    ) -> dict[str, Plain]:
        """fastText's own format."""
        values = {f"{LABEL}{value:g}": float(value) for value in np.unique(targets)}
        if len(values) > MOST_CLASSES:
            raise DataError(
                f"fastText learns classes, and there are {len(values)} different scores; use student=linear, "
                "or classifier.target=class"
            )
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "train.txt"
            lines = [self.line(text) for text in texts]
            labelled = [f"{LABEL}{target:g} {line}" for target, line in zip(targets, lines, strict=True)]
            data.write_text("\n".join(labelled) + "\n", encoding="utf-8")
            settings = {
                "input": str(data),
                "dim": self.dim,
                "wordNgrams": self.ngram,
                "bucket": self.buckets,
                "epoch": self.passes(lines),
                "lr": self.lr,
                "minCount": self.min_count,
                "loss": "softmax",
                "thread": 1,
                "seed": seed,
                "verbose": 0,
            }
            command = [sys.executable, "-c", TRAIN, json.dumps(settings), str(path)]
            done = subprocess.run(command, env=os.environ | ZEROED, capture_output=True, text=True)
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
            raise DataError(
                f"fastText could not be trained: {why[0]}. After NaN, lower student.lr; killed (status -9), "
                "it lacked memory: lower student.buckets or student.dim"
            )
        return {"values": values}

    def load(self, path: Path, facts: Mapping[str, Plain]) -> Scorer:
        """Scores of texts."""
        model = load_model(path)
        values: dict[str, float] = typed(facts["values"], dict[str, float], f"{path}: facts.values")
        if set(values) != set(model.get_labels()):
            raise DataError(
                f"{path} has the labels {', '.join(model.get_labels()[:10])}; its values are given for "
                f"{', '.join(values)}"
            )

        def scores(texts: Sequence[str]) -> np.ndarray:
            if not texts:
                return np.zeros(0)
            labels, shares = model.predict([self.line(text) for text in texts], k=len(values))
            made = [
                float(np.dot([values[name] for name in names], share) / np.sum(share))
                for names, share in zip(labels, shares, strict=True)
            ]
            return np.asarray(made, dtype=np.float64)

        return scores
