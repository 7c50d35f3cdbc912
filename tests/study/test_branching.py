"""Branching as its user meets it: trunks first, each once; what fails, what is shared, what is refused."""

from __future__ import annotations

import csv
import json
import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ablate.train.loop as loop
from ablate.study.results import load_study
from ablate.train import checkpoint

Run = Callable[..., int]
BRANCH = ("train.branch_from=reference", "train.branch_at=0.5")


@pytest.fixture
def few(tiny: tuple[str, ...]) -> tuple[str, ...]:
    """The small study with two arms that differ."""
    return (*tiny, *BRANCH, "design.factors=[language]", "train.threads=1")


def costs(study: Path) -> list[dict[str, str]]:
    with (study / "cost.csv").open() as file:
        return list(csv.DictReader(file))


def record(study: Path, arm: str, seed: int = 0) -> dict:  # type: ignore[type-arg]
    return json.loads((study / "runs" / arm / f"seed-{seed}" / "record.json").read_text())  # type: ignore[no-any-return]


def test_trunks_are_trained_once_and_gains_are_named(
    ablate: Run,
    here: Path,
    few: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained: list[int] = []
    honest = loop.train_stacked

    def counted(runs, **given):  # type: ignore[no-untyped-def]
        trained.extend([given["tokens"]] * len(runs))
        return honest(runs, **given)

    monkeypatch.setattr(loop, "train_stacked", counted)
    assert ablate("sweep", *few) == 0
    shown = capsys.readouterr().out
    assert "2 trunks x 1,024 tokens + 4 branches x 1,024 tokens = 6,144 tokens" in shown
    assert "reported: leave_one_out (gains at the end of training)" in shown
    assert "leave_one_out gain at the end of training in prob" in shown
    assert sorted(trained) == [1024] * 2 + [2048] * 4
    study = here / "studies" / "demo"
    report = (study / "REPORT.md").read_text()
    assert (
        "**Gain at the end of training.** Arms start from one trunk per seed, arm `full` on the first 50 %"
        in report
    )
    assert "Gain at the end of training in prob" in report
    with (study / "effects.csv").open() as file:
        assert {row["gain"] for row in csv.DictReader(file)} == {"at the end of training"}

    # Of the budget of 2,048 tokens each branch has trained half; each trunk's half is counted once.
    rows = costs(study)
    assert [(row["arm"], row["seed"], row["tokens"]) for row in rows] == [
        *[("trunk", seed, "1024") for seed in ("0", "1")],
        *[(arm, seed, "1024") for arm in ("full", "without_language") for seed in ("0", "1")],
    ]
    assert len({float(row["flops"]) for row in rows}) == 1
    found = record(study, "without_language")
    assert found["train"]["tokens"] == 2048 and [point["tokens"] for point in found["curve"]] == [2048]
    assert found["corpus"]["epochs"] == pytest.approx(1024 / found["corpus"]["unique_tokens"])

    # Another study with another design shares the trunks, and its reference arm the runs.
    trained.clear()
    assert ablate("sweep", *few, "study.name=more", "design.factors=[language,minhash_dedup]") == 0
    assert trained == [2048] * 2, "two runs of the arm that is new"
    trained.clear()
    assert ablate("sweep", *few, "study.name=other", "evaluate.limit=3") == 0
    assert trained == [2048] * 4, "other scores, the same trunks"


def test_the_references_branch_is_its_trunk_continued(
    ablate: Run, here: Path, few: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run over the same stream that never stopped gives the same scores, losses and items."""
    assert ablate("sweep", *few, "seeds=[0]", "study.name=branched") == 0
    honest = loop.train_stacked

    def from_the_start(runs, **given):  # type: ignore[no-untyped-def]
        from dataclasses import replace

        return honest([replace(run, start=None) for run in runs], **given)

    shutil.rmtree(here / "store" / "runs")
    monkeypatch.setattr(loop, "train_stacked", from_the_start)
    assert ablate("sweep", *few, "seeds=[0]", "study.name=whole") == 0
    for arm in ("full", "without_language"):
        one, other = (record(here / "studies" / name, arm) for name in ("branched", "whole"))
        for part in ("run", "scores", "curve", "train", "items", "corpus"):
            assert one[part] == other[part], (arm, part)


def test_the_branches_of_a_trunk_that_failed_are_missing_with_that_reason(
    ablate: Run,
    here: Path,
    few: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest, tried = loop.train_stacked, []

    def poisoned(runs, **given):  # type: ignore[no-untyped-def]
        tried.append(given["tokens"])
        done = honest(runs, **given)
        spoilt = loop.TrainingError(
            "step 3 of 4: the loss is nan", reason="not_finite", step=3, checkpoint=None
        )
        for number, run in enumerate(runs):
            if run.seed == 1 and given["tokens"] == 1024:
                checkpoint.remove(run.folder)
                done[number] = spoilt
        return done

    monkeypatch.setattr(loop, "train_stacked", poisoned)
    assert ablate("sweep", *few) == 1
    said = capsys.readouterr().err
    for arm in ("full", "without_language"):
        assert f"FAILED {arm}, seed 1: its trunk was not trained (seed 1, log: store/trunks/" in said
    assert "the loss is nan" in said
    assert tried.count(1024) == 2, "no branch tries the trunk again"
    study = load_study(here / "studies" / "demo")
    assert set(study.records) == {("full", 0), ("without_language", 0)}
    assert "the loss is nan" in (here / "studies" / "demo" / "REPORT.md").read_text()
    failed = json.loads((here / "studies/demo/runs/full/seed-1/failed.json").read_text())
    assert failed["reason"] == "trunk"

    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert ablate("sweep", *few) == 0
    assert "2 trunks, 1 of them to be trained" not in capsys.readouterr().out, "the others' are not asked for"
    assert len(load_study(here / "studies" / "demo").records) == 4


def test_a_damaged_trunk_is_trained_again(
    ablate: Run, here: Path, few: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate("sweep", *few, "seeds=[0]") == 0
    first = record(here / "studies" / "demo", "without_language")
    (path,) = (here / "store").glob("trunks/*/checkpoint.pt")
    assert ablate("verify", *few) == 0, "what a trunk leaves is sealed, but for its log"
    path.write_bytes(path.read_bytes()[:-10] + b"0123456789")
    assert ablate("verify", *few) == 1
    shutil.rmtree(here / "studies")
    shutil.rmtree(here / "store" / "runs")
    assert ablate("sweep", *few, "seeds=[0]") == 0
    said = capsys.readouterr()
    assert "checkpoint.pt" in said.err and "1 trunks, 1 of them to be trained" in said.out
    again = record(here / "studies" / "demo", "without_language")
    assert (again["scores"], again["train"]) == (first["scores"], first["train"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_killed_between_trunk_and_branch_or_in_either_ends_as_a_calm_one(
    ablate: Run, here: Path, few: tuple[str, ...]
) -> None:
    """Killed when the first trunk is there, when a checkpoint of a trunk is, and when one of a branch is."""
    slower = (*few, "train.tokens=16384", "train.checkpoint_s=0")
    calm = here / "calm"
    torn = here / "torn"
    command = [sys.executable, "-m", "ablate", "sweep", *slower]
    for folder in (calm, torn):
        folder.mkdir()
    subprocess.run(command, cwd=calm, check=True, capture_output=True, timeout=300)
    killed = 0
    for sign in ("trunks/*/checkpoint.pt", "trunks/*/trunk.json", "runs/*/checkpoint.pt"):
        process = subprocess.Popen(command, cwd=torn, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not list((torn / "store").glob(sign)):
            pass
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait(timeout=300)
    assert killed
    subprocess.run(command, cwd=torn, check=True, capture_output=True, timeout=300)
    for name in ("REPORT.md", "effects.csv", "scores.csv"):
        assert (torn / "studies/demo" / name).read_bytes() == (calm / "studies/demo" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_that_need_one_trunk_train_it_once(here: Path, few: tuple[str, ...]) -> None:
    """Two studies at once over one store: the second waits for the first one's trunks."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "ablate", "sweep", *few, f"study.name={name}", f"evaluate.limit={limit}"],
            cwd=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, limit in (("one", 3), ("two", 4))
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    studies = [load_study(here / "studies" / name) for name in ("one", "two")]
    taken = [
        {record.trunk.run: record.trunk.cost for record in s.records.values() if record.trunk}
        for s in studies
    ]
    assert taken[0] == taken[1] and len(taken[0]) == 2, "one cost: it was trained once"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["budget=source"], "train.branch_from=reference needs budget=tokens"),
        (["randomness.subset=3"], "randomness.subset is not for train.branch_from=reference"),
        (["evaluate.average_last=2"], "evaluate.average_last=2 needs as many points on the branch"),
        (["train.branch_at=0.95"], "train.branch_at=0.95 of 8 steps leaves none to the branch"),
        (["train.branch_at=1.5"], "train.branch_at must be in (0, 1), got 1.5"),
        (["train.branch_from=null"], "train.branch_at is the end of a trunk"),
        (
            ["train.branch_at=null", "train.branch_from=some/model"],
            "a checkpoint goes with its own tokenizer; give",
        ),
    ],
)
def test_what_cannot_branch_is_refused_before_anything_runs(
    ablate: Run,
    here: Path,
    few: tuple[str, ...],
    overrides: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ablate("sweep", *few, *overrides) == 2
    assert said in capsys.readouterr().err
    assert not list(here.glob("studies/*/runs"))


def test_torchrun_is_refused(
    ablate: Run, few: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert ablate("sweep", *few) == 2
    assert "train.branch_from=reference is not for torchrun" in capsys.readouterr().err


def test_arms_go_on_from_a_checkpoint(
    ablate: Run, here: Path, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """One that a tokenizer comes with; moved elsewhere it is the same one, changed in its place another."""
    from ablate.corpus.tokenizer import load_tokenizer
    from ablate.train.proxy import ProxyConfig, build_model

    few = [*tiny, "design.factors=[language]", "seeds=[0]"]
    assert ablate("run", *few) == 0
    (made,) = (here / "store" / "tokenizers").iterdir()
    tokenizer = load_tokenizer(made)
    proxy = ProxyConfig(hidden_size=16, layers=1, heads=2, intermediate_size=32, context=32)

    def save(folder: str, seed: int) -> None:
        build_model(proxy, len(tokenizer), seed).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    def asked(name: str, folder: str) -> list[str]:
        from_it = [f"train.branch_from={folder}", "tokenizer=pretrained", f"tokenizer.pretrained={folder}"]
        return [o for o in few if not o.startswith("tokenizer")] + [*from_it, f"study.name={name}"]

    save("llama", 5)
    assert ablate("sweep", *asked("first", "llama")) == 0
    shown = capsys.readouterr().out
    assert (
        "Arms start from one checkpoint, `llama`" in shown and "gain at the end of training in prob" in shown
    )
    first = record(here / "studies" / "first", "full")
    assert first["trunk"]["tokens"] == 0 and first["train"]["tokens"] == 2048
    assert first["train"]["losses"][0][1] == pytest.approx(math.log(len(tokenizer)), abs=0.2)
    (here / "llama").rename(here / "moved")
    assert ablate("sweep", *asked("second", "moved")) == 0
    assert record(here / "studies" / "second", "full")["run"] == first["run"]
    save("moved", 6)
    assert ablate("sweep", *asked("second", "moved")) == 0
    assert "have changed since; it is done again" in capsys.readouterr().out
    assert record(here / "studies" / "second", "full")["run"] != first["run"]

    other = [o for o in asked("third", "moved") if not o.startswith("tokenizer.pretrained")]
    tokenizer.add_tokens(["more"])
    tokenizer.save_pretrained("other")
    assert ablate("sweep", *other, "tokenizer.pretrained=other") == 1
    assert "the study's tokenizer must be the checkpoint's own" in capsys.readouterr().err
