"""Simulated calibration: every design and estimand on scores whose truth is known, thousands of times.

The scores go through `effects.many.estimate_many`, which a test holds equal to what a study's scores go
through (`effects.contrast.estimate_contrasts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations, permutations
from multiprocessing import get_context

import numpy as np
from scipy.special import stdtr, stdtrit
from scipy.stats import binomtest

from ablate.calibrate.noise_patterns import noise
from ablate.design.aa import AA
from ablate.design.add_one_in import AddOneIn
from ablate.design.base import Assignment, Design, Factor
from ablate.design.cumulative import Cumulative
from ablate.design.dose import Dose
from ablate.design.fractional_factorial import FractionalFactorial
from ablate.design.full_factorial import FullFactorial
from ablate.design.leave_one_out import LeaveOneOut
from ablate.design.mixed import Mixed
from ablate.design.order import Order
from ablate.design.plackett_burman import PlackettBurman
from ablate.design.random_subset import RandomSubset
from ablate.design.shapley import Shapley
from ablate.effects.detectable import detectable_effect
from ablate.effects.many import estimate_many
from ablate.effects.multiplicity import holm
from ablate.estimand.base import load_estimand

BAND = (0.935, 0.965)
"""Where the coverage of a 95 % interval must lie in every cell that is claimed."""
SURE = 0.001
"""A contrast counts as outside the band when its binomial p-value against the nearer end is below this."""


@dataclass(frozen=True)
class Case:
    """A design, the estimand asked of it, and the factors it varies."""

    design: Design
    estimand: str
    factors: tuple[Factor, ...]

    @property
    def name(self) -> str:
        """For a table."""
        numbers = {3: "III", 4: "IV", 5: "V"}
        label = type(self.design).__name__
        resolution = getattr(self.design, "resolution", None)
        folded = ", folded" if getattr(self.design, "foldover", False) else ""
        return label + (f" {numbers[resolution]}" if resolution else "") + folded


SWITCHES = tuple(Factor(name, ("on", "off")) for name in "abcdefg")
LEVELS = (Factor("method", ("x", "y", "z")), *SWITCHES[:3])
ORDERS = (Factor("order", tuple(">".join(order) for order in permutations("abc"))),)
DOSES = (Factor("threshold", ("0.5", "0.1", "0.2", "0.3", "0.7", "0.9")),)
REPLICATES = (Factor("replicate", tuple("12345678")),)

CASES = (
    Case(LeaveOneOut(), "leave_one_out", SWITCHES), Case(AddOneIn(), "add_one_in", SWITCHES),
    Case(Cumulative(), "cumulative", SWITCHES), Case(FullFactorial(), "main_effect", SWITCHES[:4]),
    Case(FullFactorial(), "interaction", SWITCHES[:4]), Case(FullFactorial(), "leave_one_out", SWITCHES[:4]),
    Case(FullFactorial(), "shapley", SWITCHES[:4]), Case(FractionalFactorial(3), "main_effect", SWITCHES),
    Case(FractionalFactorial(4), "main_effect", SWITCHES), Case(FractionalFactorial(5), "interaction", SWITCHES[:5]),
    Case(PlackettBurman(), "main_effect", SWITCHES), Case(PlackettBurman(foldover=True), "main_effect", SWITCHES),
    Case(Mixed(), "main_effect", LEVELS), Case(RandomSubset(n_arms=16), "main_effect", SWITCHES[:5]),
    Case(Shapley(pairs=3), "shapley", SWITCHES[:5]), Case(Order(), "order", ORDERS), Case(Dose(), "dose", DOSES),
    Case(AA(), "aa", REPLICATES),
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """What came out for one case, noise and number of seeds.

    Attributes:
        case, estimand, noise, interactions, seeds: of the cell; `interactions` whether gains depend on
            each other.
        n_arms, contrasts, studies: sizes.
        covered: shape (contrasts,), studies whose interval held the truth.
        rejected: of contrasts x studies, those with p <= 0.05 when tested against the truth.
        any_rejected: studies in which Holm's correction let any such test through.
        width: median width of an interval.
        stated: studies whose stated detectable effect was tried on another study.
        repeats: of contrasts x `stated`, those in which that study calls an effect of that size, after Holm.
        unlucky: share of them among the tenth of the studies that state the smallest effects.
    """

    case: str
    estimand: str
    noise: str
    interactions: bool
    seeds: int
    n_arms: int
    contrasts: int
    studies: int
    covered: tuple[int, ...]
    rejected: int
    any_rejected: int
    width: float
    stated: int
    repeats: int
    unlucky: float

    @property
    def coverage(self) -> float:
        """Mean over contrasts."""
        return sum(self.covered) / (self.contrasts * self.studies)

    @property
    def worst(self) -> float:
        """The contrast that is furthest from 95 %."""
        return max((count / self.studies for count in self.covered), key=lambda c: abs(c - 0.95))

    @property
    def repeated(self) -> float:
        """Share of stated effects that a repeat calls; 80 % are promised."""
        return self.repeats / (self.contrasts * self.stated)

    @property
    def familywise(self) -> float:
        """Share of studies with any false claim after Holm."""
        return self.any_rejected / self.studies

    @property
    def in_band(self) -> bool:
        """Mean inside the band, and no single contrast surely outside it."""
        low, high = BAND
        alike = all(
            binomtest(count, self.studies, low, alternative="less").pvalue > SURE
            and binomtest(count, self.studies, high, alternative="greater").pvalue > SURE
            for count in self.covered
        )
        return alike and low <= self.coverage <= high

    @property
    def familywise_held(self) -> bool:
        """Family-wise error not surely above 5 %."""
        return bool(binomtest(self.any_rejected, self.studies, 0.05, alternative="greater").pvalue > SURE)


def truth_of(case: Case, score: Callable[[Assignment], float]) -> list[float]:
    """True values of a case's gains, from all combinations of levels where the estimand averages over them."""
    averaged = case.estimand in ("main_effect", "interaction", "shapley")
    whole: Design = FullFactorial(max_arms=10_000) if averaged else case.design
    arms = whole.arms(case.factors)
    specs = load_estimand(case.estimand).contrasts(arms, case.factors)
    return [sum(weight * score(arms[arm]) for arm, weight in spec.weights.items()) for spec in specs]


