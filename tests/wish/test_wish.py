"""A plan from a wish: what it is read from, what it asks for, and what it says."""

from __future__ import annotations

import csv
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.cli import main
from ablate.compose import compose
from ablate.config import make
from ablate.design.base import Factor
from ablate.effects.ranking import noise_df, ranking_distance, seeds_to_rank
from ablate.errors import ConfigError
from ablate.settings import settings_of
from ablate.study.accelerator import Accelerator
from ablate.study.plan import make_plan
from ablate.wish.asked import answer, sizes_of
from ablate.wish.noise import DATA, RunNoise, noise_law, rungs
from ablate.wish.transfer import reversal, reversal_law, transfers
from ablate.wish.wish import Size, Wish, cheapest_of_each, chosen, options

ROOT = Path(__file__).parents[2]
CARD = Accelerator(name="card", peak_flops=1e15, usd_per_hour=2.0)
FACTORS = [Factor(name, ("on", "off")) for name in "abcdefg"]
ASKED = ["study=demo", "plan.probe=false", "wish.proxies=[10m]", "wish.designs=[leave_one_out]"]


def size(name: str, flops: float, sd: float, df: float = math.inf, ratio: float = 100.0) -> Size:
    noise = RunNoise.measured(sd, df, "stated")
    return Size(proxy=name, parameters=1e6, tokens=10**6, flops=flops, noise=noise, reversal=reversal(ratio))


