"""A sweep as its user meets it: resume, failure, bad input, byte-identical reports."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

import ablate.study.run as running
from ablate.stages.base import Filter
from ablate.store import atomic

Run = Callable[..., int]


def effects(study: Path) -> list[dict[str, str]]:
    with (study / "effects.csv").open() as file:
        return list(csv.DictReader(file))


def outputs(study: Path) -> dict[str, bytes]:
    names = [
        "REPORT.md",
        "effects.csv",
        "table.tex",
        "figures/gains.svg",
        "figures/gains.png",
        "figures/funnel.svg",
    ]
    return {name: (study / name).read_bytes() for name in names}


def test_a_sweep_ends_with_gains_and_can_be_repeated(
    ablate: Run,
    here: Path,
    tiny: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ablate("sweep", *tiny) == 0
    study = here / "studies" / "demo"
    first = outputs(study)
    shown = capsys.readouterr().out
    assert "4 arms x 2 seeds = 8 runs" in shown
    rows = {(row["factor"], row["task"], row["metric"]): row for row in effects(study)}
    headline = rows["language", "aggregate", "prob"]
    assert headline["n_seeds"] == "2"
    assert float(headline["ci_low"]) < float(headline["estimate"]) < float(headline["ci_high"])
    assert (
        rows["fineweb_quality", "aggregate", "prob"]["verdict"] == "no effect: the stage changed nothing here"
    )

    # Again: nothing is trained, and the bytes stay.
    monkeypatch.setattr(running, "train_runs", lambda *_: pytest.fail("a finished run was trained again"))
    assert ablate("sweep", *tiny) == 0
    assert "8 already done" in capsys.readouterr().out
    assert outputs(study) == first
    for name in first:
        (study / name).unlink()
    assert ablate("report", "study=demo") == 0
    assert outputs(study) == first

    # Another design over the same arms finds the runs it shares in the store.
    assert ablate("run", *tiny) == 0


def test_the_record_says_what_was_run(ablate: Run, here: Path, tiny: tuple[str, ...]) -> None:
    assert ablate("run", *tiny, "seeds=[5]") == 0
    (path,) = (here / "studies").glob("**/record.json")
    record = json.loads(path.read_text())
    assert record["seed"] == 5
    assert record["train"]["tokens"] == 2048
    leaks = record["corpus"]["leaks"]
    assert leaks["documents"] == 0 and leaks["tasks"] == {"facts": [], "leaked": []}, (
        "the recipe decontaminates"
    )
    assert [point["tokens"] for point in record["curve"]] == [1024, 2048]
    assert record["curve"][-1]["scores"] == record["scores"]
    assert set(record["scores"]) == {"facts", "leaked", "heldout"}
    funnel = record["corpus"]["funnel"]
    assert [line["stage"] for line in funnel][:3] == ["input", "extraction", "language"]
    assert funnel[0]["documents"] == 160
    for before, after in pairwise(funnel):
        assert before["documents"] - after["documents"] == sum(after["dropped"].values())
    assert funnel[-1]["documents"] == record["corpus"]["documents"]
    assert funnel[-1]["tokens"] == record["corpus"]["unique_tokens"]
    assert record["corpus"]["epochs"] == pytest.approx(2048 / record["corpus"]["unique_tokens"])


def test_a_corpus_that_fails_is_tried_once_for_all_seeds(
    ablate: Run, here: Path, tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ablate.stages.gopher_quality import GopherQuality

    tried = []

    def broken(self: Filter, measured: object) -> None:
        tried.append(self)
        raise RuntimeError("after an hour")

    monkeypatch.setattr(GopherQuality, "decide", broken)
    overrides = [o for o in tiny if not o.startswith("design")]
    assert (
        ablate("sweep", *overrides, "design=add_one_in", "design.factors=[gopher_quality]", "seeds=[0,1,2]")
        == 1
    )
    assert len(tried) == 1
    failed = here.glob("studies/demo/runs/only_gopher_quality/seed-*/failed.json")
    assert [json.loads(path.read_text())["error"].split(": ")[-1] for path in failed] == ["after an hour"] * 3


def test_one_failing_arm_does_not_stop_the_others(
    ablate: Run,
    here: Path,
    tiny: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ablate.stages.gopher_quality import GopherQuality

    def broken(self: Filter, measured: object) -> None:
        raise RuntimeError("the disk of stop words is missing")

    monkeypatch.setattr(GopherQuality, "decide", broken)
    # Only the arm in which the stage is on fails: the reference is the recipe without it.
    overrides = [o for o in tiny if not o.startswith("design")]
    overrides += ["design=add_one_in", "design.factors=[gopher_quality,minhash_dedup]"]
    assert ablate("sweep", *overrides) == 1
    captured = capsys.readouterr()
    assert "FAILED only_gopher_quality, seed 0: " in captured.err
    assert "the disk of stop words is missing" in captured.err
    log = here / "studies" / "demo" / "runs" / "only_gopher_quality" / "seed-0" / "log.txt"
    assert str(log.relative_to(here)) in captured.err
    assert "RuntimeError" in log.read_text()
    rows = {
        (row["factor"], row["task"]): row
        for row in effects(here / "studies" / "demo")
        if row["metric"] == "prob"
    }
    broken_row = rows["gopher_quality", "aggregate"]
    assert broken_row["estimate"] == broken_row["p_value"] == ""
    assert broken_row["verdict"] == "missing: only_gopher_quality failed"
    assert rows["minhash_dedup", "aggregate"]["estimate"] != ""
    report = (here / "studies" / "demo" / "REPORT.md").read_text()
    assert "Missing runs" in report and "| only_gopher_quality | missing" in report

    # Mended, the same command runs what is missing and nothing else.
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert ablate("sweep", *overrides) == 0
    assert "4 already done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["stages.languag.enabled=false"], "unknown stage 'languag': did you mean 'language'?"),
        (["stages.language.treshold=0.8"], "did you mean 'threshold'?"),
        (["train.token=5"], "did you mean 'tokens'?"),
        (["pool=wrac"], "did you mean 'warc'?"),
        (["stages.language.threshold=1.5"], "stages.language.threshold must be in [0.2, 1], got 1.5"),
        (
            ["stages.language.threshold=high"],
            "stages.language.threshold must be a number, got the text 'high'",
        ),
        (["stages.language.languages=[english]"], "the model does not know 'english'"),
        (["train.tokens=100"], "the budget of 100 tokens is less than one batch of 256"),
        (["design.factors=[langage]"], "design.factors: unknown stage 'langage': did you mean 'language'?"),
        (["recipe.order=[language]"], "recipe.order must name every stage of the recipe once"),
        (["seeds=[]"], "seeds must name each seed once"),
        (["pool=warc", "pool.paths=[nowhere/*.warc.gz]", "~pool.world"], ""),
    ],
)
def test_bad_configuration_is_named_before_anything_runs(
    ablate: Run,
    here: Path,
    tiny: tuple[str, ...],
    overrides: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ablate("sweep", *tiny, *overrides) == 2
    assert said in capsys.readouterr().err
    assert not list(here.glob("studies/*/runs"))


def test_an_empty_pool_says_what_was_skipped(
    ablate: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "a.jsonl").write_text('{"body": "no text field"}\nnot json\n')
    (here / "held.txt").write_text("The rain fell on a small town.")
    base = ["evaluate=heldout", f"evaluate.heldout={here / 'held.txt'}", "proxy=tiny"]
    assert ablate("sweep", "pool=files", "pool.paths=[a.jsonl]", "recipe=c4", "study.name=a", *base) == 2
    said = capsys.readouterr().err
    assert "the pool has no documents" in said and "no text in field 'text'" in said and "not JSON" in said
    assert ablate("sweep", "pool=warc", "pool.paths=[nowhere/*.gz]", *base) == 2
    assert "nothing matches 'nowhere/*.gz'" in capsys.readouterr().err


def test_a_stage_that_drops_everything_is_named(
    ablate: Run, here: Path, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate("sweep", *tiny, "stages.gopher_quality.min_words=90000") == 1
    said = capsys.readouterr().err
    assert "stage gopher_quality drops every document" in said and "gopher_short_doc" in said


def test_two_sweeps_of_one_study_at_once(
    ablate: Run, here: Path, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from ablate.store import lock

    with lock(here / "studies" / "demo" / ".lock", "a sweep"):
        assert ablate("sweep", *tiny) == 2
    assert "is already running in process" in capsys.readouterr().err


def test_another_plan_under_the_same_name_is_refused(
    ablate: Run, here: Path, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate("plan", *tiny) == 0
    assert ablate("plan", *tiny, "train.lr=0.5") == 2
    said = capsys.readouterr().err
    assert "holds another plan" in said and "train.lr: there 0.006, here 0.5" in said and "study.name" in said
    assert ablate("plan", *tiny, "train.lr=0.5", "study.replan=true") == 0


def test_a_full_disk_leaves_no_half_record(here: Path) -> None:
    path = here / "record.json"
    path.write_text("old")
    with (
        pytest.raises(
            Exception,
            match=r"cannot write .*record.json: No space left on device.*Nothing that was finished is lost",
        ),
        atomic(path) as part,
        part.open("wb") as file,
    ):
        file.write(b"half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    assert [p.name for p in here.iterdir()] == ["record.json"]


def test_the_command_line_teaches(ablate: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert ablate("--help") == 0
    shown = capsys.readouterr().out
    for command in ("plan", "run", "sweep", "report", "inspect", "snapshot"):
        assert command in shown
        assert ablate(command, "--help") == 0
        text = capsys.readouterr().out
        assert (
            f"Example: ablate {command}" in text
            and "pool: crawl_index, files, hf, mixed, repeated, sampled, synthetic, taught, testbed, warc"
            in text
        )
    assert ablate("swep") == 2
    assert "did you mean 'sweep'?" in capsys.readouterr().err
    assert ablate("plan", "study=demo", "--cfg", "job") == 0
    assert "threshold: 0.65" in capsys.readouterr().out


def test_completion_offers_commands_and_overrides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ablate.cli import main

    monkeypatch.setenv("COMP_LINE", "ablate sw")
    assert main(["-sc", "query=bash"]) == 0
    assert "sweep" in capsys.readouterr().out.split()
    monkeypatch.setenv("COMP_LINE", "ablate sweep study=")
    assert main(["-sc", "query=bash"]) == 0
    assert "study=demo" in capsys.readouterr().out.split()


def test_inspect_prints_the_funnel_and_samples(
    ablate: Run, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate("inspect", *tiny, "inspect.stage=language", "inspect.samples=1") == 0
    shown = capsys.readouterr().out
    assert "160" in shown and "language: other_language:" in shown and ".example/" in shown
    assert ablate("inspect", *tiny, "inspect.stage=langage") == 2
    assert "did you mean 'language'?" in capsys.readouterr().err


def test_joblib_gives_the_same_bytes(here: Path, tiny: tuple[str, ...], ablate: Run) -> None:
    few = [*tiny, "design.factors=[language]", "seeds=[0]", "train.threads=1"]
    assert ablate("sweep", *few) == 0
    other = here / "other"
    other.mkdir()
    command = [
        sys.executable,
        "-m",
        "ablate",
        "sweep",
        *few,
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
    ]
    subprocess.run(command, cwd=other, check=True, capture_output=True, timeout=300)
    assert outputs(here / "studies" / "demo") == outputs(other / "studies" / "demo")


def test_a_larger_design_and_other_estimands_train_only_what_is_new(
    ablate: Callable[..., int], tiny: tuple[str, ...], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Designs share runs through the store, and an estimand asked for afterwards trains nothing."""
    import ablate.train.loop as loop

    trained = []
    train = loop.train_stacked
    monkeypatch.setattr(
        loop, "train_stacked", lambda runs, **given: trained.extend(runs) or train(runs, **given)
    )
    two = ("design.factors=[language,minhash_dedup]", "seeds=[0,1]")
    assert ablate("sweep", *tiny, "study.name=small", *two) == 0
    assert len(trained) == 3 * 2
    shared = (
        "design=full_factorial",
        "design.own_seeds=false",
    )  # arms with seeds of their own share no run with these
    assert ablate("sweep", *tiny, "study.name=large", *shared, *two) == 0
    assert len(trained) == 4 * 2  # one new arm: without both
    assert ablate("sweep", *tiny, "study.name=more", *shared, two[0], "seeds=[0,1,2]") == 0
    assert len(trained) == 4 * 3
    claimed = (here / "studies" / "large" / "effects.csv").read_text()
    wanted = "estimands=[leave_one_out,add_one_in,cumulative,shapley]"
    assert ablate("report", *tiny, "study.name=large", *shared, *two, wanted) == 0
    with (here / "studies" / "large" / "effects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["estimand"] for row in rows} == {
        "main_effect",
        "interaction",
        "leave_one_out",
        "add_one_in",
        "cumulative",
        "shapley",
    }
    assert {row["correction"] for row in rows if row["estimand"] == "shapley"} == {"Benjamini-Hochberg"}
    assert len(trained) == 4 * 3
    assert ablate("report", *tiny, "study.name=large", *shared, *two) == 0
    assert (here / "studies" / "large" / "effects.csv").read_text() == claimed
    assert ablate("report", *tiny, "study.name=small", *two, "estimands=[shapley]") == 2


