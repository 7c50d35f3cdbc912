"""Crossed: another design, run anew at each level of a setting, such as the learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ablate.design.base import Assignment, Design, Factor, assign, named
from ablate.design.leave_one_out import LeaveOneOut


@dataclass(frozen=True)
class Crossed:
    """m levels of the setting in m times the arms of the inner design.

    Answers: does the ranking of the stages depend on the setting? Wang et al. (arXiv 2512.24503) found that small
    proxies rank data alike with large models at a tiny learning rate, and not always at the usual one.

    Attributes:
        by: name of the factor that is the setting.
        inner: design of the others.
    """

    estimands: ClassVar[tuple[str, ...]] = ("within",)
    by: str = "lr"
    inner: Design = field(default_factory=LeaveOneOut)

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Return the inner design's arms at the setting's first level, then at the others.

        Raises:
            ValueError: when two factors share a name, the setting is not among them, or it is alone.
        """
        assign(factors, full=True)
        others = [factor for factor in factors if factor.name != self.by]
        setting = next((factor for factor in factors if factor.name == self.by), None)
        if setting is None or not others:
            raise ValueError(
                f"design crossed needs a factor {self.by!r} and others beside it, got "
                f"{[factor.name for factor in factors]}; e.g. "
                "design.factors={stages: null, lr: {train.lr: [0.004, 0.0004]}}"
            )
        inner = self.inner.arms(others).values()
        names = [factor.name for factor in factors]
        both = [{**arm, self.by: level} for level in setting.levels for arm in inner]
        return named([{name: arm[name] for name in names} for arm in both], factors)