def test_the_ladder_is_what_its_script_reads_from_the_shipped_studies() -> None:
    spec = importlib.util.spec_from_file_location("noise_ladder", ROOT / "results/wish/noise_ladder.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with (DATA / "noise.csv").open() as file:
        kept = list(csv.reader(file))[1:]
    made = [[str(cell) for cell in row] for row in script.shipped() + script.published()]
    assert [row[:3] + row[6:] for row in kept] == [row[:3] + row[6:] for row in made]
    assert [float(row[5]) for row in kept] == pytest.approx([float(row[5]) for row in made], rel=0.01)


def test_published_replicates_by_hand() -> None:
    """nanochat's leaderboard prints .2571 .2472 .2406 and .2729 .2626; DCLM's pairs of Core differ by .0078, .0073 and .0041."""
    (nanochat,) = [row for row in rungs() if row.study == "nanochat d26"]
    squares = sum((x - 0.2483) ** 2 for x in (0.2571, 0.2472, 0.2406)) + 0.0103**2 / 2
    assert (nanochat.sd, nanochat.df) == (pytest.approx(math.sqrt(squares / 3), rel=0.01), 3)
    (dclm,) = [row for row in rungs() if row.study == "DCLM"]
    assert dclm.sd == pytest.approx(math.sqrt((0.00785**2 + 0.00732**2 + 0.00405**2) / 2 / 3), rel=0.01)
    assert dclm.flops == 6 * dclm.parameters * dclm.tokens == pytest.approx(2.49e20, rel=0.01)


def test_the_law_is_surer_where_something_was_measured() -> None:
    law = noise_law("web", "acc_norm")
    near, far = law.at(4e12), law.at(1e26)
    assert not near.beyond and far.beyond
    assert near.df > far.df > 0 and near.high / near.low < far.high / far.low
    assert law.at(1e16).beyond, "between the rungs nothing was measured within a tenth to ten times"
    borrowed = noise_law("web", "bpb")
    assert borrowed.borrowed and "slope of accuracies" in borrowed.at(1e18).source
    assert borrowed.line.slope == law.line.slope
    with pytest.raises(ConfigError, match="nothing is known of the noise of copied"):
        noise_law("web", "copied")


def test_a_pilot_is_taken_as_it_is_and_another_study_is_not() -> None:
    law, known = noise_law("web", "acc"), RunNoise.measured(0.01, 20, "pilot")
    assert law.from_measured(known, 1e15, 1e15, alike=True) is known
    other = law.from_measured(known, 1e15, 1e15, alike=False)
    assert other.sd == pytest.approx(0.01) and other.df < 20
    assert 1 / (2 * other.df) == pytest.approx(1 / 40 + law.line.between)
    larger = law.from_measured(known, 1e15, 1e18, alike=True)
    assert larger.sd == pytest.approx(0.01 * math.exp(3 * law.line.slope)) and larger.df < other.df
    assert larger.beyond


def test_the_risk_of_a_reversal_has_an_interval_that_holds_what_was_published() -> None:
    for row in transfers():
        found = reversal(row.flops_ratio)
        assert found.low < 1 - row.accuracy < found.high
        assert found.low < found.risk < found.high and not found.beyond
    widths = [reversal(10.0**place).high - reversal(10.0**place).low for place in (2, 4, 8)]
    assert widths == sorted(widths) and reversal(1e8).beyond
    assert reversal(1.0).risk == 0.0
    assert reversal_law().df == len(transfers()) - 2


def test_options_keep_the_wish_and_the_cheapest_is_chosen() -> None:
    sizes = [
        size("small", 1e15, 0.02, ratio=1e6),
        size("large", 1e18, 0.01, ratio=10),
        size("loud", 1e16, 5.0),
    ]
    wish = Wish(within=0.02)
    found = options(wish, sizes, FACTORS, ["leave_one_out"], accelerator=CARD, share=0.5)
    assert [option.size.proxy for option in found] == ["small", "large", "loud"]
    small, large, loud = found
    weights = np.hstack([np.ones((7, 1)), -np.eye(7)])
    assert small.seeds == seeds_to_rank(weights, 0.02, math.inf, 0.02)
    assert small.runs == 8 * small.seeds  # type: ignore[operator]
    assert small.seconds == pytest.approx(small.runs * 1e15 / 5e14)
    assert small.price == pytest.approx(small.seconds / 3600 * 2)
    assert loud.seeds is None and loud.runs == 0 and loud.price is None and "64 seeds" in loud.why
    assert [option.size.proxy for option in cheapest_of_each(found)] == ["small", "loud", "large"]
    assert chosen(found, 0.2) is large, "the small one's risk is above a fifth"
    assert chosen(found, 0.5) is small and chosen(found, 0.01) is None
    assert large.seeds and 0.01 * ranking_distance(weights, large.seeds) * 1.0 <= 0.02 * 1.2
    assert noise_df(8, large.seeds) == 7 * (large.seeds - 1)


def plan_of(*asked: str) -> tuple[Any, Any, Accelerator]:
    config = compose([*asked])
    return make_plan(config), settings_of(config), make(config.accelerator, "accelerator")


def test_the_answer_names_what_to_type() -> None:
    web = [
        "pool=hf",
        "pool.path=some/dataset",
        "recipe=fineweb",
        "proxy=1m",
        "design.factors=[language,minhash_dedup,c4_quality]",
    ]
    said = answer(
        *plan_of(*web, "wish.within=0.02", "wish.proxies=[150m,10m]", "wish.designs=[leave_one_out]")
    )
    assert "to rank 3 stages within 0.02 acc_norm" in said and "one h100" in said
    assert "proxy=150m train=ladder design=leave_one_out 'seeds=[0,1,2" in said
    assert "of 3 [" in said and "no noise was measured near" not in said
    said = answer(*plan_of(*web, "wish.within=0.02", "wish.proxies=[30m]", "wish.reversal=0.23"))
    assert "proxy=30m train=ladder" in said and "no noise was measured near that size" in said
    said = answer(*plan_of(*web, "wish.within=0.00001", "wish.proxies=[10m]"))
    assert "no proxy of these keeps the wish" in said and "plan.noise=" in said
    said = answer(*plan_of(*web, "wish.within=0.02", "wish.proxies=[10m]", "wish.reversal=0.01"))
    assert "none keeps the wish with a risk of a reversed pair of 1 % or less" in said
    said = answer(*plan_of(*web, "wish.within=0.02", "accelerator=a100", "wish.proxies=[10m]"))
    assert "dollars;" not in said, "no price of that card has a source"


def test_a_stated_noise_is_this_studys() -> None:
    plan, settings, _ = plan_of(*ASKED, "wish.within=0.1", "plan.noise=0.05")
    configured, other = sizes_of(plan, settings)
    assert (
        configured.proxy == "as configured"
        and configured.noise.sd == 0.05
        and math.isinf(configured.noise.df)
    )
    assert other.proxy == "10m" and other.noise.df < 10
    assert other.tokens == 20 * other.parameters


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["wish.within=0"], "within must be above zero"),
        (["wish.within=0.1", "wish.confidence=95"], "confidence must be in (0, 1)"),
        (["wish.within=0.1", "wish.power=1"], "power must be in (0, 1)"),
        (["wish.within=0.1", "wish.proxies=[10n]"], "did you mean '10m'?"),
        (["wish.within=0.1", "wish.designs=[leave_on_out]"], "did you mean 'leave_one_out'?"),
        (["wish.within=0.1", "design.factors=[language]"], "a ranking needs two stages or more"),
        (["wish.witin=0.1"], "within"),
        (["wish.within=0.1", "wish.target=-1"], "target must be above zero"),
        (["wish.within=0.1", "wish.reversal=20"], "reversal must be in (0, 1]"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(
    overrides: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", *ASKED[:2], *overrides]) == 2
    assert said in capsys.readouterr().err
