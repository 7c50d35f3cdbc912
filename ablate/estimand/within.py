"""Leave-one-out gain at each level of a setting that the whole design was crossed with."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor, assign
from ablate.estimand.base import Arms, Estimand, NotIdentified, differences, find


class Within(Estimand):
    """Full minus each other level of a factor, at every level of the setting; named `<factor> at <setting>=<level>`."""

    meaning = "the recipe minus the recipe without the stage, both at the setting that is named"

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare within levels: needs, for some factor, the full arm and each leave-one-out arm of the others at each of its levels.

        Where several factors would do, as in a full factorial, the last is taken for the setting.
        """
        refusal: NotIdentified | None = None
        full = assign(factors, full=True)
        for setting in reversed(factors):
            others = [factor for factor in factors if factor is not setting]
            at = [
                (factor, level, full | {setting.name: value}, value)
                for value in setting.levels
                for factor in others
                for level in factor.levels[1:]
            ]
            if not others or any(find(arms, base) is None for _, _, base, _ in at):
                continue
            try:
                specs = differences(
                    "within",
                    arms,
                    factors,
                    [
                        (factor, factor.full, level, base, base | {factor.name: level})
                        for factor, level, base, _ in at
                    ],
                )
            except NotIdentified as error:
                refusal = refusal or error
                continue
            return [
                ContrastSpec(
                    f"{s.factor} at {setting.name}={value}", s.level, s.versus, s.estimand, s.weights
                )
                for s, (_, _, _, value) in zip(specs, at, strict=True)
            ]
        raise refusal or NotIdentified("within", ["every arm at a second level of some factor"])
