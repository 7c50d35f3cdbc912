"""What an estimand is: arms in, contrasts out, or a refusal that names the arms that are missing."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ablate.design.base import Assignment, ContrastSpec, Factor, arm_name
from ablate.design.controls import CONTROL, controlled_factor, without_controls
from ablate.errors import AblateError, ConfigError, nearest

Arms = Mapping[str, Assignment]
"""Arm -> level of every factor."""


class Estimand(Protocol):
    """A kind of gain, as linear contrasts over arms.

    Attributes:
        meaning: of a gain, for the caption of its table.

    Beside it a class may state what others must know of it: `averages`, that its gains average over arms, so that they
    can do without one that has no run, and take gains to add up; `stands_for`, the name of the estimand whose value its
    gains are read as; `of_controls`, that it needs arms which are no combination of the factors' levels.
    """

    meaning: str

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Every gain of this kind, in the order of the factors.

        Args:
            arms: whichever arms there are, of any design.
            factors: what varies between them.
        Raises:
            NotIdentified: when the arms do not determine every one of these gains.
        """
        ...


class NotIdentified(AblateError):
    """The arms at hand do not determine an estimand.

    Attributes:
        missing: names of arms that would.
    """

    def __init__(self, estimand: str, missing: Sequence[str], why: str = "") -> None:
        self.missing = tuple(dict.fromkeys(missing))
        shown = ", ".join(self.missing[:8]) + (
            f" and {len(self.missing) - 8} more" if len(self.missing) > 8 else ""
        )
        super().__init__(
            f"these arms do not identify {estimand}{f': {why}' if why else ''}. Missing: {shown}. "
            "Run a design that has them (finished runs are reused) or ask for another estimand"
        )


def estimand_names() -> list[str]:
    """Every estimand that has a file here."""
    here = Path(__file__).parent
    return sorted(path.stem for path in here.glob("*.py") if hasattr(_module(path.stem), "ESTIMAND"))


def load_estimand(name: str) -> Estimand:
    """An estimand by name: the `ESTIMAND` of the module so called.

    Raises:
        ConfigError: for an unknown name; names the nearest.
    """
    if not name.isidentifier() or name not in estimand_names():
        raise ConfigError(f"estimands: unknown estimand {name!r}: {nearest(name, estimand_names())}")
    found: Estimand = _module(name).ESTIMAND
    return found


def averages(name: str) -> bool:
    """Whether the gains of an estimand average over arms."""
    return bool(getattr(load_estimand(name), "averages", False))


def stands_for(name: str) -> str:
    """Return the estimand whose value is the truth of an estimand's gains: itself, unless it says another."""
    return str(getattr(load_estimand(name), "stands_for", name))


def contrasts_of(names: Sequence[str], arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
    """The contrasts of several estimands, one after another.

    Raises:
        ConfigError: for an unknown name.
        NotIdentified: for an estimand that the arms do not determine.
    """
    found: list[ContrastSpec] = []
    for name in names:
        estimand = load_estimand(name)
        # A control is no combination of the factors' levels, so only what is a gain over or of controls sees them.
        seen = arms if getattr(estimand, "of_controls", False) else without_controls(arms)
        found += estimand.contrasts(seen, factors)
    return found


def find(arms: Arms, wanted: Assignment) -> str | None:
    """The first arm with these levels."""
    return next((name for name, levels in arms.items() if levels == wanted), None)


def differences(
    estimand: str,
    arms: Arms,
    factors: Sequence[Factor],
    wanted: Sequence[tuple[Factor, str, str, Assignment, Assignment]],
) -> list[ContrastSpec]:
    """One arm minus another, for each (factor, level, versus, with the level, with `versus`).

    Raises:
        NotIdentified: when an arm is missing.
    """
    specs, missing = [], []
    for factor, level, versus, plus, minus in wanted:
        ends = find(arms, plus), find(arms, minus)
        if ends[0] is None or ends[1] is None:
            missing += [
                arm_name(levels, factors)
                for end, levels in zip(ends, (plus, minus), strict=True)
                if end is None
            ]
            continue
        specs.append(ContrastSpec(factor.name, level, versus, estimand, {ends[0]: 1.0, ends[1]: -1.0}))
    if missing:
        raise NotIdentified(estimand, missing)
    return specs


def parts_of_gains(
    estimand: str, arms: Arms, factors: Sequence[Factor]
) -> list[tuple[Factor, str, str, str]]:
    """For each control in the order of the factors: the factor, the arm with its stage, the control, the arm without.

    Raises:
        NotIdentified: when there is no control, or one without the two arms that it stands between.
    """
    found, missing = [], []
    for factor in factors:
        for name, levels in arms.items():
            if controlled_factor(levels) != factor.name:
                continue
            ends = [find(arms, {**levels, factor.name: level}) for level in (factor.full, factor.bare)]
            if ends[0] is None or ends[1] is None:
                missing.append(f"an arm on either side of {name}")
            else:
                found.append((factor, ends[0], name, ends[1]))
    if missing or not found:
        raise NotIdentified(
            estimand,
            missing or [f"{CONTROL}_{factor.name}" for factor in factors],
            "design.controls=size_matched runs them",
        )
    return found


def _module(name: str):  # type: ignore[no-untyped-def]
    return importlib.import_module(f"ablate.estimand.{name}")
