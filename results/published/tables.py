"""Our leave-one-out study of real pages in the tables that papers print, with the published numbers beside it.

Source: results/web_loo/study.json and ablate/literature/data. Run: python results/published/tables.py      (seconds)
Writes: web_loo_tables.md, web_loo_stages.tex, web_loo_design.tex
"""

from __future__ import annotations

from pathlib import Path

import ablate
from ablate.literature.source import Published
from ablate.tables.formats import writer
from ablate.tables.model import Column, Table, number, text

HERE = Path(__file__).parent


def as_printed(found: Published) -> str:
    """A published table by itself."""
    heads = ("level", "versus", "metric", "value", "gain", "removed, %")
    rows = tuple(
        (
            text(row["level"]),
            text(row["versus"] or "–"),
            text(row["metric"]),
            *(_number(row[name]) for name in ("value", "gain", "tokens_removed_percent")),
        )
        for row in found.rows
    )
    columns = tuple(Column(head=head, words=place < 3) for place, head in enumerate(heads))
    table = Table(label=found.name, caption=found.citation, columns=columns, rows=rows)
    return writer("markdown")(table)


def _number(shown: str):  # type: ignore[no-untyped-def]
    return number(float(shown or "nan"), decimals=len(shown.partition(".")[2]))


def write(folder: Path) -> None:
    """Write the page and the two LaTeX tables into a folder."""
    s = ablate.open_study(HERE.parent / "web_loo")
    parts = [
        "# Our study of real pages in the style of papers, beside what they print",
        "Made by `python results/published/tables.py`. Never a difference between ours and theirs: metrics and scales differ. What may "
        "stand side by side is the sign, the size in the paper's own units, and how much text went.",
        "## FineWeb's style: stage by stage",
        s.table("stages", "markdown", published="fineweb_table2"),
        as_printed(ablate.published("fineweb_table2")),
        "## DataComp-LM's style: what each arm has",
        s.table("design", "markdown"),
        as_printed(ablate.published("dclm_table17")),
        "## Ours next to theirs",
        *(
            s.table("beside", "markdown", published=name)
            for name in ("dclm_table3", "dclm_table17", "fineweb_c4_rules")
        ),
    ]
    (folder / "web_loo_tables.md").write_text("\n\n".join(map(str, parts)), encoding="utf-8")
    (folder / "web_loo_stages.tex").write_text(
        str(s.table("stages", "latex", published="fineweb_table2")), encoding="utf-8"
    )
    (folder / "web_loo_design.tex").write_text(str(s.table("design", "latex_siunitx")), encoding="utf-8")


if __name__ == "__main__":
    write(HERE)
