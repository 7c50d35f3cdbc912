"""Make the report of a study again, from its records alone.

Writes REPORT.md, report.html (the page, which a browser opens without a network), study.json, effects.csv, scores.csv,
cost.csv, COST.md, table.tex and figures/ into the study's folder. The same records give the same bytes.

Other gains of the same arms cost nothing: 'estimands=[main_effect,interaction,shapley]' reports those that
the arms identify, as exploration beside what the plan claims, or says which arms are missing.

Example: ablate report study=demo
"""

from __future__ import annotations

from omegaconf import DictConfig

from ablate.settings import settings_of
from ablate.study.plan import folder_of


def main(config: DictConfig) -> int:
    """Report; returns the exit status."""
    from ablate.report.page import write_report
    from ablate.report.planned import planned_text
    from ablate.report.tables import terminal_table
    from ablate.study.results import load_study

    study = load_study(folder_of(config), settings_of(config).estimands or ())
    rows = write_report(study)
    print(terminal_table(study, rows))
    if planned := planned_text(study):
        print(f"\n{planned}")
    print(f"\nreport: {study.folder / 'REPORT.md'}")
    return 0