def test_aa_replicates_share_no_seed(ablate: Callable[..., int], tiny: tuple[str, ...], here: Path) -> None:
    overrides = [word for word in tiny if not word.startswith("design")]
    assert (
        ablate(
            "sweep",
            *overrides,
            "study.name=aa",
            "design=aa",
            "design.factors.replicate={randomness.seed_offset:[0,100]}",
        )
        == 0
    )
    runs = [json.loads(p.read_text())["run"] for p in (here / "studies" / "aa").glob("runs/*/*/record.json")]
    assert len(set(runs)) == 4
    report = (here / "studies" / "aa" / "REPORT.md").read_text()
    assert "the truth is zero" in report


def test_another_aggregate_trains_nothing_again(
    ablate: Callable[..., int], tiny: tuple[str, ...], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = (*tiny, "design=single", "seeds=[0]")
    assert ablate("sweep", *few) == 0
    keys = {path.name for path in (here / "store" / "runs").iterdir()}

    monkeypatch.setattr(running, "train_runs", lambda *_: pytest.fail("a finished run was trained again"))
    for changed in ("evaluate.aggregate=screened", "evaluate.average_last=2"):
        assert ablate("sweep", *few, changed, "study.replan=true") == 0
    assert {path.name for path in (here / "store" / "runs").iterdir()} == keys
    assert json.loads((here / "studies" / "demo" / "plan.json").read_text())["metrics"]["average_last"] == 2
