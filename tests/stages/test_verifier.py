"""A verifier with a known truth: what is false by hand, and errors at exact rates."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from ablate.pool.testbed import prose
from ablate.pool.testbed.dialect import in_dialect
from ablate.pool.testbed.world import PHRASINGS, World
from ablate.stages.verifier import Verifier

WORLD = World(0, 30, 16, 1)
TOWN = next(iter(WORLD.facts))


def statement(attribute: str, way: int, right: bool) -> str:
    value = WORLD.facts[TOWN][attribute]
    value = value if right else next(other for other in WORLD.options[attribute] if other != value)
    return PHRASINGS[attribute][way].format(e=TOWN, v=value)


@pytest.mark.parametrize("dialect", [False, True])
@pytest.mark.parametrize("attribute", sorted(PHRASINGS))
def test_every_phrasing_is_read_in_both_ways_of_speaking(attribute: str, dialect: bool) -> None:
    for way in range(len(PHRASINGS[attribute])):
        for right in (True, False):
            text = statement(attribute, way, right)
            measured = Verifier().measure(f"It rained. {in_dialect(text) if dialect else text} We stayed.")
            assert (measured["statements"], measured["false"]) == (1, 0 if right else 1), text


def test_what_is_not_a_statement_about_the_world_is_not_judged() -> None:
    for text in (
        "",
        "The river of Nowhere is the Elsewhere.",
        f"The river of {TOWN} is the green.",
        f"{TOWN} is old.",
    ):
        assert Verifier().measure(text)["statements"] == 0


def test_articles_state_eight_facts_and_contradicting_ones_eight_falsehoods() -> None:
    for number in range(40):
        random = Random(f"v{number}")
        for write, false in ((prose.article, 0), (prose.contradicting, 8)):
            measured = Verifier().measure("\n\n".join(write(random, WORLD)))
            assert (measured["statements"], measured["false"]) == (8, false)


def mixed(false: int, true: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    wrong = np.repeat([1, 0], [false, true])
    return {
        "statements": np.full(false + true, 8),
        "false": wrong,
        "draw": rng.integers(1 << 60, size=false + true).astype(np.uint64),
    }


@pytest.mark.parametrize(
    ("recall", "precision", "caught", "blamed"),
    [
        (1.0, 1.0, 40, 0),
        (0.5, 1.0, 20, 0),
        (1.0, 0.8, 40, 10),
        (0.5, 0.4, 20, 30),
        (0.0, 0.5, 0, 0),
        (1.0, 0.1, 40, 160),
    ],
)
def test_rates_are_exact(recall: float, precision: float, caught: int, blamed: int) -> None:
    """Of 40 false and 160 true documents; at a precision of 0.1 there would be 360 to blame, and all are."""
    verdict = Verifier(recall=recall, precision=precision).decide(mixed(40, 160))
    assert [int((verdict.code == 1).sum()), int((verdict.code == 2).sum())] == [caught, blamed]
    assert (np.flatnonzero(verdict.code == 1) < 40).all() and (np.flatnonzero(verdict.code == 2) >= 40).all()


def test_a_higher_recall_drops_what_a_lower_one_does_and_the_seed_decides_which() -> None:
    table = mixed(40, 160)
    low, high, other = (
        set(np.flatnonzero(~Verifier(recall=recall, seed=seed).decide(table).keep))
        for recall, seed in ((0.3, 0), (0.6, 0), (0.3, 1))
    )
    assert low < high and low != other


def test_nothing_reaches_it_or_nothing_is_false() -> None:
    assert Verifier(recall=0.5, precision=0.5).decide(mixed(0, 7)).keep.all()
    assert Verifier().decide(mixed(0, 0)).keep.size == 0


@pytest.mark.parametrize(
    ("field", "value"), [("recall", 1.1), ("precision", 0.0), ("towns", 1), ("values", 3)]
)
def test_what_cannot_be_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be"):
        Verifier(**{field: value})  # type: ignore[arg-type]
