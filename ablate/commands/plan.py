"""Freeze a study: arms, seeds and resolved configurations, what it will cost and what it can see.

Writes plan.json to the study's folder and prints what a sweep would do. A sweep makes the same plan
itself when there is none; planning first lets you read it, and lets the report compare the predictions
with what happened. What cannot run is refused here: every task that lm-eval gives by name is asked for its
requests and scored with made-up answers once. Prompts that look longer than the proxy's context are warned of.

  plan.noise=0.03                the standard deviation of a run's headline score (beyond what its seed does to all
                                 arms alike), or
  plan.noise=studies/earlier     that of an earlier study, pooled over its arms: gives the minimum detectable effect
  goal.mde=0.01                  which design and how many seeds are cheapest for an effect of that size
  wish.within=0.01               proxy, design, seeds and price that rank the stages within that, and the risk that a larger
                                 model (wish.target) reverses two of them; docs/wish.md
  plan.probe=false               no timing of this machine (it reads the pool and takes about a minute)
  accelerator=h100               training time there, at plan.share of its peak; its price where it has one

Example: ablate plan study=demo 'seeds=[0,1,2]'
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from ablate.config import locate, make
from ablate.corpus.budget import copies_met
from ablate.corpus.mixture import Mixture
from ablate.corpus.sampled_source import Sampled
from ablate.design.controls import without_controls
from ablate.estimand.aliases import alias_table, aliases
from ablate.estimand.base import load_estimand
from ablate.estimand.near_full import NearFull, leaning
from ablate.fingerprint import canonical_json
from ablate.ladder import off_ladder
from ablate.pool.pool import Pool
from ablate.render.tables import aligned
from ablate.report.branching import meaning
from ablate.stages.base import Relation
from ablate.study.accelerator import Accelerator
from ablate.study.chain import check_chains
from ablate.study.chance import chance_of, draws_documents
from ablate.study.pairing import shares_seeds
from ablate.study.plan import folder_of, freeze, make_plan, planned_tests
from ablate.study.prediction import Cost, Prediction, PriorNoise
from ablate.study.schema import UNPAIRED, Plan
from ablate.study.trunk import check_branches
from ablate.train.config import check_budget

FEW_COPIES = 2.0
"""With fewer than so many of 10 copies met, less than one more than without any duplicates, a plan says that deduplication can
hardly show."""
PRETRAINED = 32_000
"""Entries that a pretrained tokenizer is taken to have before it is loaded."""


def main(config: DictConfig) -> int:
    """Plan; returns the exit status."""
    plan = make_plan(config)
    warnings = check(plan, Path(config.store))
    folder = folder_of(config)
    plan = replace(plan, predicted=predict(plan, config))
    frozen = freeze(plan, folder, config.study.replan)
    print(describe(frozen))
    print("\n".join(_predictions(frozen, config)))
    print("".join(f"{line}\n" for line in _earlier(frozen, config)), end="")
    if frozen.predicted != plan.predicted:
        print("runs have been done, so the predictions stay as they were frozen")
    print("\n".join(_goal(frozen, config)), end="")
    print(_wish(frozen, config), end="")
    warnings += _thin(frozen, Path(config.store))
    warnings += _repeated_sources(frozen, Path(config.store))
    warnings += _copies(frozen, Path(config.store))
    print("".join(f"{warning}\n" for warning in warnings), end="")
    print(f"frozen in {folder / 'plan.json'}; run it with the same command and `sweep` in place of `plan`")
    return 0


def predict(plan: Plan, config: DictConfig) -> Prediction:
    """FLOPs, cost on this machine unless the probe is off, and detectable effects when there is a noise figure."""
    from ablate.store import Store
    from ablate.study.forecast import cost_of, detectable, flops_of, prior_noise
    from ablate.study.launch import is_chosen
    from ablate.study.probe import probe

    noise = None if config.plan.noise is None else prior_noise(config.plan.noise, plan.metrics.primary)
    found = Prediction(
        flops=flops_of(plan), noise=noise, mde=None if noise is None else detectable(plan, noise.sd)
    )
    if not config.plan.probe:
        return found
    jobs = max(1, int(config.hydra.launcher.get("n_jobs") or 1)) if is_chosen(config) else None
    measured = probe(
        plan,
        Store(Path(config.store)),
        workers=config.workers,
        sample=config.plan.sample,
        jobs=jobs,
        say=print,
    )
    return replace(found, cost=cost_of(plan, measured))


def _predictions(plan: Plan, config: DictConfig) -> list[str]:
    from ablate.study.forecast import detectable

    predicted = plan.predicted
    if predicted is None:
        return ["predicted: nothing; this plan was frozen by a sweep"]
    flops, cost = predicted.flops, predicted.cost
    accelerator: Accelerator = make(config.accelerator, "accelerator")
    there = accelerator.seconds(flops, config.plan.share)
    price = accelerator.price(there)
    lines = [
        f"{flops:.3g} training FLOPs: {_time(there)} on one {accelerator.name} at {100 * config.plan.share:.0f} % of its peak"
        + ("" if price is None else f", {_dollars(price)}")
    ]
    if cost:
        lines.append(
            f"on this machine: {_time(cost.curate_s)} of curation, then {_trunks(cost)}{cost.runs} runs of {_time(cost.run_s)}, "
            f"{cost.at_once} at once: {_time(cost.total_s)} (arms with the same texts share their runs)"
        )
    noise = predicted.noise
    for kind, effect in ((predicted.mde or {}) if noise else detectable(plan, 1.0)).items():
        lines.append(f"smallest detectable effect, {kind}: {_smallest(effect, noise, planned_tests(plan))}")
    if not noise:
        lines.append(
            "  plan.noise=<standard deviation of a run, or an earlier study> turns it into the score's units"
        )
    return lines


def _earlier(plan: Plan, config: DictConfig) -> list[str]:
    """What the seeds of an earlier study say for pairing or against it, where `plan.noise` names one."""
    from ablate.effects.pairing import advice, seed_correlation
    from ablate.study.results import headline_scores, load_study

    if not isinstance(config.plan.noise, str) or not shares_seeds(plan):
        return []
    study = load_study(Path(config.plan.noise))
    table = headline_scores(study)
    said = advice(seed_correlation(table[study.distinct])) if table is not None and study.shares_seeds else ""
    return [f"{config.plan.noise}: {said}"] if said else []


def _trunks(cost: Cost) -> str:
    return f"{cost.trunks} trunks of {_time(cost.trunk_s)} and " if cost.trunks else ""


def _smallest(effect: float | None, noise: PriorNoise | None, gains: int) -> str:
    if effect is None:
        return "none can be detected with one seed"
    called = f"one stage with it is called helps or hurts in 80 % of studies, after Holm over {gains} gains"
    if noise is None:
        return f"{effect:.1f} times the noise of a run: {called}"
    return f"{effect:.3g}, {effect / noise.sd:.1f} times the noise of a run ({noise.sd:.3g}, {noise.source}): {called}"


def _goal(plan: Plan, config: DictConfig) -> list[str]:
    from ablate.errors import ConfigError
    from ablate.study.forecast import cheapest

    if config.goal.mde is None:
        return []
    noise = plan.predicted and plan.predicted.noise
    if not noise:
        raise ConfigError("goal.mde needs a noise figure: plan.noise=<sd, or the folder of an earlier study>")
    designs = None if config.goal.designs is None else list(config.goal.designs)
    rows = cheapest(plan.factors, noise.sd, config.goal.mde, designs)
    cells = [
        [
            row["design"],
            row["estimand"],
            *("–" if row[name] is None else str(row[name]) for name in ("arms", "seeds", "runs")),
            "–" if math.isnan(row["mde"]) else f"{row['mde']:.3g}",
            row.get("why", ""),
        ]
        for row in rows
    ]
    header = ("design", "what it reports", "arms", "seeds", "runs", "smallest effect", "")
    title = f"\ncheapest for an effect of {config.goal.mde:g} (called in 80 % of studies, after Holm; noise {noise.sd:.3g}):"
    note = "the gains of different designs are answers to different questions: docs/choosing_a_design.md"
    return [title, aligned(header, cells, left=2), note, ""]


def _wish(plan: Plan, config: DictConfig) -> str:
    from ablate.settings import settings_of
    from ablate.wish.asked import answer

    settings = settings_of(config)
    return answer(plan, settings, make(config.accelerator, "accelerator")) if settings.wish.within else ""


def _time(seconds: float) -> str:
    """A duration for people."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def _dollars(price: float) -> str:
    return "less than a cent" if price < 0.01 else f"{price:,.2f} dollars"


