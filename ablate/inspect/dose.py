"""A dose-response curve: what each value of a parameter keeps, how diverse that is, and how it scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablate.inspect.diversity import MEASURES, SAMPLES, Diversity
from ablate.render.csv_text import csv_text
from ablate.render.tables import aligned, markdown, unsigned
from ablate.study.results import AGGREGATE, Study, score_table

SHOWN = "distinct_3"
"""The measure of diversity in tables and figure; dose.csv has all."""
READING = f"""\
- **Kept** counts what is left of the pool after the *whole* recipe with this value in it.
- **Diversity** ({SHOWN}: share of distinct word 3-grams) is taken at the same number of words for every value, on {SAMPLES}
  samples; in brackets, the lowest and the highest of them. A value that leaves too little text has none.
- **Score** is the mean over seeds, with the lowest and the highest seed. Values share seeds, so differences between
  values are steadier than the ranges suggest; `ablate report` has them with intervals.
- A curve that rises and then falls says where more filtering stops paying, for this pool, model and budget. The best
  of many values looks better than it is: confirm it with new seeds."""


@dataclass(frozen=True)
class Level:
    """One value of the parameter.

    Attributes:
        value: of the parameter.
        arm: of the design.
        documents, n_bytes: kept by the whole recipe.
    """

    value: float
    arm: str
    documents: int
    n_bytes: int


@dataclass(frozen=True, eq=False)
class Response:
    """Scores of a swept study.

    Attributes:
        metric: the study's primary one.
        higher_is_better: its direction.
        scores: shape (n_levels, n_seeds); NaN for a missing run.
    """

    metric: str
    higher_is_better: bool
    scores: np.ndarray


@dataclass(frozen=True, eq=False)
class Curve:
    """One parameter's curve.

    Attributes:
        factor, parameter: the factor's name, and the dotted path of what it varies.
        own: the recipe's own value.
        n_documents: of the pool.
        levels: ascending by value.
        diversity: by arm.
        response: None where nothing was trained.
    """

    factor: str
    parameter: str
    own: float
    n_documents: int
    levels: tuple[Level, ...]
    diversity: Diversity
    response: Response | None

    def spread(self, level: Level) -> tuple[float, float, float] | None:
        """Mean, lowest and highest diversity of a level's samples."""
        values = self.diversity.values.get(level.arm)
        if values is None:
            return None
        shown = values[:, MEASURES.index(SHOWN)]
        return float(shown.mean()), float(shown.min()), float(shown.max())


def response(study: Study | None, arms: Sequence[str]) -> Response | None:
    """The primary scores of some arms, over the study's aggregate; None where no run is finished."""
    if study is None or not set(arms) <= set(study.arms) or not study.records:
        return None
    if not study.aggregated(study.primary):
        return None
    rows = score_table(study, AGGREGATE, study.primary)[[study.arms.index(arm) for arm in arms]]
    return Response(study.primary, study.metrics[study.primary], rows) if np.isfinite(rows).any() else None


def _cells(curve: Curve) -> tuple[list[str], list[list[str]]]:
    header = [curve.parameter.removeprefix("stages."), "documents", "kept", "MB", "diversity"]
    rows = []
    for number, level in enumerate(curve.levels):
        spread = curve.spread(level)
        row = [
            f"{level.value:g}" + (" *" if level.value == curve.own else ""),
            f"{level.documents:,}",
            f"{100 * level.documents / curve.n_documents:.1f} %",
            f"{level.n_bytes / 1e6:.2f}",
            "–" if spread is None else f"{spread[0]:.3f} ({spread[1]:.3f} to {spread[2]:.3f})",
        ]
        if curve.response is not None:
            seeds = curve.response.scores[number]
            seeds = seeds[np.isfinite(seeds)]
            row.append(
                f"{unsigned(float(seeds.mean()))} ({unsigned(float(seeds.min()))} to {unsigned(float(seeds.max()))})"
                if seeds.size
                else "missing"
            )
        rows.append(row)
    return header + ([curve.response.metric] if curve.response is not None else []), rows


def curve_table(curve: Curve) -> str:
    """For the terminal; a star marks the recipe's own value."""
    return aligned(*_cells(curve))


def curve_page(title: str, curves: Sequence[Curve]) -> str:
    """The page, as Markdown."""
    parts = [f"# {title}: dose and response"]
    for curve in curves:
        parts += [
            f"## {curve.parameter}",
            f"{len(curve.levels)} values over {curve.n_documents:,} documents; * marks the recipe's own value. "
            f"Diversity on samples of {curve.diversity.n_words:,} words.",
            markdown(*_cells(curve)),
            f"![Retention, diversity and score against {curve.parameter}]({curve.factor}.svg)",
        ]
    return "\n\n".join([*parts, "## How to read this", READING]) + "\n"


def curve_csv(curves: Sequence[Curve]) -> str:
    """One line per factor, value and quantity: `sample` numbers the samples, `seed` is the seed's position."""
    lines: list[list[object]] = []
    for curve in curves:
        for position, level in enumerate(curve.levels):
            first = [curve.factor, curve.parameter, f"{level.value:.12g}", level.arm]
            lines.append([*first, "documents", None, level.documents])
            lines.append([*first, "bytes", None, level.n_bytes])
            for number, sample in enumerate(curve.diversity.values.get(level.arm, ())):
                for name, result in zip(MEASURES, sample, strict=True):
                    lines.append([*first, name, number, float(result)])
            if curve.response is not None:
                for number, score in enumerate(curve.response.scores[position]):
                    if np.isfinite(score):
                        lines.append([*first, curve.response.metric, number, float(score)])
    return csv_text(("factor", "parameter", "value", "arm", "quantity", "number", "result"), lines)
