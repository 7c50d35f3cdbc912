"""No text in a CSV that we write is a formula to a spreadsheet, and no number changes."""

from __future__ import annotations

import csv
import io
import math

import pandas as pd
import pytest

from ablate.render.csv_text import csv_text
from ablate.spreadsheet import cell_text
from ablate.summary.frames import csv_text as frame_text
from ablate.tables.formats import writer
from ablate.tables.model import Column, Table, number, text

# OWASP, "CSV Injection": cells that begin with these; payloads as they are shown there and by others.
HOSTILE = ["=cmd|' /C calc'!A0", "+cmd|' /C calc'!A0", "-1+cmd|' /C calc'!A0", "@SUM(1+1)*cmd|' /C calc'!A0", '=HYPERLINK("http://x","y")',
           "\t=1+1", "\r=1+1", "=1+1"]  # fmt: skip
NUMBERS = ["-0.1", "+0.25", "-1e-05", "-0.02 [-0.1, +0.03]", "+0.1*", "-", ""]
NAMES = ["full", "without_pii", "a=b", "x-y", "\u4e2d\u6587"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_formula_gets_an_apostrophe_in_every_writer(name: str) -> None:
    columns = (Column(head="arm", words=True), Column(head="gain"))
    rows = ((text(name), number(-0.5, decimals=1)),)
    table = Table(label="t", caption="", columns=columns, rows=rows, notes=(), origin=())
    for written in (
        csv_text(["arm", "gain"], [[name, -0.5]]),
        frame_text(pd.DataFrame({"arm": [name], "gain": [-0.5]})),
        writer("csv")(table),
    ):
        _, row = csv.reader(io.StringIO(written, newline=""))
        assert row == ["'" + name.replace("\r", "\n"), "-0.5"]


@pytest.mark.parametrize("cell", [*NUMBERS, *NAMES])
def test_numbers_and_harmless_names_stay(cell: str) -> None:
    assert cell_text(cell) == cell


def test_frames_keep_their_numbers() -> None:
    frame = pd.DataFrame(
        {"gain": [-0.123456789, math.nan], "n": pd.array([-1, None], dtype="Int64"), "held": [True, False]}
    )
    assert frame_text(frame) == "gain,n,held\n-0.123457,-1,True\n,,False\n"
