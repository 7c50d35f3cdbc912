"""Findings about which runs there are, and how alike they were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ablate.report.findings.base import Finding
from ablate.study.chance import by_draw
from ablate.study.results import Study


@dataclass(frozen=True, eq=False)
class ArmsWithoutRun(Finding):
    """Averages over arms had to do without some.

    Attributes:
        arms: which.
    """

    arms: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"**Arms without a run**: {', '.join(self.arms)}. Averages over arms are least squares over the others, which need "
            "no longer be balanced."
        )


@dataclass(frozen=True, eq=False)
class UnlikeArithmetic(Finding):
    """Runs of one study were computed in unlike ways, which the seeds' noise does not hold.

    Attributes:
        runs: way of computing -> arm -> how many of its runs.
    """

    runs: Mapping[str, Mapping[str, int]]

    def __str__(self) -> str:
        shown = "; ".join(
            f"{kind} in {', '.join(f'{count} of {arm}' for arm, count in arms.items())}"
            for kind, arms in sorted(self.runs.items())
        )
        return (
            f"**Runs were not computed alike**: {shown}. What arms differ by may be what their arithmetic differs by: set "
            "`train.precision`, use one version of torch, and do the fewer ones again."
        )


@dataclass(frozen=True, eq=False)
class DocumentsVary(Finding):
    """Each seed has its own shard of the pool, which gains refer to.

    Attributes:
        fewest, most: documents of a shard.
    """

    fewest: int
    most: int

    def __str__(self) -> str:
        span = f"{self.fewest:,}" if self.fewest == self.most else f"{self.fewest:,} to {self.most:,}"
        return (
            f"**Documents vary with the seed**: each seed has a shard of the pool ({span} documents), so gains are those of pools of that size, and "
            "deduplication finds the copies that stand in one shard together."
        )


@dataclass(frozen=True, eq=False)
class ShardsShared(Finding):
    """Some seeds have the shard of another.

    Attributes:
        seeds: how many share a shard with an earlier one.
        of: seeds in all.
    """

    seeds: int
    of: int

    def __str__(self) -> str:
        return (
            f"**{self.seeds} of {self.of} seeds share a shard with an earlier one**: intervals take all for draws of their own, and are too "
            "narrow for that."
        )


def missing_arms(study: Study) -> list[Finding]:
    """Look for arms without a run that averages had to do without."""
    gone = [arm for arm in study.arms if study.first_record(arm) is None]
    if not gone or study.claims == list(study.plan.contrasts):
        return []
    return [ArmsWithoutRun(tuple(gone))]


def arithmetic(study: Study) -> list[Finding]:
    """Look for runs of different precision, or of different versions of torch."""
    kinds: dict[str, dict[str, int]] = {}
    for (arm, _), record in study.records.items():
        torch = (record.provenance.get("versions") or {}).get("torch")
        said = [str(one) for one in (record.cost.get("precision"), torch and f"torch {torch}") if one]
        if any(said):
            arms = kinds.setdefault(", ".join(filter(None, said)), {})
            arms[arm] = arms.get(arm, 0) + 1
    return [UnlikeArithmetic(kinds)] if len(kinds) > 1 else []


def shards(study: Study) -> list[Finding]:
    """Look for seeds with shards of their own, or with another's."""
    draws = study.draws(study.plan.reference)
    if not any(draw.shard is not None for draw in draws):
        return []
    sizes = [int(record.corpus.funnel[0]["documents"]) for record in draws.values() if record.corpus]
    found: list[Finding] = [DocumentsVary(min(sizes), max(sizes))]
    if crowded := len(study.seeds) - len(by_draw(study.plan.reference_arm, study.seeds)):
        found.append(ShardsShared(crowded, len(study.seeds)))
    return found
