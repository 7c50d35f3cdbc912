"""Student: a linear model on sentence embeddings, as FineWeb-Edu's (arXiv 2406.17557, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ablate.classifier.fit import fit_linear, score_linear
from ablate.classifier.student import Scorer, Student
from ablate.errors import ConfigError
from ablate.fingerprint import folder_digest
from ablate.plain import Plain
from ablate.text.encoder import text_encoder
from ablate.text.lines import plain_lines

POOLINGS = ("mean", "cls")


@dataclass(frozen=True, kw_only=True)
class Embedding(Student):
    """Logistic or ridge regression on a frozen encoder's embeddings, each scaled to length 1.

    Texts go through the encoder one at a time: in a padded batch a text's embedding would depend, in its
    last digits, on the others.

    Attributes:
        encoder: folder of a transformers encoder; counts by its content.
        pooling: `mean` of the last layer, or its first position, `cls`.
        max_tokens: of a text that are read.
        c: weight of the data against the penalty.
    """

    file: ClassVar[str] = "weights.npy"
    version: ClassVar[int] = 2
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "tokenizers")
    encoder: str
    pooling: str = "mean"
    max_tokens: int = 512
    c: float = 1.0

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling must be mean or cls, got {self.pooling!r}")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be 1 or more, got {self.max_tokens}")
        if self.c <= 0:
            raise ValueError(f"c must be above 0, got {self.c}")
        if not (Path(self.encoder) / "config.json").is_file():
            raise ValueError(
                f"encoder: expected the folder of a transformers model, no config.json in {self.encoder}"
            )

    def parameters(self) -> dict[str, Plain]:
        """With the encoder's digest in place of where it lies."""
        return super().parameters() | {"encoder": folder_digest(self.encoder)}

    def features(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (len(texts), width), float64."""
        import torch

        encoder, model = _encoder(str(Path(self.encoder).resolve()), folder_digest(self.encoder))
        encoder.enable_truncation(self.max_tokens)
        made = np.zeros((len(texts), model.config.hidden_size))
        with torch.inference_mode():
            for number, text in enumerate(texts):
                ids = encoder.encode(plain_lines(text)).ids
                if not ids:
                    continue
                read = torch.tensor([ids])
                last = (
                    model(input_ids=read, attention_mask=torch.ones_like(read)).last_hidden_state[0].double()
                )
                vector = (last.mean(dim=0) if self.pooling == "mean" else last[0]).numpy()
                made[number] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return made

    def fit(
        self, texts: Sequence[str], targets: np.ndarray, path: Path, *, binary: bool, seed: int
    ) -> dict[str, Plain]:
        """The weights and, last, the intercept."""
        weights, intercept = fit_linear(self.features(texts), targets, binary=binary, c=self.c)
        with path.open("wb") as file:
            np.save(file, np.append(weights, intercept))
        return {"binary": binary}

    def load(self, path: Path, facts: Mapping[str, Plain]) -> Scorer:
        """Scores of texts."""
        parameters = np.load(path, allow_pickle=False)
        weights, intercept = parameters[:-1], parameters[-1]

        def scores(texts: Sequence[str]) -> np.ndarray:
            # One product per text: a matrix product may round differently with the number of rows.
            z = np.asarray([row @ weights for row in self.features(texts)], dtype=np.float64) + intercept
            return score_linear(z, binary=bool(facts["binary"]))

        return scores


@lru_cache(maxsize=2)
def _encoder(folder: str, key: str) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not tokenizer.is_fast:
        raise ConfigError(f"encoder: the tokenizer in {folder} needs a fast version (a tokenizer.json)")
    return text_encoder(tokenizer), AutoModel.from_pretrained(folder).float().eval()
