"""The token budget: how much an arm trains, how often it sees its tokens, what repetition is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypedDict

import numpy as np

from ablate.effects.repetition import HOLDS_UNTIL
from ablate.errors import ConfigError

WARN_EPOCHS = 4.0
"""Repeating up to about 4 times costs little (Muennighoff et al. 2023, section 6)."""


@dataclass(frozen=True, kw_only=True)
class BudgetConfig:
    """What is held equal between arms.

    Attributes:
        match: "tokens": every arm trains on `train.tokens`; "source": every arm makes one pass over
            what its stages leave of the same raw input, so a strict filter trains less.
    """

    match: str = "tokens"

    def __post_init__(self) -> None:
        if self.match not in ("tokens", "source"):
            raise ConfigError(f"match must be tokens or source, got {self.match!r}")


def repeats_too_often(epochs: float) -> str:
    """Return what a report says of so many epochs; "" where repeating costs little."""
    if epochs <= WARN_EPOCHS:
        return ""
    said = f"repeats its text more than {WARN_EPOCHS:g} times"
    if epochs <= HOLDS_UNTIL:
        return said
    return f"{said}, and more than {HOLDS_UNTIL:g}: worth less than the law of repetition says"


class Copies(TypedDict):
    """How often a run meets documents of one cluster: `mean` and `max` are of documents in a cluster that it met."""

    documents_seen: int
    clusters_seen: int
    mean: float
    max: int


class Documents(Protocol):
    """A stream that can tell which documents of a corpus a run of some tokens meets."""

    def documents_seen(self, tokens: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the index in the corpus of each document that is met, and how often it is."""
        ...


def copies_seen(stream: Documents, clusters: np.ndarray, tokens: int) -> Copies:
    """Return how many copies of duplicate clusters the budget really samples (FineWeb, appendix E.2).

    Where the budget is small against the pool few clusters are met twice, and deduplication cannot
    show. Epochs over the same document do not count as copies.

    Args:
        stream: the arm's; of one behind a trunk what the arm's own part reaches.
        clusters: shape (n,): cluster of each document of the corpus.
        tokens: the budget.
    """
    seen, _ = stream.documents_seen(tokens)
    _, copies = np.unique(clusters[seen], return_counts=True)
    return {
        "documents_seen": int(seen.size),
        "clusters_seen": int(copies.size),
        "mean": float(copies.mean()),
        "max": int(copies.max()),
    }


def copies_met(copies: int, read: float) -> float:
    """Return how many of a document's copies a run meets on average, once it meets the document.

    Args:
        copies: in what it draws from, itself included.
        read: budget over the tokens it draws from; from one pass on all are met.
    """
    return 1 + (copies - 1) * min(1.0, read)
