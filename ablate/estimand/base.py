"""What an estimand is: arms in, contrasts out, or a refusal that names the arms that are missing."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from ablate.design.base import Assignment, ContrastSpec, Factor, arm_name
from ablate.design.controls import CONTROL, controlled_factor, without_controls
from ablate.errors import AblateError, ConfigError, nearest
from ablate.user_file import class_of

Arms = Mapping[str, Assignment]
"""Arm -> level of every factor."""


class Estimand(ABC):
    """A kind of gain, as linear contrasts over arms. What others must know of it stands here, so that nobody lists names.

    Attributes:
        meaning: of a gain, for the caption of its table.
        averages: whether its gains average over arms, so that they can do without one that has no run, and take gains to
            add up.
        stands_for: name of the estimand whose value its gains are read as; "" for itself.
        splits: whether each of its gains of a stage is a difference of two arms, with and without it, which a size-matched
            control splits in two.
        of_controls: whether it needs arms which are no combination of the factors' levels.
        main_effects: whether its gains are main effects, into which interactions may be mixed: a plan and a report say
            which, and a report predicts the best subset from them.
        order: of the linear model that holds when its gains are right: 1 where gains add up, 2 where two stages interact.
        ordered: whether it reads the order of the arms, such as which one is the first.
    """

    meaning: ClassVar[str]
    averages: ClassVar[bool] = False
    stands_for: ClassVar[str] = ""
    splits: ClassVar[bool] = False
    of_controls: ClassVar[bool] = False
    main_effects: ClassVar[bool] = False
    order: ClassVar[int] = 1
    ordered: ClassVar[bool] = False

    @abstractmethod
    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Return every gain of this kind, in the order of the factors.

        Args:
            arms: whichever arms there are, of any design.
            factors: what varies between them.
        Raises:
            NotIdentified: when the arms do not determine every one of these gains.
        """


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
    """Return short names of the shipped estimands: the files here that define one."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py") if _shipped(path.stem))


def load_estimand(name: str) -> Estimand:
    """Build an estimand.

    Args:
        name: short name of a shipped one, package.module.Class, or path/to/file.py:Class.
    Raises:
        ConfigError: for an unknown name (names the nearest), a file or module that cannot be run, and what is no estimand.
    """
    cls = class_of(name, "estimands") if "." in name else _shipped(name) if name.isidentifier() else None
    if cls is None:
        raise ConfigError(
            f"estimands: unknown estimand {name!r}: {nearest(name, estimand_names())}; one of your own is "
            "package.module.Class or path/to/file.py:Class"
        )
    if not (isinstance(cls, type) and issubclass(cls, Estimand)):
        raise ConfigError(f"estimands: {name} is no class that derives from ablate.estimand.base.Estimand")
    try:
        return cls()
    except TypeError as error:
        raise ConfigError(f"estimands: {name} cannot be built: {error}") from error


def _shipped(name: str) -> type[Estimand] | None:
    """The estimand that a file here defines; None where there is no such file or it defines none."""
    if not (Path(__file__).parent / f"{name}.py").is_file():
        return None
    module = importlib.import_module(f"{__package__}.{name}")
    classes = (value for value in vars(module).values() if isinstance(value, type))
    found = (cls for cls in classes if issubclass(cls, Estimand) and cls.__module__ == module.__name__)
    return next((cls for cls in found if cls is not Estimand), None)


def splitting() -> list[str]:
    """Return short names of the shipped estimands whose gains a control splits."""
    return [name for name in estimand_names() if load_estimand(name).splits]


def averages(name: str) -> bool:
    """Return whether the gains of an estimand average over arms."""
    return load_estimand(name).averages


def stands_for(name: str) -> str:
    """Return the estimand whose value is the truth of an estimand's gains: itself, unless it says another."""
    return load_estimand(name).stands_for or name


def contrasts_of(names: Sequence[str], arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
    """Return the contrasts of several estimands, one after another, each under the name that it was asked by.

    Raises:
        ConfigError: for an unknown name.
        NotIdentified: for an estimand that the arms do not determine.
    """
    found: list[ContrastSpec] = []
    for name in names:
        estimand = load_estimand(name)
        # A control is no combination of the factors' levels, so only what is a gain over or of controls sees them.
        seen = arms if estimand.of_controls else without_controls(arms)
        # Whoever reads the plan finds the estimand by the name that stands there.
        found += [replace(spec, estimand=name) for spec in estimand.contrasts(seen, factors)]
    return found


def find(arms: Arms, wanted: Assignment) -> str | None:
    """Return the first arm with these levels."""
    return next((name for name, levels in arms.items() if levels == wanted), None)


def differences(
    estimand: str,
    arms: Arms,
    factors: Sequence[Factor],
    wanted: Sequence[tuple[Factor, str, str, Assignment, Assignment]],
) -> list[ContrastSpec]:
    """Return one arm minus another, for each (factor, level, versus, with the level, with `versus`).

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
    """Return for each control in the order of the factors: the factor, the arm with its stage, the control, the arm without.

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