def describe(plan: Plan) -> str:
    """The arms and what they cost, as text."""
    runs = len(plan.runs)
    lines = [
        f"study {plan.study}: {len(plan.arms)} arms x {len(plan.seeds)} seeds = {runs} runs",
        *_budget(plan),
    ]
    if rule := plan.sequential:
        lines.append(
            f"in rounds of {list(rule.looks)} seeds, to open contrasts only: {len(plan.arms) * rule.looks[0]} to {runs} runs"
        )
    width = max(map(len, plan.arms))
    usual = plan.reference_arm.levels
    for name, levels in plan.levels.items():
        differs = {f: level for f, level in levels.items() if name == plan.reference or level != usual[f]}
        lines.append(f"  {name:<{width}}  " + ", ".join(f"{f}={level}" for f, level in differs.items()))
    estimands = list(dict.fromkeys(contrast.estimand for contrast in plan.contrasts))
    ends = " (gains at the end of training)" if estimands and meaning(plan) else ""
    lines.append(f"reported: {', '.join(estimands) or 'scores only'}{ends}")
    for task, asked in (plan.reference_arm.evaluate.claims or {}).items():
        there = plan.metrics.claims.get(task, ())
        left = [stage for stage in asked if stage not in there]
        lines.append(f"claimed on {task} alone: {', '.join(there) or 'nothing'}")
        lines[-1] += f" (this design has no gain of {', '.join(left)})" if left else ""
    if plan.contrasts:
        lines.append(_pairing(plan))
    lines.append(str(chance_of(plan)))
    reported = [load_estimand(name) for name in estimands]
    if any(one.main_effects for one in reported):
        lines += _aliases(plan)
    if any(isinstance(one, NearFull) for one in reported):
        lines.append(f"where gains do not add up, {leaning(plan.levels, plan.factors).said()}")
    return "\n".join(lines)