def effects(
    factors: Sequence[Factor], interactions: bool, rng: np.random.Generator
) -> Callable[[Assignment], float]:
    """A true score for every combination of levels: gains of a few noise units, and how they depend on each other."""
    gain = {
        f.name: dict(zip(f.levels, [2.0, *rng.normal(size=len(f.levels) - 1)], strict=True)) for f in factors
    }
    pairs = (
        {(a.name, b.name): rng.normal(0.0, 3.0) for a, b in combinations(factors, 2)} if interactions else {}
    )
    full = {factor.name: factor.full for factor in factors}

    def score(levels: Assignment) -> float:
        alone = sum(gain[name][level] for name, level in levels.items())
        both = sum(s for (a, b), s in pairs.items() if levels[a] != full[a] and levels[b] != full[b])
        return float(alone + both)

    return score


def simulate(
    case: Case, pattern: str, seeds: int, studies: int, *, interactions: bool = False, seed: int = 0
) -> Cell:
    """Simulate one cell.

    Args:
        case: design, estimand, factors.
        pattern: of the noise (`noise_patterns.PATTERNS`).
        seeds: replicates of each arm.
        studies: replications.
        interactions: whether gains depend on each other, strongly.
        seed: of the draw.
    """
    rng = np.random.default_rng([seed, seeds, *map(ord, case.name + case.estimand + pattern)])
    arms = case.design.arms(case.factors)
    specs = load_estimand(case.estimand).contrasts(arms, case.factors)
    weights = np.array([[spec.weights.get(arm, 0.0) for arm in arms] for spec in specs])
    score = (lambda levels: 0.0) if case.estimand == "aa" else effects(case.factors, interactions, rng)
    means = np.array([score(levels) for levels in arms.values()])
    truth = np.array(truth_of(case, score))
    tables = means[:, None] + noise(pattern)(rng, studies, len(arms), seeds)
    estimate, error, df = estimate_many(tables, weights)
    half = stdtrit(df, 0.975) * error
    covered = (np.abs(estimate - truth) <= half).sum(axis=0)
    p = 2.0 * stdtr(df, -np.abs(estimate - truth) / error)
    # Holm lets something through when the smallest p-value passes the first step.
    claims = (p.min(axis=1) * p.shape[1] <= 0.05).sum()
    # The study before has the effect that this one states.
    called = _called(tables, weights, estimate - truth, error, df)
    smallest = called[: max(len(called) // 10, 1)]
    return Cell(
        case.name, case.estimand, pattern, interactions, seeds, len(arms), len(specs), studies,
        tuple(covered.tolist()), int((p <= 0.05).sum()), int(claims), float(np.median(2 * half)), len(called),
        int(called.sum()), float(smallest.mean()),
    )  # fmt: skip


STATED = 200
"""Studies of a cell whose stated effect is tried on the next one: each takes a simulation of its own."""


def _called(
    tables: np.ndarray, weights: np.ndarray, chance: np.ndarray, error: np.ndarray, df: np.ndarray
) -> np.ndarray:
    """Whether the next study calls the effect that a study states, in each contrast alone.

    Args:
        tables: shape (n_studies, n_arms, n_seeds).
        weights: shape (n_contrasts, n_arms).
        chance, error, df: shape (n_studies, n_contrasts): estimate minus truth, seed error and its df.
    Returns:
        Shape (at most STATED, n_contrasts), bool, by rising stated effect.
    """
    n, tests = min(STATED, len(tables) - 1), len(weights)
    stated = np.array([detectable_effect(table, weights, tests=tests).effect for table in tables[:n]])
    called = np.zeros((n, tests), dtype=bool)
    for study, effect in enumerate(stated):
        repeat = chance[study + 1]
        for place in range(tests):
            shifted = repeat + effect * (np.arange(tests) == place)
            p = 2.0 * stdtr(df[study + 1], -np.abs(shifted) / error[study + 1])
            called[study, place] = holm(p)[place] <= 0.05 and shifted[place] > 0
    return called[np.argsort(stated)]


@dataclass(frozen=True)
class Task:
    """The arguments of one cell, so that cells can be shared out among processes."""

    case: int
    pattern: str
    seeds: int
    interactions: bool
    studies: int
    seed: int

    def __call__(self) -> Cell:
        """Simulate it."""
        return simulate(
            CASES[self.case], self.pattern, self.seeds, self.studies,
            interactions=self.interactions, seed=self.seed,
        )  # fmt: skip


def tasks(patterns: Sequence[str], seeds: Sequence[int], studies: int, seed: int = 0) -> list[Task]:
    """Every cell; strong interactions with equal noise and three seeds."""
    found = []
    for number, case in enumerate(CASES):
        found += [Task(number, pattern, n, False, studies, seed) for pattern in patterns for n in seeds]
        if len(case.factors) > 1:
            found.append(Task(number, "equal", 3, True, studies, seed))
    return found


def run(todo: Sequence[Task], workers: int | None) -> Iterator[Cell]:
    """Every cell in order, by `workers` processes; None for one per core."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(Task.__call__, todo)


@dataclass(frozen=True)
class Economy:
    """What a design costs for its intervals.

    Attributes:
        design: its name.
        seeds, runs: of one study.
        width: mean width of a gain's interval over stages and studies.
        studies: how many were looked at.
    """

    design: str
    seeds: int
    runs: int
    width: float
    studies: int


def economy(studies: int, seed: int = 0) -> list[Economy]:
    """Width of the intervals of seven stages' gains against runs, equal noise: one at a time and fractions."""
    found = []
    for case, most in ((CASES[0], 24), (CASES[7], 6), (CASES[8], 4)):
        for seeds in range(2, most + 1):
            arms = case.design.arms(case.factors)
            specs = load_estimand(case.estimand).contrasts(arms, case.factors)
            weights = np.array([[spec.weights.get(arm, 0.0) for arm in arms] for spec in specs])
            rng = np.random.default_rng([seed, seeds, len(arms)])
            _, error, df = estimate_many(noise("equal")(rng, studies, len(arms), seeds), weights)
            width = float((2 * stdtrit(df, 0.975) * error).mean())
            name = "leave_one_out" if case is CASES[0] else case.name
            found.append(Economy(name, seeds, seeds * len(arms), width, studies))
    return found


def not_claimed(cell: Cell) -> str:
    """Why a cell lies outside what the method claims; empty where it is claimed.

    The report warns in the same places (`report.trust`).
    """
    if cell.interactions and cell.case in ALIASED:
        return "interactions, in arms where main effects are mixed with them"
    if cell.seeds == 2 and cell.noise in ("one_very_loud", "heavy_tails"):
        return "two seeds, with heavy tails or with one arm that has nearly all the noise"
    if cell.seeds < 5 and cell.noise == "one_very_loud":
        return "fewer than five seeds, with one arm that has nearly all the noise"
    if cell.seeds < 4 and cell.noise == "heavy_tails":
        return "fewer than four seeds, with heavy tails"
    return ""


ALIASED = ("FractionalFactorial III", "PlackettBurman", "RandomSubset", "Mixed")
"""Designs in which main effects are not free of interactions."""
