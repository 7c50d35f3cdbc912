"""What a report says of the shape of the noise: how often wrongly, how often when it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.calibrate.cases import SWITCHES
from ablate.calibrate.populations import Runs, draw
from ablate.calibrate.share import Share
from ablate.calibrate.simulate import stream
from ablate.design.leave_one_out import LeaveOneOut
from ablate.effects.shape import noise_shape
from ablate.estimand.linear_model import linear_model

SEEDS = (3, 5, 8)


@dataclass(frozen=True)
class Noticed:
    """What reports of leave-one-out over seven stages say.

    Attributes:
        noise, seeds, studies: of the cell.
        split: studies whose report says that runs split into two groups.
        named: of these, those that name an arm.
        leans: studies whose report says that noise leans to one side.
    """

    noise: str
    seeds: int
    studies: int
    split: int
    named: int
    leans: int

    @property
    def split_share(self) -> Share:
        """Reports that say so."""
        return Share(self.split, self.studies)

    @property
    def leans_share(self) -> Share:
        """Reports that say so."""
        return Share(self.leans, self.studies)


@dataclass(frozen=True)
class ShapeTask:
    """The arguments of one cell."""

    noise: str
    seeds: int
    studies: int
    seed: int

    def __call__(self) -> Noticed:
        """Simulate it."""
        rng = stream(self.seed, "shape", self.noise, self.seeds)
        arms = LeaveOneOut().arms(SWITCHES)
        absent = linear_model(arms, SWITCHES).matrix[:, 1:]
        tables = draw(self.noise, rng, Runs(self.studies, self.seeds, absent == 0.0, shared=True))
        found = [noise_shape(table) for table in tables]
        return Noticed(
            self.noise,
            self.seeds,
            self.studies,
            sum(one.splits for one in found),
            sum(bool(one.split_arms) for one in found),
            sum(one.leans for one in found),
        )


def shape_tasks(noises: Sequence[str], seeds: Sequence[int], studies: int, seed: int = 0) -> list[ShapeTask]:
    """Every cell among the noises and numbers of seeds that are asked for."""
    return [ShapeTask(noise, n, studies, seed) for noise in noises for n in SEEDS if n in seeds]
