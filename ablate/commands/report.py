"""Make the report of a study again, from its records alone.

Writes REPORT.md, report.html (the page, which a browser opens without a network), study.json, effects.csv, scores.csv,
cost.csv, COST.md, table.tex and figures/ into the study's folder. The same records give the same bytes.

Other gains of the same arms cost nothing: 'estimands=[main_effect,interaction,shapley]' reports those that
the arms identify, as exploration beside what the plan claims, or says which arms are missing.

study.sections=[my_file.py:MySection] adds sections of your own (docs/report.md), here or from the plan on.

In mid-sweep it has estimates alone: no verdict, p-value or interval while a planned run is missing, unless the plan has
sequential.looks. give_up=true ends the study where it is: the runs that wait are named as given up, and its gains are
exploration; a later sweep makes them all the same.

Example: ablate report study=demo
"""

from __future__ import annotations

from omegaconf import DictConfig

from ablate.settings import settings_of
from ablate.study.plan import folder_of


def main(config: DictConfig) -> int:
    """Report; returns the exit status."""
    from ablate.report.page import write_report
    from ablate.report.plan_check import plan_check_text
    from ablate.report.tables import terminal_table
    from ablate.study.results import load_study

    settings, folder = settings_of(config), folder_of(config)
    if settings.give_up:
        from ablate.study.give_up import give_up

        print(f"{len(give_up(folder))} runs are given up")
    study = load_study(folder, settings.estimands or ())
    rows = write_report(study, settings.study.sections)
    print(terminal_table(study, rows))
    if planned := plan_check_text(study):
        print(f"\n{planned}")
    print(f"\nreport: {study.folder / 'REPORT.md'}")
    return 0
