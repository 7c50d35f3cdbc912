"""Turn results of other tools into a study, with its report.

Reads a CSV of arm, seed, task, score (and metric, tokens, factors), or folders that lm-eval wrote
(results_*.json; with samples_*.jsonl, items and smooth scores too). Effects, noise floor, tables and
figures then work as on a study of one's own, in <study.dir>.

  results.csv=scores.csv                             columns: ablate/importing/csv_file.py
  results.lm_eval=[out] "results.pattern='{arm}/seed-{seed}'"   runs named by folders; both pairs of quotes are needed
  results.lm_eval=[out] results.mapping=runs.csv     or by a CSV of folder, arm, seed
  results.primary=acc_norm results.reference=full    the headline's metric; what arms are compared with

With factor columns, 'estimands=[leave_one_out]' takes those gains for the planned ones in place of each arm against
the reference, and `ablate report study.name=theirs 'estimands=[main_effect,interaction]'` reports any others that the
arms identify.

Example: ablate import study.name=theirs 'results.lm_eval=[lm_eval_out]' results.primary=acc_norm
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from ablate.errors import ConfigError
from ablate.importing.csv_file import read_csv
from ablate.importing.results import Results
from ablate.importing.study import write_study
from ablate.settings import ResultsConfig, settings_of
from ablate.study.plan import folder_of


def main(config: DictConfig) -> int:
    """Import and report; returns the exit status."""
    from ablate.report.page import write_report
    from ablate.report.tables import terminal_table
    from ablate.study.results import load_study

    settings, folder = settings_of(config), folder_of(config)
    asked, study = settings.results, settings.study
    found = _read(asked)
    write_study(
        found,
        folder,
        name=study.name,
        title=study.title,
        question=study.question,
        primary=asked.primary,
        aggregate=asked.aggregate,
        reference=asked.reference,
        allow_missing=asked.allow_missing,
        replan=study.replan,
        estimands=settings.estimands,
    )
    imported = load_study(folder)
    rows = write_report(imported, study.sections)
    print(f"{len(imported.records)} runs of {len(imported.arms)} arms imported")
    print(terminal_table(imported, rows))
    print(f"\nreport: {folder / 'REPORT.md'}   effects: {folder / 'effects.csv'}")
    return 0


def _read(asked: ResultsConfig) -> Results:
    better, chance = dict(asked.higher_is_better or {}), dict(asked.chance or {})
    if (asked.csv is None) == (not asked.lm_eval and asked.mapping is None):
        raise ConfigError("give results.csv=<file>, or results.lm_eval=[<folder>] or results.mapping=<file>")
    if asked.csv is not None:
        return read_csv(Path(asked.csv), better, chance)
    from ablate.importing.lm_eval import read_lm_eval

    mapping = None if asked.mapping is None else Path(asked.mapping)
    return read_lm_eval(asked.lm_eval, asked.pattern, mapping, asked.tasks, better)
