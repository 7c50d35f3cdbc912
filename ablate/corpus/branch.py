"""What a run that branches off a trunk reads: the trunk's text up to the branch, then its own."""

from __future__ import annotations

import numpy as np

from ablate.corpus.tokens import TokenStream


class BranchStream:
    """A reference arm's stream, and from some point on an arm's own.

    Both have the order of one seed, and the arm goes on at the place in it where the trunk stopped. So the reference's
    branch reads what the trunk would have read next, no arm reads again in this epoch what the trunk has read, and
    arms read the documents that they share in the same order: their branches differ in what the stage makes of
    one stretch of the shuffled pool.

    Attributes:
        unique_tokens: tokens in the arm's corpus.
        context: length of a sequence without the shifted target.
        at: tokens of the trunk, a multiple of the context.
    """

    def __init__(self, trunk: TokenStream, arm: TokenStream, at: int) -> None:
        self._trunk, self._arm, self.at = trunk, arm, at
        self.unique_tokens, self.context = arm.unique_tokens, arm.context
        self.shift = arm.tokens_at(trunk.place(at)) - at
        """How much further the arm's own stream is than the run."""

    def sequences(self, first: int, count: int) -> np.ndarray:
        """Return sequences as `TokenStream.sequences` does; those before `at` are the trunk's."""
        of_trunk = min(max(self.at // self.context - first, 0), count)
        parts = [self._trunk.sequences(first, of_trunk)] if of_trunk else []
        if of_trunk < count:
            parts.append(self._arm.sequences(first + of_trunk, count - of_trunk, self.shift))
        return np.concatenate(parts)

    def documents_seen(self, tokens: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which documents of the arm's corpus a run of `tokens` reads after the trunk: (index, times each)."""
        return self._arm.documents_seen(tokens + self.shift, self.at + self.shift)
