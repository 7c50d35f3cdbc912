"""Published numbers: every row says where it stands, sums hold, and laws give what they give."""

from __future__ import annotations

import csv
import math
import re
from decimal import Decimal
from pathlib import Path

import pytest

import ablate
from ablate.effects.repetition import effective_tokens
from ablate.errors import ConfigError
from ablate.literature.source import COLUMNS, DATA, NUMBERS, entries, published, tables

RESULTS = Path(__file__).parent.parent.parent / "results"


@pytest.mark.parametrize("name", tables())
def test_every_row_has_its_locus_source_and_columns(name: str) -> None:
    with (DATA / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == list(COLUMNS)
    rows = published(name).rows
    assert rows and len({row["key"] for row in rows}) == len(rows)
    for row in rows:
        assert row["source"] in entries() and row["locus"] and row["read_from"], row["key"]
        assert (
            row["level"]
            and row["design"]
            and row["metric"]
            and row["higher_is_better"] in ("True", "False", "")
        ), row["key"]
        for number in NUMBERS:
            assert not row[number] or math.isfinite(float(row[number])), (row["key"], number)
        assert bool(row["sd"]) == bool(row["sd_source"]), row["key"]
        assert any(row[cell] for cell in ("value", "gain", "sign", "sd", "tokens_removed_percent")), row[
            "key"
        ]


@pytest.mark.parametrize("name", tables())
def test_gains_are_value_less_versus(name: str) -> None:
    for row in published(name).rows:
        if row["value"] and row["versus_value"]:
            assert Decimal(row["gain"]) == Decimal(row["value"]) - Decimal(row["versus_value"]), row["key"]
            assert row["versus"], row["key"]


def test_there_are_at_least_fourteen() -> None:
    assert len(tables()) >= 14


def test_the_epochs_are_what_the_law_gives() -> None:
    for row in published("muennighoff_epochs").rows:
        passes = int(row["level"].split()[0])
        assert float(row["value"]) == pytest.approx(
            effective_tokens(passes * 1000.0, 1000.0) / (passes * 1000.0), abs=5e-4
        )


def test_dclm_models_are_those_of_the_committed_reading() -> None:
    with (RESULTS / "published" / "dclm_stages.csv").open(encoding="utf-8") as file:
        gains = [row["gain"] for row in csv.DictReader(file)]
    assert [row["gain"] for row in published("dclm_models").rows if row["gain"]] == gains
    assert len(gains) == 24
    replicates = [
        float(row["value"]) for row in published("dclm_models").rows if row["design"] == "replicate"
    ]
    assert len(replicates) == 12


def test_tables_that_share_a_number_agree() -> None:
    """RefinedWeb stands in tables 2, 4 and 6 of one paper; 10 % of OH-2.5 + ELI5 in table 5 is what the others are against."""
    four = published("dclm_table4").rows
    assert {row["versus_value"] for row in four if row["versus"] and row["metric"] == "CORE"} == {"27.5"}
    assert any("25.1" in row["note"] for row in four)
    assert [
        row["versus_value"] for row in published("dclm_table6").rows if row["context"] == "RefinedWeb"
    ] == ["25.1", "12.9"]


def test_the_frame_has_numbers_and_the_citation_a_place() -> None:
    found = ablate.published("dclm_table17")
    assert found.frame["gain"].dropna().tolist() == [1.3, 0.9, 1.9, 2.1, 0.3, 1.5, 1.6, 2.1]
    assert found.frame["tokens_removed_percent"].max() == 41
    assert "2406.11794" in found.citation and "table 17" in found.citation
    assert found.bibtex.startswith("@") and found.bibtex.count("@") == 1


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'fineweb_edu'"):
        published("fineweb_edo")


def test_bibtex_is_whole() -> None:
    text = (DATA / "sources.bib").read_text(encoding="utf-8")
    assert len(entries()) == text.count("\n@") + text.startswith("@")
    assert text.count("{") == text.count("}")
    for key, entry in entries().items():
        assert re.search(r"title = ", entry) and re.search(r"year = \{\d{4}\}", entry), key
