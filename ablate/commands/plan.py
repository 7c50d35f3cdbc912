"""Freeze a study: arms, seeds and resolved configurations, before anything runs.

Writes plan.json to the study's folder and prints what a sweep would do. A sweep makes the same plan
itself when there is none; planning first lets you read it.

Example: ablate plan study=demo 'seeds=[0,1,2]'
"""

from __future__ import annotations

from typing import Any

from hydra._internal.hydra import Hydra
from omegaconf import DictConfig

from ablate.estimand.aliases import alias_table, aliases
from ablate.report.tables import aligned
from ablate.study.plan import factors_of, folder_of, freeze, make_plan
from ablate.train.config import check_budget


def main(config: DictConfig, hydra: Hydra) -> int:
    """Plan; returns the exit status."""
    plan = make_plan(config)
    _check(plan)
    folder = folder_of(config)
    plan = freeze(plan, folder, config.study.replan)
    print(describe(plan))
    print(f"frozen in {folder / 'plan.json'}; run it with the same command and `sweep` in place of `plan`")
    return 0


def describe(plan: dict[str, Any]) -> str:
    """The arms and what they cost, as text."""
    arms, seeds = plan["arms"], plan["seeds"]
    train = arms[plan["reference"]]["config"]["train"]
    runs = len(arms) * len(seeds)
    lines = [
        f"study {plan['study']}: {len(arms)} arms x {len(seeds)} seeds = {runs} runs",
        f"{runs} x {train['tokens']:,} tokens = {runs * train['tokens']:,} tokens",
    ]
    width = max(map(len, arms))
    usual = arms[plan["reference"]]["levels"]
    for name, arm in arms.items():
        differs = {
            f: level for f, level in arm["levels"].items() if name == plan["reference"] or level != usual[f]
        }
        lines.append(f"  {name:<{width}}  " + ", ".join(f"{f}={level}" for f, level in differs.items()))
    estimands = list(dict.fromkeys(contrast["estimand"] for contrast in plan["contrasts"]))
    lines.append(f"reported: {', '.join(estimands) or 'scores only'}")
    if "main_effect" in estimands:
        lines += _aliases(plan)
    return "\n".join(lines)


def _aliases(plan: dict[str, Any]) -> list[str]:
    """Which interactions each main effect is mixed with in these arms."""
    found = aliases({name: arm["levels"] for name, arm in plan["arms"].items()}, factors_of(plan))
    if found.clear:
        return ["aliases: none; every main effect and every interaction of two stages stands alone"]
    table = aligned(("effect", "is mixed with (coefficient x interaction)"), alias_table(found))
    return ["aliases in these arms, up to interactions of two stages:", table]


def _check(plan: dict[str, Any]) -> None:
    from ablate.config import make

    for arm in plan["arms"].values():
        config = arm["config"]
        train, proxy = make(config["train"], "train"), make(config["proxy"], "proxy")
        make(config["evaluate"], "evaluate")
        make(config["budget"], "budget")
        check_budget(train.tokens, train, proxy.context)
