"""What repeated tokens are worth: the data-constrained scaling law, and where it stops holding.

Source: Muennighoff et al. 2023, arXiv 2305.16264, section 5; the constants of their fit on C4 as their repository
huggingface/datablations prints them (README, "Parametric Fit").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

R_STAR = 15.39
"""How many repetitions it takes until a further one is worth 1 / e of a fresh pass (section 6; 15.387756 in their fit)."""
HOLDS_UNTIL = 14.0
"""Epochs up to which their own runs follow the law (2.8B parameters, 55B tokens of C4): at 14 they cost 0.123 nats over one
epoch, and the law says 0.120; at 44 they cost 0.856, and the law says 0.347. It saturates where a model overfits."""


def effective_tokens(tokens: float, unique: float, r_star: float = R_STAR) -> float:
    """Return what `tokens` drawn from `unique` distinct ones are worth in fresh tokens.

    D' = U + U R* (1 - exp(-R / R*)), R = D / U - 1 repetitions (equation 5).

    Raises:
        ValueError: when a count is not positive.
    """
    if not (tokens > 0 and unique > 0):
        raise ValueError(f"token counts must be positive, got {tokens} of {unique}")
    return _saturating(tokens, unique, r_star)


def _saturating(count: float, unique: float, r_star: float) -> float:
    if count <= unique:
        return float(count)
    repetitions = count / unique - 1
    return unique + unique * r_star * (1 - math.exp(-repetitions / r_star))


@dataclass(frozen=True, kw_only=True)
class DataConstrainedLaw:
    """Loss in nats for each token, L = E + A / N'^alpha + B / D'^alpha, where repeats and excess parameters count for less.

    D' is `effective_tokens`, and N' the same of the parameters, with as many "unique" ones as are optimal for the unique
    tokens. The defaults are the fit on C4 with models from 7M to 9B parameters; below that they say nothing.

    Attributes:
        ln_a, ln_b, ln_e: logarithms of A, B and E.
        alpha: exponent of both terms.
        r_star, r_star_n: of repeated tokens, and of excess parameters.
        optimal: parameters that are optimal for each unique token.
    """

    ln_a: float = 6.255414
    ln_b: float = 7.3049974
    ln_e: float = 0.6254804
    alpha: float = 0.3526596
    r_star: float = 15.387756
    r_star_n: float = 5.309743
    optimal: float = 0.051

    def loss(self, *, parameters: float, tokens: float, unique: float) -> float:
        """Return the loss of a model of `parameters` on `tokens` drawn from `unique` distinct ones.

        Raises:
            ValueError: when a count is not positive.
        """
        if not parameters > 0:
            raise ValueError(f"parameters must be positive, got {parameters}")
        worth = effective_tokens(tokens, unique, self.r_star)
        size = _saturating(parameters, min(parameters, self.optimal * unique), self.r_star_n)
        of_size = math.exp(self.ln_a - self.alpha * math.log(size))
        return math.exp(self.ln_e) + of_size + math.exp(self.ln_b - self.alpha * math.log(worth))
