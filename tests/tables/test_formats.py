"""What the writers make of foreign text, and that their tables compile where the programs are."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ablate.opened.study import open_study
from ablate.summary.model import Summary
from ablate.tables.asked import Asked
from ablate.tables.formats import formats, writer
from ablate.tables.formats.latex import FIT
from ablate.tables.kinds import kinds, make_table
from ablate.tables.model import Column, Table, number, text

RESULTS = Path(__file__).parents[2] / "results"


def asked(kind: str) -> Asked:
    return Asked(published="dclm_table17") if kind in ("beside", "gains", "stages") else Asked()


class Names(HTMLParser):
    """Tags and attributes of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("kind", kinds())
def test_html_holds_no_tag_of_a_name(hard: Summary, kind: str) -> None:
    page = Names()
    page.feed(writer("html")(make_table(kind, hard, asked(kind))))
    assert page.tags <= {
        "figure",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "b",
        "bdi",
        "sup",
        "figcaption",
        "p",
    }
    assert page.attributes <= {"class", "id", "scope", "colspan"}
    assert "</script><img src=x onerror=alert(1)>" in page.text
    assert "\u202e" not in page.text


@pytest.mark.parametrize("kind", kinds())
def test_a_markdown_row_keeps_its_cells(hard: Summary, kind: str) -> None:
    table = make_table(kind, hard, asked(kind))
    lines = [line for line in writer("markdown")(table).splitlines() if line.startswith("|")]
    bars = [line.replace("\\|", "").count("|") for line in lines]
    assert len(lines) == len(table.rows) + 2
    assert set(bars) == {len(table.columns) + 1}
    assert not any("<img" in line or "</script" in line for line in lines)


@pytest.mark.parametrize("kind", kinds())
def test_csv_gives_names_back(hard: Summary, kind: str) -> None:
    table = make_table(kind, hard, asked(kind))
    rows = list(csv.reader(io.StringIO(writer("csv")(table), newline="")))
    assert len(rows) == len(table.rows) + 1
    assert [row[0] for row in rows[1:]] == [line[0].text for line in table.rows]


@pytest.mark.parametrize("format", ["latex", "latex_siunitx"])
@pytest.mark.parametrize("kind", kinds())
def test_latex_has_as_many_cells_in_each_row_and_balanced_braces(
    hard: Summary, kind: str, format: str
) -> None:
    table = make_table(kind, hard, asked(kind))
    told = writer(format)(table)
    body = told.split("\\midrule", 1)[1].split("\\bottomrule")[0]
    lines = [line for line in body.splitlines() if line.endswith("\\\\")]
    assert [line.replace("\\&", "").count("&") for line in lines] == [len(table.columns) - 1] * len(
        table.rows
    )
    bare = told.replace("\\{", "").replace("\\}", "")
    assert bare.count("{") == bare.count("}")
    assert "\\$c\\_\\{d\\}\\%" in told
    assert told.isascii() or all(character < "\u0180" for character in told)


def test_a_name_cannot_end_a_comment() -> None:
    table = Table(
        label="x",
        caption="c",
        columns=(Column(head="a"),),
        rows=((text("b"),),),
        origin=("--> <img>\n\\input{x}",),
    )
    assert "-->" not in writer("markdown")(table).replace(" -->", "", 1)
    assert "\\input" not in "\n".join(
        line for line in writer("latex")(table).splitlines() if not line.startswith("%")
    )


def test_numbers_are_written_by_their_errors() -> None:
    cells = (
        text("x"),
        number(0.25961, error=0.01234, bold=True),
        number(-0.0097, error=0.0012, signed=True, mark="*"),
    )
    table = Table(
        label="x",
        caption="c",
        columns=(Column(head="arm", words=True), Column(head="a"), Column(head="b")),
        rows=(cells,),
    )
    assert "| x | **0.260 ± 0.012** | -0.0097 ± 0.0012\\* |" in writer("markdown")(table)
    assert "x & $\\mathbf{0.260} \\pm 0.012$ & $-0.0097^{*} \\pm 0.0012$ \\\\" in writer("latex")(table)
    siunitx = writer("latex_siunitx")(table)
    assert "x & \\bfseries 0.260(12) & -0.0097(12) {$^{*}$} \\\\" not in siunitx  # words stand in braces
    assert "{x} & \\bfseries 0.260(12) & -0.0097(12) {$^{*}$} \\\\" in siunitx
    assert "S[table-format=1.3(2)]S[table-format=+1.4(2), table-space-text-post={$^{*}$}]" in siunitx
    assert (
        writer("csv")(table)
        == 'arm,a,"a, error","a, bold",b,"b, error","b, mark"\nx,0.260,0.012,yes,-0.0097,0.0012,*\n'
    )


