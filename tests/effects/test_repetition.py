"""The data-constrained scaling law against its authors' numbers."""

from __future__ import annotations

import math

import pytest

from ablate.effects.repetition import HOLDS_UNTIL, DataConstrainedLaw, effective_tokens

SEEN = {2: 0.0060, 3: 0.0129, 4: 0.0213, 5: 0.0298, 7: 0.0369, 14: 0.1229, 44: 0.8560}
"""Epochs -> loss above one epoch in their runs: 2.8B parameters, 55B tokens of C4, means of four seeds (repository
huggingface/datablations, plotstables/return.ipynb)."""
SAYS = {2: 0.005, 3: 0.014, 4: 0.023, 5: 0.033, 7: 0.053, 14: 0.120, 44: 0.347}
"""The same by the law, from the formula and constants of their README ("Parametric Fit")."""


def cost(epochs: float) -> float:
    """Of so many epochs over one, in nats, in the setting of `SEEN`."""
    law = DataConstrainedLaw()
    one, many = (law.loss(parameters=2.8e9, tokens=55e9, unique=55e9 / times) for times in (1.0, epochs))
    return many - one


def test_it_says_what_its_authors_code_says() -> None:
    for epochs, says in SAYS.items():
        assert cost(epochs) == pytest.approx(says, abs=5e-4)


def test_where_it_holds_and_where_it_fails() -> None:
    """Within 0.02 nats of what they saw up to 14 epochs; at 44 they saw 2.5 times what it says."""
    for epochs, seen in SEEN.items():
        if epochs <= HOLDS_UNTIL:
            assert abs(cost(epochs) - seen) < 0.02
    assert SEEN[44] / cost(44) == pytest.approx(2.47, abs=0.01)


def test_effective_tokens_by_hand() -> None:
    assert effective_tokens(100, 100) == 100 and effective_tokens(50, 100) == 50
    assert effective_tokens(400, 100, r_star=3.0) == pytest.approx(100 + 300 * (1 - math.exp(-1)))
    assert effective_tokens(1e12, 100, r_star=3.0) == pytest.approx(400), "no number of repeats is worth more"


def test_fresh_tokens_give_the_law_of_chinchilla() -> None:
    """Without repeats or excess parameters: E + A / N^alpha + B / D^alpha, each term of exp(ln) to the power."""
    law = DataConstrainedLaw(ln_a=math.log(8.0), ln_b=math.log(27.0), ln_e=0.0, alpha=1 / 3)
    assert law.loss(parameters=1.0, tokens=27.0, unique=27.0) == pytest.approx(1.0 + 8.0 + 9.0)


@pytest.mark.parametrize(("tokens", "unique"), [(0, 10), (10, 0), (-1, 10), (math.nan, 10)])
def test_counts_must_be_positive(tokens: float, unique: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        effective_tokens(tokens, unique)
    with pytest.raises(ValueError, match="parameters must be positive"):
        DataConstrainedLaw().loss(parameters=0, tokens=10, unique=10)