def _pairing(plan: Plan) -> str:
    """Which runs share a seed, and how gains are taken from them."""
    shared = shares_seeds(plan)
    seeds = "all arms share their seeds" if shared else "every arm has seeds of its own"
    seeds = "the arms of a seed share what it draws of documents" if draws_documents(plan) else seeds
    if plan.pairing == UNPAIRED:
        return f"{seeds}; gains are unpaired, between the means of two samples (Welch)"
    return f"{seeds}; gains are paired, {'differences under one seed' if shared else 'first seed with first seed, as rounds need it'}"


def _budget(plan: Plan) -> list[str]:
    """Tokens of all runs, and what they branch off."""
    from ablate.study.forecast import trunks_of

    runs, tokens = len(plan.runs), plan.reference_arm.train.tokens
    whole = f"{runs} x {tokens:,} tokens = {runs * tokens:,} tokens"
    trunks = trunks_of(plan)
    if not trunks:
        return [whole, *filter(None, [meaning(plan)])]
    settings = next(iter(trunks.values())).train
    steps = settings.tokens // settings.batch_tokens
    trunk = settings.trunk_steps(steps) * settings.batch_tokens
    branch = steps * settings.batch_tokens - trunk
    branched = sum(arm.train.from_trunk for arm in plan.arms.values())
    rest = runs - branched * len(plan.seeds)
    total = len(trunks) * trunk + (runs - rest) * branch + rest * settings.tokens
    return [
        f"{len(trunks)} trunks x {trunk:,} tokens + {runs - rest} branches x {branch:,} tokens"
        + (f" + {rest} runs x {settings.tokens:,} tokens" if rest else "")
        + f" = {total:,} tokens ({whole} from scratch)",
        meaning(plan),
        f"learning rate: {settings.lr:g} after the warm-up and to the end of the trunk, then linear to zero; train.schedule, "
        "train.min_lr_ratio and train.hold_fraction are those of runs from scratch",
    ]


def _is_sharded(plan: Plan) -> bool:
    return bool(plan.reference_arm.randomness.get("pool") == "shard")


def _pool(plan: Plan, store: Path) -> Pool:
    from ablate.store import Store
    from ablate.study.corpus_builder import CorpusBuilder

    return CorpusBuilder(plan.reference_arm, Store(store)).pool


def _thin(plan: Plan, store: Path) -> list[str]:
    """Shards with less text than the budget, as far as a probe has seen."""
    from ablate.study.shards import thin_shards

    cost = plan.predicted and plan.predicted.cost
    if not _is_sharded(plan) or not cost or not cost.probe.tokens_left:
        return []
    return thin_shards(plan, _pool(plan, store), cost.probe.tokens_left)


