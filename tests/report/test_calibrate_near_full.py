"""Near-full gains against leave-one-out's: studies whose gains add up, and studies in which two stages interact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ablate.calibrate.near_full import against, section
from ablate.design.base import Factor
from ablate.design.leave_one_out import LeaveOneOut
from ablate.design.near_full import NearFull
from ablate.estimand.base import contrasts_of
from ablate.study.plan import write_plan
from ablate.study.results import Study, load_study
from ablate.study.schema import Arm

FOUR = [Factor(name, ("on", "off")) for name in "abcd"]
Make = Callable[..., Study]


def made(make_study: Make, design: Any, seeds: int, interaction: float) -> Study:
    """A study with noise of 0.02, a gain of 0.1 from stage a, and one interaction of a and b."""
    name, arms, rng = design.estimands[0], design.arms(FOUR), np.random.default_rng(0)
    own = name == "near_full"
    means = {
        arm: 0.6 - 0.1 * (levels["a"] == "off") + interaction * (levels["a"] == levels["b"] == "off")
        for arm, levels in arms.items()
    }
    study = make_study(
        {arm: (mean + 0.02 * rng.normal(size=seeds)).tolist() for arm, mean in means.items()}, name=name
    )
    shifts = {arm: {"randomness": {"seed_offset": place * own}} for place, arm in enumerate(arms)}
    plan = replace(
        study.plan,
        design=name,
        factors=tuple(FOUR),
        contrasts=tuple(contrasts_of([name], arms, FOUR)),
        arms={arm: Arm(name=arm, levels=levels, config=shifts[arm]) for arm, levels in arms.items()},
        pairing="unpaired" if own else "paired",
    )
    write_plan(plan, study.folder)
    return load_study(study.folder)


@pytest.mark.parametrize("interaction", [0.0, 0.3])
def test_what_two_designs_say_of_a_stage_differs_by_a_third_of_its_interaction(
    make_study: Make, interaction: float
) -> None:
    near, other = (
        made(make_study, NearFull(), 15, interaction),
        made(make_study, LeaveOneOut(), 40, interaction),
    )
    found = {one.factor: one for one in against(near, other, 3)}
    scale = 4 / 3  # scores are rescaled to (score - chance) / (1 - chance), with a chance of 1 / 4
    assert found["a"].truth.estimate == pytest.approx(scale * 0.1, abs=0.02)
    for name, lean in (("a", -1 / 3), ("b", -1 / 3), ("c", 1 / 6), ("d", 1 / 6)):
        one = found[name]
        assert one.near.estimate - one.truth.estimate == pytest.approx(scale * lean * interaction, abs=0.03)
        assert one.covered.n == 5 and one.near.method == "unpaired" != one.truth.method
    assert (abs(found["a"].difference) > 5) == bool(interaction)
    assert sum(one.covered.hits for one in found.values()) >= 15 or interaction
    (_, told) = section({"near": near, "loo": other}, 3)
    assert "`near` against `loo`" in told and "| a |" in told
    assert section({"near": near}, 3) == [] == section({"loo": other}, 3)
