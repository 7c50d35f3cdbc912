"""What a wish costs: for each proxy the cheapest design and number of seeds that keep it, its price, and what may still go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.design.base import Factor
from ablate.effects.ranking import MOST_SEEDS, seeds_to_rank
from ablate.study.accelerator import Accelerator
from ablate.study.forecast import laid_out
from ablate.wish.noise import RunNoise
from ablate.wish.transfer import Reversal


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a study must be able to rank.

    Attributes:
        within: gains that differ by more must be put in the right order, in the units of the headline.
        confidence: share of studies in which the whole order holds.
        power: chance that the study, with the noise that it will measure, can say so.
    """

    within: float
    confidence: float = 0.95
    power: float = 0.8


@dataclass(frozen=True, kw_only=True)
class Size:
    """A proxy with its budget.

    Attributes:
        proxy: its name, or how it was configured.
        parameters: of the layers, without embeddings.
        tokens: of a run.
        flops: of a run's training.
        noise: of a run.
        reversal: of a pair of stages at the target; None where no target is given.
    """

    proxy: str
    parameters: float
    tokens: int
    flops: float
    noise: RunNoise
    reversal: Reversal | None


@dataclass(frozen=True, kw_only=True)
class Option:
    """A study that keeps the wish.

    Attributes:
        size: of its proxy.
        design, estimand: which arms, and which gains they are for.
        arms, seeds: how many; seeds None where `MOST_SEEDS` are not enough.
        seconds: of training on one accelerator, all runs together; 0 without seeds.
        price: of that, in dollars; None where an hour has no price, or no seeds are enough.
        why: it cannot; empty where it can.
    """

    size: Size
    design: str
    estimand: str
    arms: int
    seeds: int | None
    seconds: float
    price: float | None
    why: str = ""

    @property
    def runs(self) -> int:
        """Runs of the study; 0 where no number of seeds is enough."""
        return self.arms * (self.seeds or 0)


def options(
    wish: Wish,
    sizes: Sequence[Size],
    factors: Sequence[Factor],
    designs: Sequence[str],
    *,
    accelerator: Accelerator,
    share: float,
) -> list[Option]:
    """Weigh every design at every size.

    Args:
        wish: what to keep.
        sizes: of proxies.
        factors: to rank, two or more.
        designs: names of shipped designs.
        accelerator: that trains.
        share: of its peak that training reaches.
    Returns:
        Those that keep the wish by their training time, then those that cannot.
    Raises:
        ConfigError: for an unknown design.
        ValueError: for a wish that makes no sense.
    """
    found = []
    for name in designs:
        laid = laid_out(name, factors)
        for size in sizes:
            seeds, why = None, laid.why
            if not why and len(laid.weights) < 2:
                why = "a ranking needs two gains or more"
            if not why:
                seeds = seeds_to_rank(
                    laid.weights,
                    size.noise.sd,
                    size.noise.df,
                    wish.within,
                    confidence=wish.confidence,
                    power=wish.power,
                    unpaired=laid.unpaired,
                    sphericity=size.noise.sphericity,
                )
                why = "" if seeds else f"not with {MOST_SEEDS} seeds"
            seconds = accelerator.seconds(size.flops * laid.arms * (seeds or 0), share)
            found.append(
                Option(
                    size=size,
                    design=name,
                    estimand=laid.estimand,
                    arms=laid.arms,
                    seeds=seeds,
                    seconds=seconds,
                    price=accelerator.price(seconds) if seeds else None,
                    why=why,
                )
            )
    return sorted(found, key=lambda option: (option.seeds is None, option.seconds))


def cheapest_of_each(found: Sequence[Option]) -> list[Option]:
    """Return the cheapest option of every size, or one that cannot, in the order of the sizes' FLOPs."""
    best: dict[str, Option] = {}
    for option in found:
        best.setdefault(option.size.proxy, option)
    return sorted(best.values(), key=lambda option: option.size.flops)


def chosen(found: Sequence[Option], most_risk: float) -> Option | None:
    """Return the cheapest option whose risk of a reversed pair is at most `most_risk`; None where there is none."""
    return next(
        (
            option
            for option in found
            if option.seeds is not None
            and (option.size.reversal is None or option.size.reversal.risk <= most_risk)
        ),
        None,
    )
