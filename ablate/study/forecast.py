"""What a plan will cost and what it will see: the figures that `plan.json` freezes beside the arms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ablate.config import CONF, make
from ablate.design.base import Design, Factor, weight_matrix
from ablate.effects.detectable import Looks, forecast
from ablate.errors import AblateError, ConfigError, nearest
from ablate.estimand.base import NotIdentified, contrasts_of
from ablate.fingerprint import canonical_json
from ablate.study.plan import planned_tests
from ablate.study.prediction import Cost, PriorNoise, Probe
from ablate.study.schema import UNPAIRED, Arm, Plan
from ablate.study.seeds import run_seeds

if TYPE_CHECKING:
    from ablate.train.proxy import ProxyConfig

MOST_SEEDS = 64
UNKNOWN_VOCABULARY = 50_257
"""Of a pretrained tokenizer that is not loaded: GPT-2's."""


def detectable(plan: Plan, noise: float) -> dict[str, float | None]:
    """Return the effect in one stage that a plan's report will call with 80 % power, after its correction.

    Returns:
        Estimand -> effect in the units of the noise; None where nothing would be measured.
    """
    matrix, kinds = weight_matrix(plan.contrasts, plan.arms), [one.estimand for one in plan.contrasts]
    rule, found = plan.sequential, dict[str, float | None]()
    for kind in dict.fromkeys(kinds):
        effect = forecast(
            matrix[[k == kind for k in kinds]],
            len(plan.seeds),
            noise,
            tests=planned_tests(plan),
            alpha=rule.alpha if rule else 0.05,
            unpaired=plan.pairing == UNPAIRED,
            looks=Looks(rule.looks, rule.spending) if rule else None,
        )
        found[kind] = None if math.isnan(effect) else effect
    return found


def prior_noise(asked: Any, metric: str) -> PriorNoise:
    """Return the noise of a run, beyond what its seed gives all arms alike, and where the figure comes from.

    Args:
        asked: a number, or the folder of an earlier study; from that, the aggregate of its primary
            metric: the spread between seeds, or without seeds that between the last checkpoints.
        metric: the plan's primary.
    Raises:
        ConfigError: for neither, or a study with another metric or without any spread.
    """
    if isinstance(asked, (int, float)) and not isinstance(asked, bool):
        if not asked > 0:
            raise ConfigError(f"plan.noise must be above zero, got {asked}")
        return PriorNoise(float(asked), "stated")
    if not isinstance(asked, str) or not (Path(asked) / "plan.json").exists():
        raise ConfigError(f"plan.noise={asked}: expected a number, or the folder of an earlier study")
    from ablate.study.noise import checkpoint_noise, seed_noise
    from ablate.study.results import load_study

    study = load_study(Path(asked))
    if study.primary != metric:
        raise ConfigError(
            f"plan.noise={asked}: its primary metric is {study.primary}, this plan's is {metric}"
        )
    for noise, source in (
        (seed_noise(study), f"seeds of {study.plan.study}"),
        (checkpoint_noise(study), f"last checkpoints of {study.plan.study}"),
    ):
        if noise > 0:
            return PriorNoise(noise, source)
    raise ConfigError(f"plan.noise={asked}: that study measured no spread; give a number")


def flops_of(plan: Plan) -> float:
    """Return training FLOPs of every run together, trunks among them."""
    total = sum(run_flops(arm) * arm.train.trunk_share for arm in trunks_of(plan).values())
    for arm in plan.arms.values():
        total += run_flops(arm) * (1 - arm.train.trunk_share) * len(plan.seeds)
    return total


def run_flops(arm: Arm) -> float:
    """Return training FLOPs of a run of an arm, from scratch."""
    vocabulary = arm.config["tokenizer"].get("vocab_size") or UNKNOWN_VOCABULARY
    return proxy_flops(arm.proxy, int(vocabulary), arm.train.tokens)


@cache
def proxy_flops(proxy: ProxyConfig, vocabulary: int, tokens: int) -> float:
    """Return training FLOPs of a proxy, counted on a model without weights."""
    import torch
    from transformers import LlamaForCausalLM

    from ablate.train.proxy import training_flops

    with torch.device("meta"):
        model = LlamaForCausalLM(proxy.llama(vocabulary))
    return training_flops(model, tokens, proxy.context)


def trunks_of(plan: Plan) -> dict[str, Arm]:
    """Return the trunks that a plan's runs branch off: one per seed, model and settings; with an arm that branches off it."""
    return {
        canonical_json([arm.config["proxy"], arm.config["train"], run_seeds(arm, seed)]): arm
        for arm in plan.arms.values()
        if arm.train.from_trunk
        for seed in plan.seeds
    }


