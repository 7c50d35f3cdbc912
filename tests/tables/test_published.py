"""The tables of papers beside ours that are shipped are what their command writes, and hold the papers' numbers."""

from __future__ import annotations

import runpy
from pathlib import Path

import ablate

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
FILES = ("web_loo_tables.md", "web_loo_stages.tex", "web_loo_design.tex")


def test_the_shipped_tables_are_what_the_command_writes(tmp_path: Path) -> None:
    runpy.run_path(str(PUBLISHED / "tables.py"))["write"](tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (PUBLISHED / name).read_bytes(), name


def test_the_papers_numbers_stand_beside_ours() -> None:
    """Every row of DataComp-LM's table 17 under the table of its style, of FineWeb's table 2 under that of its style."""
    page = (PUBLISHED / "web_loo_tables.md").read_text(encoding="utf-8")
    fineweb = page.split("## FineWeb's style")[1].split("\n## ")[0]
    dclm = page.split("## DataComp-LM's style")[1].split("\n## ")[0]
    assert "| MinHash | none | CORE | 25.6 | 0.9 | 18 |" in dclm
    assert "| Bloom filter | none | CORE | 26.8 | 2.1 | 26 |" in dclm
    assert "| punctuation 0.12 | – | aggregate accuracy of 9 tasks | 42.85 | – | 10.14 |" in fineweb
    for name, part in (("dclm_table17", dclm), ("fineweb_table2", fineweb)):
        for row in ablate.published(name).rows:
            cells = (row["level"], row["versus"] or "–", row["metric"], row["value"])
            assert f"| {' | '.join(cells)} |" in part
