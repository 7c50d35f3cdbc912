"""Chains as a design, and what is reported of them: weights over arms, against a regression by NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from ablate.corpus.tokens import TokenStream
from ablate.design.base import Factor
from ablate.design.chains import Chains
from ablate.estimand.base import NotIdentified, contrasts_of

KIND = Factor("kind", ("replace", "anchored", "resample"))
HEAT = Factor("temperature", ("1.0", "0.8"))
GENERATION = Factor("generation", ("0", "1", "2", "5"))
FACTORS = [KIND, HEAT, GENERATION]


def test_arms_are_every_generation_of_every_chain_that_is_not_left_out() -> None:
    arms = Chains(leave_out=[{"kind": "resample", "temperature": 0.8}]).arms(FACTORS)
    assert len(arms) == (3 * 2 - 1) * 4 and next(iter(arms)) == "replace-1.0-g0"
    assert arms["anchored-0.8-g5"] == {"kind": "anchored", "temperature": "0.8", "generation": "5"}
    assert not any(name.startswith("resample-0.8") for name in arms)
    assert list(Chains().arms([GENERATION])) == ["g0", "g1", "g2", "g5"]


@pytest.mark.parametrize(
    ("design", "factors", "said"),
    [
        (Chains(), [KIND], "needs a factor 'generation'"),
        (Chains(), [Factor("generation", ("1", "2"))], "0 among them"),
        (Chains(), [Factor("generation", ("0", "1.5"))], "whole numbers"),
        (Chains(leave_out=[{"kind": "replaces"}]), FACTORS, "no level"),
        (Chains(leave_out=[{"heat": 1.0}]), FACTORS, "no level"),
        (Chains(leave_out=[{"temperature": "1.0"}, {"temperature": "0.8"}]), FACTORS, "leaves no chain"),
    ],
)
def test_what_is_no_chain_is_refused(design: Chains, factors: list[Factor], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        design.arms(factors)


def test_changes_slopes_and_their_contrasts_are_those_of_a_regression() -> None:
    arms = Chains(leave_out=[{"kind": "resample", "temperature": "0.8"}]).arms(FACTORS)
    scores = dict(zip(arms, np.random.default_rng(0).normal(size=len(arms)), strict=True))

    def slope(chain: str) -> float:
        return float(np.polyfit([0, 1, 2, 5], [scores[f"{chain}-g{g}"] for g in (0, 1, 2, 5)], 1)[0])

    def value(weights: dict[str, float]) -> float:
        return sum(weight * scores[arm] for arm, weight in weights.items())

    found = {(s.estimand, s.name): value(s.weights) for s in contrasts_of(Chains.estimands, arms, FACTORS)}
    chains = ["replace 1.0", "replace 0.8", "anchored 1.0", "anchored 0.8", "resample 1.0"]
    expected = {}
    for name in chains:
        arm = name.replace(" ", "-")
        change = scores[f"{arm}-g5"] - scores[f"{arm}-g0"]
        expected["generation_change", f"{name}: generation 5 vs generation 0"] = change
        expected["generation_slope", f"{name} slope: +1 vs 0"] = slope(arm)
    for one, other in (
        ("anchored 1.0", "replace 1.0"),
        ("anchored 0.8", "replace 0.8"),
        ("resample 1.0", "replace 1.0"),
        ("replace 0.8", "replace 1.0"),
        ("anchored 0.8", "anchored 1.0"),
    ):
        expected["slope_contrast", f"slope: {one} vs {other}"] = slope(one.replace(" ", "-")) - slope(
            other.replace(" ", "-")
        )
    assert found == pytest.approx(expected) and set(found) == set(expected)


def test_arms_without_generations_identify_none_of_it() -> None:
    arms = {"a": {"kind": "replace"}, "b": {"kind": "anchored"}}
    for estimand in Chains.estimands:
        with pytest.raises(NotIdentified, match="design=chains"):
            contrasts_of([estimand], arms, [Factor("kind", ("replace", "anchored"))])


def test_a_resample_is_a_bootstrap_with_a_seeded_order() -> None:
    documents = 10_000
    ids = np.arange(documents, dtype=np.uint16) % 60_000
    flat = np.repeat(np.arange(documents, dtype=np.int64), 1)
    stream = TokenStream(
        [ids],
        np.zeros(documents, dtype=np.int64),
        flat,
        np.ones(documents, dtype=np.int64),
        np.random.default_rng(0).integers(0, 2**63, documents).astype(np.uint64),
        seed=3,
        context=4,
    )

    def draw(seed: int) -> np.ndarray:
        again = stream.resampled(np.random.default_rng(seed), documents)
        assert again.documents == documents == again.unique_tokens
        return again.sequences(0, documents // 4)[:, :4].ravel()

    one = draw(1)
    drawn = np.unique(one).size
    # Of n documents drawn n times with replacement, 1 - 1/e are met; the share's deviation is sqrt((e - 2) / n) / e.
    assert abs(drawn / documents - (1 - np.exp(-1))) < 5 * np.sqrt((np.e - 2) / documents) / np.e
    assert (one == draw(1)).all() and not (np.sort(one) == np.sort(draw(2))).all()
    # Copies of one document are spread over the epoch, not read one behind the other.
    assert (one[1:] == one[:-1]).sum() < 10
