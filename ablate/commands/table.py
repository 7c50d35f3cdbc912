"""Make a table for a paper from a study: LaTeX, Markdown, HTML, Typst or CSV, published numbers beside ours.

Reads the study's folder (study=..., study.name=...), or any folder with a study.json (study.dir=results/demo), and prints.

What it shows, table=
  arms     arms in rows, tasks in columns: mean over seeds, standard error, bold
  gains    what each stage is worth: gain, interval, corrected p, text removed, cost, verdict
  stages   FineWeb's style: stages in the recipe's order, score, gain, text removed
  design   DataComp-LM's style: a tick per stage that an arm has, score, difference
  tasks    stages in rows, tasks in columns: the gain on each
  noise    spread between seeds, range of the arms, the effect that would be seen
  beside   published gains in rows, ours of the same stages beside them; needs published=
How it is written, format=
  markdown, html, typst, csv
  latex           needs booktabs and graphicx
  latex_siunitx   needs booktabs, graphicx, etoolbox and siunitx 3; numbers stand with their points below each other
Further keys
  paper.metric=bpb                another metric than the primary
  'paper.tasks=[facts]'           these tasks alone
  paper.estimand=leave_one_out    other gains than the first that was planned
  paper.bold=group                bold: the best and every arm not told from it; best: the best mean, told or not; none
  'paper.columns=[gain,verdict]'  these columns alone, beside the first, where a page is narrow
  published=dclm_table17          published gains of the same stages: sign, size in the paper's units, text removed;
                                  a wrong name prints those that there are
  paper.out=gains.tex             a file to write instead of printing

Gains are turned so that plus is better. * holds after the correction, ° alone only; ± is named in a footnote. In group,
picking the best is paid for (Hsu 1981), and where more than half of the arms would be bold, none is.

Example: ablate table study=demo table=gains format=latex published=dclm_table17
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from ablate.settings import settings_of
from ablate.study.plan import folder_of


def main(config: DictConfig) -> int:
    """Print the table, or write it; returns the exit status."""
    from ablate.opened.study import open_study
    from ablate.store import write_text
    from ablate.tables.asked import Asked
    from ablate.tables.formats import writer
    from ablate.tables.kinds import make_table

    settings = settings_of(config)
    paper, write = settings.paper, writer(settings.format)
    asked = Asked(
        metric=paper.metric,
        tasks=tuple(paper.tasks or ()),
        estimand=paper.estimand,
        bold=paper.bold,
        published=settings.published,
        columns=tuple(paper.columns or ()),
    )
    text = write(make_table(settings.table, open_study(folder_of(config)).summary, asked))
    if paper.out is None:
        print(text, end="")
    else:
        write_text(Path(paper.out), text)
        print(f"table: {paper.out}")
    return 0
