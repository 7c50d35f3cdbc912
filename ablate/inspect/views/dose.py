"""What each value of a parameter keeps: retention, diversity and score against a threshold.

Needs a design whose factors are numbers (`design=dose`). Nothing is trained: the documents are measured
once and decided anew for every value. Scores are drawn beside it where the study has been swept. Writes
dose.md, dose.csv and a figure for each factor into <study.dir>/dose.

  design=dose 'design.factors={language: {threshold: {from: 0.3, to: 0.95, points: 14}}}'
  inspect.sample_bytes=500_000     text in each sample for diversity

Example: ablate inspect dose study=demo design=dose 'design.factors={fineweb_quality: {min_punctuated_lines: {from: 0, to: 0.6, points: 13}}}'
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from ablate.config import make
from ablate.corpus.planted import PlantedPart
from ablate.corpus.view import build_corpus
from ablate.design.dose import doses
from ablate.errors import ConfigError, DataError
from ablate.estimand.base import find
from ablate.inspect.diversity import Point, measure
from ablate.inspect.dose import Curve, Level, curve_csv, curve_page, curve_table, response
from ablate.inspect.dose_figure import dose_figure
from ablate.progress import track
from ablate.render.figure import save
from ablate.store import Store, write_text
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.plan import Levels, folder_of, make_plan, resolve_factors
from ablate.study.results import Study, load_study
from ablate.study.schema import Plan


def main(config: DictConfig) -> int:
    """Draw the curves; returns the exit status."""
    plan = make_plan(config)
    factors = {entry.name: entry for entry in resolve_factors(config)}
    if not factors:
        raise ConfigError("ablate inspect dose: nothing is varied; give design=dose and design.factors={...}")
    folder, curves = folder_of(config) / "dose", []
    study = load_study(folder_of(config)) if (folder_of(config) / "plan.json").exists() else None
    executor = make(config.executor, "executor")
    with CorpusBuilder(plan.reference_arm, Store(Path(config.store)), config.workers, executor) as builder:
        for levels in track(list(factors.values()), "dose", unit="curve"):
            curve = _curve(levels, plan, builder, study, config.inspect.sample_bytes)
            curves.append(curve)
            save(dose_figure(curve, plan.title), folder / levels.name)
    print("\n\n".join(curve_table(curve) for curve in curves))
    write_text(folder / "dose.csv", curve_csv(curves))
    write_text(folder / "dose.md", curve_page(plan.title, curves))
    print(f"\ndose: {folder / 'dose.md'}")
    return 0


def _curve(
    levels: Levels, plan: Plan, builder: CorpusBuilder, study: Study | None, sample_bytes: int
) -> Curve:
    annotations, full = builder.annotations, plan.reference_arm.levels
    try:
        ascending = doses(levels.factor)
    except ValueError as error:
        raise ConfigError(f"ablate inspect dose: {error}") from None
    found, points = [], []
    for value, level in ascending:
        wanted = full | {levels.name: level}
        arm = find(plan.levels, wanted)
        if arm is None:
            raise ConfigError(f"ablate inspect dose: the design has no arm with {levels.name}={level}")
        try:
            own = plan.arms[arm]
            corpus = build_corpus(own.stages(), annotations, PlantedPart.of(own.config))
        except DataError:  # nothing is left at this value: an end of the curve, not of the command
            found.append(Level(value, arm, 0, 0))
            continue
        n_bytes = int(annotations.sizes(corpus.version)[corpus.rows].sum())
        found.append(Level(value, arm, int(corpus.rows.size), n_bytes))
        if n_bytes >= sample_bytes // 5:
            points.append(Point(arm, corpus.version, corpus.rows))
    path = next(path for change in levels.changes.values() for path in change)
    part = PlantedPart.of(plan.reference_arm.config)
    n_documents = len(annotations.pool) if part is None else part.rows(annotations.pool).size
    return Curve(
        levels.name,
        path,
        float(levels.factor.full),
        n_documents,
        tuple(found),
        measure(points, annotations, sample_bytes),
        response(study, [level.arm for level in found]),
    )