def test_all_formats_are_found() -> None:
    assert formats() == ["csv", "html", "latex", "latex_siunitx", "markdown", "typst"]


def log_of(folder: Path, page: str) -> str:
    """What pdflatex says of a page that it could set: its log."""
    (folder / "t.tex").write_text(page, encoding="utf-8")
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    return (folder / "t.log").read_text(encoding="utf-8", errors="replace")


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no pdflatex; Debian: texlive-latex-recommended texlive-science"
)
@pytest.mark.parametrize("format", ["latex", "latex_siunitx"])
def test_every_kind_compiles_in_pdflatex(
    hard: Summary, make_summary: Callable[..., Summary], format: str, tmp_path: Path
) -> None:
    use = "booktabs,graphicx,etoolbox,siunitx" if format == "latex_siunitx" else "booktabs,graphicx"
    parts = [
        writer(format)(make_table(kind, study, asked(kind)))
        for kind in kinds()
        for study in (make_summary(), hard)
    ]
    robust = "\\robustify\\bfseries" if format == "latex_siunitx" else ""
    page = "\n".join(part.replace("[t]", "[h]") + "\\clearpage" for part in parts)
    log_of(
        tmp_path,
        f"\\documentclass{{article}}\\usepackage[landscape,paperwidth=60cm]{{geometry}}\\usepackage{{{use}}}{robust}"
        f"\\begin{{document}}\n{page}\n\\end{{document}}\n",
    )
    assert (tmp_path / "t.pdf").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
@pytest.mark.parametrize(
    "asked_for", [("gains", ("gain", "95 % interval")), ("tasks", ())], ids=lambda one: one[0]
)
def test_the_columns_that_the_page_names_fit_an_article(
    asked_for: tuple[str, tuple[str, ...]], tmp_path: Path
) -> None:
    """The demo's tables, as docs/paper_tables.md has them, in the column of an article: TeX says of none that it is too wide at its own size."""
    kind, columns = asked_for
    study = open_study(Path(__file__).parents[2] / "results" / "demo").summary
    part = writer("latex")(make_table(kind, study, Asked(columns=columns))).replace(FIT, "{%")
    assert "resizebox" not in part
    page = (
        f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}\n{part}\n\\end{{document}}\n"
    )
    assert "Overfull \\hbox" not in log_of(tmp_path, page)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no pdflatex; Debian: texlive-latex-recommended texlive-science"
)
@pytest.mark.parametrize("study", ["demo", "web_loo", "memorisation"])
@pytest.mark.parametrize("format", ["latex", "latex_siunitx"])
def test_every_kind_of_a_shipped_study_fits_an_article(format: str, study: str, tmp_path: Path) -> None:
    opened = open_study(RESULTS / study)
    tables = [writer(format)(make_table(kind, opened.summary, asked(kind))) for kind in kinds()]
    assert "\\usepackage{booktabs" in tables[0].splitlines()[0]
    packages = re.search(r"\\usepackage\{.*?\}", tables[0])
    assert packages is not None
    robust = "\\robustify\\bfseries" if format == "latex_siunitx" else ""
    page = "\\clearpage\n".join(tables)
    whole = f"\\documentclass{{article}}{packages[0]}{robust}\\begin{{document}}\n{page}\n\\end{{document}}\n"
    assert "Overfull \\hbox" not in log_of(tmp_path, whole)


@pytest.mark.slow
def test_every_kind_compiles_in_typst(
    hard: Summary, make_summary: Callable[..., Summary], tmp_path: Path
) -> None:
    typst = pytest.importorskip("typst", reason="pip install typst")
    for kind in kinds():
        for number_, study in enumerate((make_summary(), hard)):
            page = tmp_path / f"{kind}{number_}.typ"
            page.write_text(writer("typst")(make_table(kind, study, asked(kind))), encoding="utf-8")
            assert typst.compile(str(page))[:5] == b"%PDF-"
