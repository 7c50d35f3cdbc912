"""`check_tokenizer`: whether a tokenizer's tokens depend on the text alone, and its name on what it does."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from ablate.corpus.tokens import tokenize
from ablate.testing.contract import require, usual_texts


def check_tokenizer(folder: Path) -> None:
    """Tokenise texts alone, together, and from a copy of the folder.

    Args:
        folder: as `prepare_tokenizer` leaves it.
    Raises:
        ContractError: when tokens depend on the batch, or the digest on where the folder lies.
    """
    texts = [text for text in usual_texts() if text]
    operation = tokenize(folder)
    together = operation.measure_many(texts)
    ids = _lists(together["ids"])
    for text, here, count in zip(texts, ids, together["count"].tolist(), strict=True):
        require(
            count == len(here), f"{folder}: {count} tokens are counted of {text[:40]!r} and {len(here)} given"
        )
        alone = _lists(operation.measure_many([text])["ids"])[0]
        require(alone == here, f"{folder}: {text[:40]!r} has other tokens alone than in a batch")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "copy"
        shutil.copytree(folder, copy)
        again = tokenize(copy)
        require(again.digest == operation.digest, f"{folder}: a copy of the tokenizer has another digest")
        require(
            _lists(again.measure_many(texts)["ids"]) == ids,
            f"{folder}: a copy of the tokenizer gives other tokens",
        )


def _lists(ids: Any) -> list[list[int]]:
    return [list(one) for one in ids.to_pylist()]
