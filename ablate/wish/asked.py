"""The wish that `ablate plan` was given, for the plan's stages: what it is weighed over, and the answer in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import OmegaConf

from ablate.config import CONF, make
from ablate.effects.ranking import noise_df
from ablate.errors import AblateError, ConfigError, nearest
from ablate.ladder import SMALLEST, body_parameters
from ablate.render.tables import aligned
from ablate.settings import Config
from ablate.study.accelerator import Accelerator
from ablate.study.forecast import UNKNOWN_VOCABULARY, clear_designs, prior_noise, proxy_flops, run_flops
from ablate.study.schema import Plan
from ablate.train.proxy import ProxyConfig
from ablate.wish.noise import Family, NoiseLaw, RunNoise, noise_law
from ablate.wish.transfer import reversal
from ablate.wish.wish import Option, Size, Wish, cheapest_of_each, chosen, options

PER_PARAMETER = 20
"""Tokens a parameter of `train=ladder`, and of the target."""
CONFIGURED = "as configured"
SETTING = ("pool", "tokenizer", "evaluate")
"""Parts of a configuration in which a pilot is like its study; its size may differ."""
HEADER = ("proxy", "parameters", "tokens", "noise of a run [80 %]", "design", "seeds", "runs", "hours", "dollars", "reversed at the target [95 %]")  # fmt: skip
WITHOUT_WISH = "wish.within is in the units of the headline, e.g. wish.within=0.01"


def answer(plan: Plan, settings: Config, accelerator: Accelerator) -> str:
    """Weigh the wish over proxies and designs, and say what it costs.

    Raises:
        ConfigError: for a wish that makes no sense, an unknown proxy or design, or a metric whose noise is not known.
    """
    asked = settings.wish
    if asked.within is None:
        raise ConfigError(WITHOUT_WISH)
    if len(plan.factors) < 2:
        raise ConfigError(
            f"wish.within: a ranking needs two stages or more, and {plan.study} varies {len(plan.factors)}"
        )
    wish = Wish(within=asked.within, confidence=asked.confidence, power=asked.power)
    designs = clear_designs() if asked.designs is None else list(asked.designs)
    sizes = sizes_of(plan, settings)
    found = options(wish, sizes, plan.factors, designs, accelerator=accelerator, share=settings.plan.share)
    best = chosen(found, asked.reversal)
    lines = [
        f"\nto rank {len(plan.factors)} stages within {wish.within:g} {plan.metrics.primary} "
        f"({100 * wish.confidence:g} % of studies have every pair further apart in the right order; with a chance of "
        f"{100 * wish.power:g} % the study can say so), decided for {asked.target:.2g} parameters; one {accelerator.name} "
        f"at {100 * settings.plan.share:g} % of its peak:",
        aligned(HEADER, [_cells(option) for option in cheapest_of_each(found)], left=1),
        *_words(best, found, len(plan.factors), asked.reversal),
        "within is of the proxy's own score. Hours are of training alone. The gains of different designs are answers to different "
        "questions: docs/choosing_a_design.md. Where these figures come from: docs/wish.md",
    ]
    return "\n".join(lines) + "\n"


def sizes_of(plan: Plan, settings: Config) -> list[Size]:
    """Return the study's own proxy and those of the shipped ladder, with what is known of each.

    Raises:
        ConfigError: for an unknown proxy, or a metric whose noise is not known.
    """
    arm, asked = plan.reference_arm, settings.wish
    family: Family = "testbed" if "testbed" in str(arm.config["pool"].get("_target_")) else "web"
    law = noise_law(family, plan.metrics.primary)
    known = known_noise(plan, settings)
    vocabulary = int(arm.config["tokenizer"].get("vocab_size") or UNKNOWN_VOCABULARY)
    found = [_size(CONFIGURED, arm.proxy, arm.train.tokens, vocabulary, law, known, asked.target)]
    for name, proxy in _proxies(asked.proxies).items():
        body = body_parameters(vars(proxy))  # type: ignore[arg-type]
        found.append(_size(name, proxy, PER_PARAMETER * body, vocabulary, law, known, asked.target))
    return found


@dataclass(frozen=True)
class Known:
    """A noise that is known before the study.

    Attributes:
        noise: of a run.
        flops: of training of the runs that had it.
        alike: whether they were of this study's pages, tasks and training.
    """

    noise: RunNoise
    flops: float
    alike: bool


def known_noise(plan: Plan, settings: Config) -> Known | None:
    """Return the noise that `plan.noise` gives; None without one."""
    given = settings.plan.noise
    if given is None:
        return None
    prior, here = prior_noise(given, plan.metrics.primary), run_flops(plan.reference_arm)
    if not isinstance(given, str):
        return Known(RunNoise.measured(prior.sd, math.inf, prior.source), here, True)
    from ablate.study.noise import seed_sphericity
    from ablate.study.results import load_study

    study = load_study(Path(given))
    arms, seeds = len(study.distinct), len(study.seeds)
    noise = RunNoise.measured(
        prior.sd, noise_df(arms, max(seeds, 2)), prior.source, sphericity=seed_sphericity(study)
    )
    theirs, ours = study.plan.reference_arm, plan.reference_arm
    try:
        flops = run_flops(theirs)
    except (AblateError, KeyError):  # imported: nobody knows what its runs took
        source = f"{prior.source}, taken for one of this study's size"
        return Known(replace(noise, source=source), here, False)
    return Known(noise, flops, all(theirs.config.get(key) == ours.config.get(key) for key in SETTING))


def _proxies(names: list[str] | None) -> Mapping[str, ProxyConfig]:
    """The shipped proxies of the published ladders, smallest first, or those that were named."""
    shipped = {
        path.stem: make(OmegaConf.to_container(OmegaConf.load(path)), f"proxy={path.stem}")
        for path in (CONF / "proxy").glob("*.yaml")
    }
    if names is None:
        shipped = {name: one for name, one in shipped.items() if body_parameters(vars(one)) >= SMALLEST}
    else:
        for name in names:
            if name not in shipped:
                raise ConfigError(f"wish.proxies: unknown proxy {name!r}: {nearest(name, shipped)}")
        shipped = {name: shipped[name] for name in names}
    return dict(sorted(shipped.items(), key=lambda item: body_parameters(vars(item[1]))))


def _size(
    name: str,
    proxy: ProxyConfig,
    tokens: int,
    vocabulary: int,
    law: NoiseLaw,
    known: Known | None,
    target: float,
) -> Size:
    body = body_parameters(vars(proxy))  # type: ignore[arg-type]
    flops = proxy_flops(proxy, vocabulary, tokens)
    return Size(
        proxy=name,
        parameters=body,
        tokens=tokens,
        flops=flops,
        noise=law.at(flops)
        if known is None
        else law.from_measured(known.noise, known.flops, flops, alike=known.alike),
        reversal=reversal(6 * target * PER_PARAMETER * target / flops),
    )


def _cells(option: Option) -> list[str]:
    size, risk = option.size, option.size.reversal
    noise = (
        f"{size.noise.sd:.2g} [{size.noise.low:.2g}, {size.noise.high:.2g}]{'*' if size.noise.beyond else ''}"
    )
    told = (
        "–"
        if risk is None
        else f"{_percent(risk.risk)} [{_percent(risk.low)}, {_percent(risk.high)}]{'*' if risk.beyond else ''}"
    )
    able = option.seeds is not None
    return [
        size.proxy,
        f"{size.parameters:.2g}",
        f"{size.tokens:.2g}",
        noise,
        option.design if able else option.why,
        str(option.seeds) if able else "–",
        str(option.runs) if able else "–",
        _hours(option.seconds) if able else "–",
        "–" if option.price is None else _dollars(option.price),
        told,
    ]


def _words(best: Option | None, found: list[Option], stages: int, most_risk: float) -> list[str]:
    if best is None:
        able = [option for option in found if option.seeds is not None]
        if not able:
            return [
                "no proxy of these keeps the wish: ask for less (wish.within), or measure the noise in a pilot (plan.noise=studies/pilot)"
            ]
        least = min(able, key=lambda option: option.size.reversal.risk if option.size.reversal else 0.0)
        return [
            f"none keeps the wish with a risk of a reversed pair of {_percent(most_risk)} or less; least risk: {_told(least, stages)}"
        ]
    lines = [
        f"cheapest with a risk of a reversed pair of {_percent(most_risk)} or less: {_told(best, stages)}"
    ]
    lines.append(f"its noise: {best.size.noise.source}")
    if best.size.noise.beyond:
        lines.append(
            "* no noise was measured near that size, and the seeds allow for how unsure that is. A pilot there, of two arms or more and three seeds, makes it surer: plan.noise=studies/pilot"
        )
    return lines


def _told(option: Option, stages: int) -> str:
    size, risk, pairs = option.size, option.size.reversal, stages * (stages - 1) // 2
    proxy = "" if size.proxy == CONFIGURED else f"proxy={size.proxy} train=ladder "
    seeds = f"'seeds=[{','.join(map(str, range(option.seeds or 0)))}]'"
    price = "" if option.price is None else f", {_dollars(option.price)} dollars"
    said = (
        f"{proxy}design={option.design} {seeds}\n  {option.runs} runs, {_hours(option.seconds)} hours{price}"
    )
    if risk is not None:
        said += (
            f"; {_percent(risk.risk)} [{_percent(risk.low)}, {_percent(risk.high)}] of pairs of stages stand the other way round at the target, "
            f"about {risk.risk * pairs:.1f} of {pairs} [{risk.low * pairs:.1f}, {risk.high * pairs:.1f}]"
        )
    return said


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2f}" if hours >= 0.01 else "<0.01"


def _dollars(price: float) -> str:
    return f"{price:,.0f}" if price >= 1 else "<1"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