def _repeated_sources(plan: Plan, store: Path) -> list[str]:
    """Sources that the mixtures of arms ask for more often than repeating costs little, as far as a probe has seen.

    Raises:
        ConfigError: for a mixture that the pool's documents do not allow.
    """
    mixtures = {name: mixture for name, arm in plan.arms.items() if (mixture := Mixture.of(arm.config))}
    if not mixtures:
        return []
    pool, warnings = _pool(plan, store), []
    cost = plan.predicted and plan.predicted.cost
    each = cost.probe.tokens_left if cost else 0.0
    sources = pool.column("source").to_pylist()
    tokens = np.full(len(pool), max(1, round(each)), dtype=np.int64)
    for name, mixture in mixtures.items():
        arm, division = plan.arms[name], mixture.divide(sources, pool.is_synthetic, tokens)
        budget = arm.train.tokens if arm.budget.match == "tokens" else division.one_pass
        often = [part for part in division.read(budget, arm.proxy.context) if part.repeats and each]
        if often:
            warnings.append(
                f"{name}: about {'; '.join(map(str, often))}. A smaller share, a smaller budget or more text repeats less"
            )
    return warnings


def _copies(plan: Plan, store: Path) -> list[str]:
    """How many copies of a document a run will meet, where deduplication is a factor and a probe saw what is left of the pool."""
    cost = plan.predicted and plan.predicted.cost
    arm = plan.reference_arm
    if not cost or not cost.probe.tokens_left or arm.budget.match != "tokens":
        return []
    nodes = {factor.name: arm.config["stages"].get(factor.name) for factor in plan.factors}
    related = [
        name for name, node in nodes.items() if node and issubclass(locate(node["_target_"], name), Relation)
    ]
    if not related:
        return []
    pool = make(arm.config["pool"], "pool")
    together = pool.rate if isinstance(pool, Sampled) and pool.by == "documents" else 1.0
    read = arm.train.tokens / (cost.probe.tokens_left * cost.probe.documents)
    few = copies_met(10, min(1.0, read) * together)
    lines = [
        f"{', '.join(related)}: a run reads {'all' if read >= 1 else f'about {read:.0%}'} of what the full recipe leaves of the pool; of 10 copies "
        f"{'in the source ' if together < 1 else ''}it meets {few:.1f}"
    ]
    if few < FEW_COPIES:
        lines.append(
            "  deduplication can hardly show there: give a larger budget or a smaller pool"
            + (
                "; documents were drawn one by one, pool.by=clusters keeps copies together"
                if together < 1
                else ""
            )
        )
    return lines


def _aliases(plan: Plan) -> list[str]:
    """Which interactions each main effect is mixed with in these arms."""
    found = aliases(without_controls(plan.levels), plan.factors)
    if found.clear:
        return ["aliases: none; every main effect and every interaction of two stages stands alone"]
    table = aligned(("effect", "is mixed with (coefficient x interaction)"), alias_table(found))
    return ["aliases in these arms, up to interactions of two stages:", table]


def check(plan: Plan, store: Path) -> list[str]:
    """Refuse what could not run, before anything is curated: a wrong setting, a task that cannot be asked.

    Returns:
        Warnings: which tasks have prompts that the proxy cannot read whole, what a pool does as shards, and a recipe
        of training far from what suits the proxy's size.

    Raises:
        ConfigError, DataError: names the setting or the task.
    """
    from ablate.evaluate.evaluator import check_claims, check_tasks, too_long
    from ablate.report.section import load_section
    from ablate.store import Store
    from ablate.study.shards import check_shards

    check_branches(plan)
    check_chains(plan)
    make(plan.tracker, "tracker")
    for named in plan.sections:
        load_section(named)
    checked = set()
    warnings = check_shards(plan, _pool(plan, store)) if _is_sharded(plan) else []
    for arm in plan.arms.values():
        config, train, proxy, evaluate = arm.config, arm.train, arm.proxy, arm.evaluate
        check_budget(train.tokens, train, proxy.context)
        if (
            far := off_ladder(config["proxy"], lr=train.lr, batch_tokens=train.batch_tokens)
        ) and far not in warnings:
            warnings.append(far)
        asked = canonical_json(evaluate)
        if (
            asked not in checked and int(os.environ.get("RANK", 0)) == 0
        ):  # torchrun's other processes need not
            checked.add(asked)
            sources = check_tasks(evaluate, Store(store), made_later=_folders(config["pool"]))
            check_claims(evaluate, sources)
            tokenizer = config["tokenizer"]
            vocab_size = PRETRAINED if tokenizer["pretrained"] else int(tokenizer["vocab_size"])
            warnings += too_long(sources, context=proxy.context, vocab_size=vocab_size)
    return warnings


def _folders(pool: Any) -> list[str]:
    """Folders that a pool, or one of those that it consists of, makes its files in."""
    if not isinstance(pool, Mapping):
        return []
    own = [folder] if isinstance(folder := pool.get("folder"), str) else []
    return own + [folder for part in pool.values() for folder in _folders(part)]