def cost_of(plan: Plan, measured: Probe) -> Cost:
    """Return the seconds of curation, of a run and of the whole sweep on the machine that was probed.

    Arms that turn out to have the same texts share their runs, so the sweep may do fewer.
    """
    train, runs, at_once = plan.reference_arm.train, len(plan.runs), measured.processes
    trunk = train.trunk_share
    evaluations = len([share for share in {*train.evaluations, 1.0} if share > trunk])
    whole_s = train.tokens * at_once / measured.tokens_per_s
    run_s = (1 - trunk) * whole_s + evaluations * measured.evaluate_s
    curate_s = measured.setup_s + measured.documents * measured.curate_s
    total_s = curate_s + measured.start_s + math.ceil(runs / at_once) * run_s
    trunks = len(trunks_of(plan))
    total_s += math.ceil(trunks / at_once) * trunk * whole_s
    return Cost(
        runs=runs,
        at_once=at_once,
        curate_s=curate_s,
        run_s=run_s,
        total_s=total_s,
        trunks=trunks,
        trunk_s=trunk * whole_s if trunks else 0.0,
        probe=measured,
    )


def cheapest(
    factors: Sequence[Factor], noise: float, goal: float, designs: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Return for each design the fewest seeds with which an effect of `goal` is called with 80 % power, after Holm.

    Args:
        factors: what is varied.
        noise: of a run.
        goal: minimum detectable effect that is wanted, in the aggregate's units.
        designs: names to look at; None for those that say so (`clear`): they ask for a gain of every factor and keep
            main effects clear of interactions of two stages. Plackett-Burman and fractions of resolution III do not,
            and 8 arms of 7 stages leave nothing over to notice it with: they have to be asked for.
    Returns:
        Rows sorted by runs: design, estimand, arms, seeds, runs, mde, or `why` when it cannot.
    Raises:
        ConfigError: for an unknown design or a goal not above zero.
    """
    if not goal > 0:
        raise ConfigError(f"goal.mde must be above zero, got {goal}")
    rows = [_seeds_for(name, factors, noise, goal) for name in designs or clear_designs()]
    return sorted(rows, key=lambda row: (row["runs"] is None, row["runs"] or 0))


def clear_designs() -> list[str]:
    """Names of the shipped designs whose gains are clear of interactions."""
    names = sorted(path.stem for path in (CONF / "design").glob("*.yaml"))
    return [name for name in names if getattr(_design(name)[0], "clear", False)]


def _design(name: str) -> tuple[Design, Mapping[str, Any]]:
    """Build a shipped design; beside it the node of its file."""
    from omegaconf import OmegaConf

    path = CONF / "design" / f"{name}.yaml"
    if not path.exists():
        known = [file.stem for file in path.parent.glob("*.yaml")]
        raise ConfigError(f"goal.designs: unknown design {name!r}: {nearest(name, known)}")
    node: Any = OmegaConf.to_container(OmegaConf.load(path))
    return make(node["method"], f"{name}.method"), node


@dataclass(frozen=True, kw_only=True, eq=False)
class LaidOut:
    """A shipped design with factors in its arms, as far as a forecast needs it.

    Attributes:
        estimand: the first that it is for; "" for none.
        arms: how many; 0 where the factors do not fit it.
        weights: of its gains, shape (n_gains, arms).
        unpaired: whether every arm has seeds of its own.
        why: it does not fit; empty where it does.
    """

    estimand: str = ""
    arms: int = 0
    weights: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    unpaired: bool = False
    why: str = ""


def laid_out(name: str, factors: Sequence[Factor]) -> LaidOut:
    """Put factors into a shipped design.

    Raises:
        ConfigError: for an unknown design.
    """
    design, node = _design(name)
    try:
        arms = design.arms(factors)
        specs = contrasts_of(design.estimands[:1], arms, factors)
    except (ValueError, NotIdentified, AblateError) as error:
        return LaidOut(why=str(error))
    return LaidOut(
        estimand=design.estimands[0] if design.estimands else "",
        arms=len(arms),
        weights=weight_matrix(specs, arms),
        unpaired=bool(node.get("own_seeds", False)),
        why="" if specs else "it reports no gain",
    )


def _seeds_for(name: str, factors: Sequence[Factor], noise: float, goal: float) -> dict[str, Any]:
    laid = laid_out(name, factors)
    row: dict[str, Any] = {
        "design": name,
        "estimand": laid.estimand,
        "arms": laid.arms or None,
        "seeds": None,
        "runs": None,
        "mde": math.nan,
    }
    if laid.why:
        return row | {"why": laid.why}

    def mde(seeds: int) -> float:
        return forecast(laid.weights, seeds, noise, unpaired=laid.unpaired)

    if mde(MOST_SEEDS) > goal:
        return row | {"why": f"not with {MOST_SEEDS} seeds"}
    low, high = 1, 2
    while high < MOST_SEEDS and mde(high) > goal:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if mde(middle) <= goal else (middle, high)
    return row | {"seeds": high, "runs": high * laid.arms, "mde": mde(high)}
