"""The testbed's biased quality score: right about junk, wrong about the dialect, off by a known error."""

from __future__ import annotations

import numpy as np
import pytest

from ablate.config import make
from ablate.pool.testbed.pages import TestbedConfig as Config
from ablate.pool.testbed.pages import generate
from ablate.pool.testbed.plain import ERROR, plainness
from ablate.stages.python import Python


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("The old clock tower.", 1.0),  # "The" is taken for a name: three words, all plain
        ("the old xyzzy tower", 0.75),
        ("the old #deal #sale", 0.5),
        ("tha auld river", 1 / 3),
        ("BOLZANO Brusera", 0.0),
        ("", 0.0),
    ],
)
def test_shares_by_hand(text: str, share: float) -> None:
    assert abs(plainness(text) - share) <= ERROR
    assert plainness(text) == plainness(f" {text}\n"), "blanks are no content"


def test_junk_and_the_dialect_score_below_plain_prose() -> None:
    """On average by more than one error, as every third word of the spam is none of plain prose; pages may overlap."""
    kinds: dict[str, list[float]] = {}
    for page in generate(Config(pages=400, dialect=0.1, dialect_towns=4, braces=0.0, quiz=0.0)):
        kinds.setdefault(page.truth["kind"], []).append(plainness(page.text))
    for kind in ("foreign", "symbols", "repetitive", "dialect"):
        assert np.mean(kinds[kind]) + ERROR < np.mean(kinds["clean"]), kind


def test_it_is_a_score_of_the_stage_python() -> None:
    stage = make(
        {
            "_target_": "ablate.stages.python.Python",
            "function": "ablate.pool.testbed.plain:plainness",
            "keep_fraction": 0.5,
        },
        "stages.quality",
    )
    assert isinstance(stage, Python)
    stage.check()
    assert stage.decide(stage.measure_many(["the old clock tower", "#a #b #c #d"])).keep.tolist() == [
        True,
        False,
    ]
