"""Scores on leaked and clean items, from records alone."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ablate.report.leaks import section, splits
from ablate.report.page import write_report
from ablate.shape import from_json
from ablate.study.plan import run_folder
from ablate.study.record import Leaks, read_record, write_record
from ablate.study.results import load_study

SCORES = {"full": [0.5, 0.6], "without_decontamination": [0.7, 0.8]}


def told(make_study: Any, leaks: dict[str, Any]) -> Any:
    """A study of two arms and two seeds whose records say what their corpora give away."""
    study = make_study(SCORES, tasks={"quiz": 0.0, "other": 0.1})
    for arm in SCORES:
        for seed in (0, 1):
            folder = run_folder(study.folder, arm, seed)
            record = read_record(folder)
            assert record.corpus
            given = from_json(Leaks, leaks[arm], "leaks") if leaks[arm] else None
            write_record(folder, replace(record, corpus=replace(record.corpus, leaks=given)))
    return load_study(study.folder)


def gives(*items: str) -> dict[str, Any]:
    return {"method": "ngram", "match": "both", "documents": 1, "tasks": {"quiz": list(items), "other": []}}


def test_each_part_is_the_mean_of_its_own_items(make_study: Any) -> None:
    study = told(make_study, {"full": gives("7"), "without_decontamination": gives("3", "7", "99")})
    found = {(s.arm, s.metric): s for s in splits(study)}
    assert {s.task for s in splits(study)} == {"quiz"}, "a task of which nothing leaks is not split"
    for arm in SCORES:
        seeds = []
        for seed in (0, 1):
            table = pq.read_table(run_folder(study.folder, arm, seed) / "items.parquet").to_pylist()
            seeds.append([r["value"] for r in table if (r["task"], r["metric"]) == ("quiz", "acc")])
        values, split = np.array(seeds), found[arm, "acc"]
        leaked = np.isin(np.arange(100), [3, 7, 99])
        assert split.leaked == pytest.approx(values[:, leaked].mean())
        assert split.clean == pytest.approx(values[:, ~leaked].mean())
        assert split.inflation == pytest.approx(values.mean() - values[:, ~leaked].mean())
        per_seed = values[:, ~leaked].mean(axis=1)
        assert split.clean_error == pytest.approx(abs(per_seed[0] - per_seed[1]) / 2)
        assert (split.n_items, split.n_leaked) == (100, 3)
    assert (found["full", "acc"].given_away, found["without_decontamination", "acc"].given_away) == (1, 3)


def test_the_report_shows_it_and_the_csv_holds_every_metric(make_study: Any) -> None:
    study = told(make_study, {"full": gives(), "without_decontamination": gives("3", "7")})
    write_report(study)
    page = (study.folder / "REPORT.md").read_text()
    assert "## What the corpora give away" in page and "`ngram` (`both`)" in page
    assert (
        "| quiz | full | 0 of 100 | 98 |" in page
        and "| quiz | without_decontamination | 2 of 100 | 98 |" in page
    )
    rows = list(csv.DictReader(io.StringIO((study.folder / "leaks.csv").read_text())))
    assert {(row["arm"], row["metric"]) for row in rows} == {
        (arm, m) for arm in SCORES for m in ("acc", "bpb")
    }


def test_an_empty_part_is_not_a_number(make_study: Any) -> None:
    every = gives(*map(str, range(100)))
    study = told(make_study, {"full": gives(), "without_decontamination": every})
    split = splits(study)[0]
    assert (
        math.isnan(split.clean) and math.isnan(split.inflation) and split.leaked == pytest.approx(split.score)
    )
    write_report(study)
    empty = (study.folder / "leaks.csv").read_text(encoding="utf-8").splitlines()[1]
    assert empty.split(",")[7] == ""


def test_nothing_given_away_is_said_and_nothing_known_is_left_out(make_study: Any) -> None:
    study = told(make_study, dict.fromkeys(SCORES, gives()))
    assert section(study)[1] == "No corpus gives an item of any task away."
    assert section(make_study(SCORES, name="old")) == []
