"""`ablate plan` as its user meets it: predictions are frozen, and the report holds them against what happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.effects.detectable import forecast
from ablate.report.plan_check import compare
from ablate.study.accelerator import Accelerator
from ablate.study.forecast import cheapest
from ablate.study.noise import seed_noise
from ablate.study.results import load_study

Run = Callable[..., int]


def frozen(here: Path, name: str = "demo") -> dict:  # type: ignore[type-arg]
    return json.loads((here / "studies" / name / "plan.json").read_text())  # type: ignore[no-any-return]


def test_predictions_are_frozen_and_compared(
    ablate: Run, here: Path, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [*tiny, "plan.probe=true", "plan.sample=40", "plan.noise=0.05"]
    assert ablate("plan", *asked) == 0
    shown = capsys.readouterr().out
    assert "4 arms x 2 seeds = 8 runs" in shown and "training FLOPs" in shown and "on this machine:" in shown
    plan = frozen(here)
    cost, mde = plan["predicted"]["cost"], plan["predicted"]["mde"]["leave_one_out"]
    assert cost["runs"] == 8 and cost["probe"]["documents"] == 160
    assert all(cost[name] > 0 for name in ("curate_s", "run_s", "total_s"))
    assert cost["total_s"] == pytest.approx(cost["curate_s"] + cost["probe"]["start_s"] + 8 * cost["run_s"])
    assert f"leave_one_out: {mde:.3g}" in shown

    # The probe leaves nothing but the pool: the sweep does its own curation, and keeps the predictions.
    left = {str(path.relative_to(here / "store")) for path in (here / "store").rglob("*")}
    assert {path for path in left if path.split("/")[0] not in ("pool", "testbed")} == {
        "probe",
        "probe/.lock",
    }
    assert ablate("sweep", *tiny) == 0
    shown = capsys.readouterr().out
    assert "Planned against realised:" in shown and "smallest effect, leave_one_out" in shown
    assert frozen(here)["predicted"] == plan["predicted"]
    line = json.loads((here / "studies" / "demo" / "sweeps.jsonl").read_text())
    assert line["trained"] == 6, "arms with the same texts are trained once"
    assert "8 runs planned, 6 trained" in shown
    assert "Planned" not in (here / "studies" / "demo" / "REPORT.md").read_text(), "its bytes are no clock's"
    assert ablate("report", "study=demo") == 0
    assert "Planned against realised:" in capsys.readouterr().out
    ratio = {cells[0]: cells[3] for cells in compare(load_study(here / "studies" / "demo"))}
    assert ratio["smallest effect, leave_one_out"] == ratio["noise of a run"], "one formula, two noises"

    # Afterwards they stay as they were; an earlier study gives the noise of the next.
    assert ablate("plan", *tiny, "plan.noise=0.5") == 0
    assert "stay as they were frozen" in capsys.readouterr().out
    assert frozen(here)["predicted"] == plan["predicted"]
    assert ablate("plan", *tiny, "study.name=next", "plan.noise=studies/demo") == 0
    noise = frozen(here, "next")["predicted"]["noise"]
    assert noise == {"sd": seed_noise(load_study(here / "studies" / "demo")), "source": "seeds of demo"}

    # A wish takes it as a pilot's where pool, tokenizer and evaluation are the same; else it is another study's, and less sure.
    wish = ["wish.within=9", "wish.proxies=[10m]", "wish.designs=[leave_one_out]", "wish.reversal=1"]
    capsys.readouterr()
    assert ablate("plan", *tiny, "study.name=wished", "plan.noise=studies/demo", *wish) == 0
    assert "its noise: seeds of demo\n" in capsys.readouterr().out
    assert (
        ablate(
            "plan", *tiny, "study.name=other", "plan.noise=studies/demo", "tokenizer.vocab_size=320", *wish
        )
        == 0
    )
    assert "its noise: seeds of demo, another study\n" in capsys.readouterr().out


def test_one_seed_leaves_the_spread_of_the_last_checkpoints(
    ablate: Run, here: Path, tiny: tuple[str, ...]
) -> None:
    few = [*tiny, "seeds=[0]", "train.evaluations=[0.25,0.5,0.75,1.0]"]
    assert ablate("sweep", *few) == 0
    assert ablate("plan", *tiny, "study.name=next", "plan.noise=studies/demo") == 0
    noise = frozen(here, "next")["predicted"]["noise"]
    assert noise["source"] == "last checkpoints of demo" and noise["sd"] > 0


def test_newer_predictions_replace_older_ones_before_any_run(
    ablate: Run, here: Path, tiny: tuple[str, ...]
) -> None:
    assert ablate("plan", *tiny, "plan.noise=0.05") == 0
    assert ablate("plan", *tiny, "plan.noise=0.1") == 0
    assert frozen(here)["predicted"]["noise"]["sd"] == 0.1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["plan.noise=nowhere"], "expected a number, or the folder of an earlier study"),
        (["plan.noise=0"], "plan.noise must be above zero"),
        (["plan.noise=null", "goal.mde=0.1"], "goal.mde needs a noise figure"),
        (["goal.mde=-1"], "goal.mde must be above zero"),
        (["goal.mde=0.1", "goal.designs=[leave_on_out]"], "did you mean 'leave_one_out'?"),
        (["accelerator=h1000"], "h100"),
        (["accelerator.peak_flops=0"], "peak_flops must be above zero"),
        (["accelerator.usd_per_hour=-1"], "usd_per_hour must be zero or more"),
        (["plan.share=2"], "share must be in (0, 1]"),
        (["plan.share=2"], "plan.share must be in (0, 1]"),
    ],
)
def test_what_cannot_be_predicted_is_said(
    ablate: Run, tiny: tuple[str, ...], overrides: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate("plan", *tiny, *overrides) == 2
    assert said in capsys.readouterr().err


def test_the_cheapest_design_reaches_the_goal_and_one_seed_less_does_not(
    ablate: Run, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from ablate.design.base import Factor
    from ablate.design.leave_one_out import LeaveOneOut

    factors = [Factor(name, ("on", "off")) for name in "abcdefg"]
    rows = cheapest(factors, 0.05, 0.06, None)
    assert [row["runs"] for row in rows] == sorted(row["runs"] for row in rows)
    (alone,) = [row for row in rows if row["design"] == "leave_one_out"]
    assert alone["arms"] == len(LeaveOneOut().arms(factors)) == 8
    matrix = [[1.0] + [-1.0 if other == number else 0.0 for other in range(7)] for number in range(7)]
    reached = [forecast(matrix, n, 0.05) for n in (alone["seeds"] - 1, alone["seeds"])]
    assert reached[1] <= 0.06 < reached[0]
    (fraction,) = [row for row in rows if row["design"] == "fractional_factorial"]
    assert fraction["runs"] < alone["runs"], "every run informs every stage"
    assert not any(row["design"] == "plackett_burman" for row in rows), "aliased designs have to be asked for"
    (asked,) = cheapest(factors, 0.05, 0.06, ["plackett_burman"])
    assert asked["runs"]
    assert ablate("plan", *tiny, "goal.mde=0.1", "goal.designs=[leave_one_out]") == 0
    assert "cheapest for an effect of 0.1" in capsys.readouterr().out


def test_an_accelerator_trains_at_a_share_of_its_peak() -> None:
    card = Accelerator(name="card", peak_flops=989e12, usd_per_hour=3.0)
    assert card.seconds(989e13, 0.5) == pytest.approx(20)
    assert card.price(7200) == pytest.approx(6.0)
    assert Accelerator(name="card", peak_flops=1e12).price(7200) is None, "no price is known"


def test_a_plan_says_how_many_copies_a_run_meets(
    ablate: Run, here: Path, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """1 + (m - 1) T / U of m copies (FineWeb, appendix E.2); of a sample of single documents times its rate."""
    asked = ["plan.probe=true", "plan.sample=40"]
    assert ablate("plan", *tiny, *asked) == 0
    probe = frozen(here)["predicted"]["cost"]["probe"]
    read = 2048 / (probe["tokens_left"] * probe["documents"])
    assert 0 < read < 1
    shown = capsys.readouterr().out
    assert f"minhash_dedup: a run reads about {read:.0%} of what" in shown
    assert f"of 10 copies it meets {1 + 9 * read:.1f}" in shown
    assert ("can hardly show" in shown) == (1 + 9 * read < 2)

    small = [one.replace("pool.world", "pool.of.world") for one in tiny]
    small += [
        "pool=sampled",
        "pool@pool.of=testbed",
        "pool.by=documents",
        "pool.rate=0.5",
        "seeds=[0]",
        "design.factors=[minhash_dedup]",
    ]
    small += ["evaluate.snapshot=${pool.of.folder}/tasks", "evaluate.heldout=${pool.of.folder}/heldout.jsonl"]
    small = [
        one for one in small if not one.startswith(("seeds=[0,1]", "design.factors=[lang", "train.tokens"))
    ]
    assert ablate("plan", *small, *asked, "train.tokens=65536", "study.name=half") == 0
    shown = capsys.readouterr().out
    assert "of 10 copies in the source it meets 5.5" in shown, "half of the other nine are in the pool"
    assert ablate("plan", *small, *asked, "train.tokens=65536", "pool.rate=0.1", "study.name=tenth") == 0
    shown = capsys.readouterr().out
    assert "it meets 1.9" in shown and "can hardly show" in shown and "pool.by=clusters" in shown
