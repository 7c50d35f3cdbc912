"""Every kind of file in a store, damaged, emptied or deleted: found, named, made again, and the same numbers."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ablate.cli import main
from ablate.store import Store, fault, sealed_files
from ablate.study import run as running
from ablate.study import run_key, training
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.plan import load_plan, run_folder

KINDS: dict[str, tuple[str, ...]] = {
    "pool/*/pool.json": (),
    "pool/*/shard-*.parquet": (),
    "pool/*/skipped.jsonl": (),
    "pool/requests/*.json": (),
    "testbed/*/pages-*.warc.gz": (),
    "testbed/*/truth.parquet": (),
    "testbed/*/tasks/facts/test.jsonl": (),
    "testbed/*/heldout.jsonl": (),
    "testbed/*/files.json": (),
    "annotations/*/identity.json": ("corpora",),
    "annotations/*/*.arrow": (),
    "groups/*/groups.parquet": (),
    "groups/*/identity.json": (),
    "windows/*/windows.parquet": ("corpora",),
    "windows/*/pieces.parquet": ("corpora",),
    "corpora/*/corpus.json": (),
    "corpora/*/rows.npy": (),
    "corpora/*/which.npy": (),
    "corpora/*/ledger/*.parquet": (),
    "decisions/*.parquet": ("corpora",),
    "tokenizers/*/tokenizer.json": (),
    "tokenizers/*/tokenizer_config.json": (),
    "tokenizers/*/files.json": (),
    "leaks/*/leaks.json": (),
    "leaks/*/leaks.parquet": (),
    "requests/*/task.json": ("runs",),
    "requests/*/requests.npz": ("runs",),
    "runs/*/result.json": (),
    "runs/*/items.parquet": (),
}
"""Files of each kind, all of which are damaged, and what is deleted so that they have to be read."""


def flip(path: Path) -> None:
    """One bit of a byte at the beginning, in the middle, at the end or anywhere, the same at every try."""
    data = bytearray(path.read_bytes())
    dice = random.Random(path.name)
    data[dice.choice([0, len(data) // 2, len(data) - 1, dice.randrange(len(data))])] ^= 1 << dice.randrange(8)
    with path.open("r+b") as file:  # in place: under every name that a hard link gave it
        file.write(data)


def empty(path: Path) -> None:
    os.truncate(path, 0)


WAYS: dict[str, Callable[[Path], None]] = {"flip": flip, "empty": empty, "delete": Path.unlink}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: tuple[str, ...]) -> Iterator[list[str]]:
    """The command of a finished study of two arms, whose folder is the working folder."""
    few = [one for one in tiny if not one.startswith(("design", "seeds", "train.tokens"))]
    few += ["seeds=[0]", "train.tokens=512", "design.factors=[gopher_quality]", "train.threads=1"]
    few += ["+stages@stages.line_dedup=line_dedup"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("damage"))
        assert main(["sweep", *few]) == 0
        yield few


STORE, STUDY = Path("store"), Path("studies/demo")


def records() -> dict[str, Any]:
    """The study's records without what depends on time and machine."""
    aside = ("cost", "curation_cpu_s", "provenance", "digest")
    found = {}
    for path in sorted(STUDY.glob("runs/*/*/record.json")):
        found[str(path)] = {k: v for k, v in json.loads(path.read_text()).items() if k not in aside}
    return found


def again() -> None:
    """All runs once more, in this process, as a sweep does them; nothing is known from before."""
    shutil.rmtree(STUDY / "runs")
    run_key._evaluator.cache_clear()
    plan = load_plan(STUDY)
    builder = CorpusBuilder(plan.reference_arm, Store(STORE), 1)
    failures = running.execute(plan, builder, STUDY, [(arm, 0) for arm in plan.arms])
    assert failures == {}


@pytest.mark.parametrize("way", WAYS)
def test_each_kind_of_file_is_found_named_and_made_again(
    finished: list[str], way: str, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = records()
    assert len(expected) == 2
    for kind, to_delete in KINDS.items():
        files = [path for path in sorted(STORE.glob(kind)) if path.stat().st_size]
        assert files or kind.endswith("skipped.jsonl"), f"the study has no {kind}"
        for path in files:
            WAYS[way](path)
        for name in to_delete:
            shutil.rmtree(STORE / name)
        again()
        assert records() == expected, kind
        told = capfd.readouterr().err
        named = [path for path in files if f"damaged: {path}" in told or f"damaged: {path.resolve()}" in told]
        assert named or not files, f"{kind}: not said: {told}"
    assert faults() == []


def faults() -> list[str]:
    """What is wrong with the store's files."""
    return [f"{path}: {why}" for path in sealed_files(STORE) if (why := fault(path))]


def test_a_damaged_store_gives_the_same_effects(
    finished: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole command, after one bit of every file was changed and half of the records were deleted."""
    effects = (STUDY / "effects.csv").read_bytes()
    for path in sealed_files(STORE):
        if path.stat().st_size:
            flip(path)
    assert main(["verify", "study=demo"]) == 1
    assert "damaged: " in capsys.readouterr().out
    shutil.rmtree(run_folder(STUDY, "full", 0))
    assert main(["sweep", *finished]) == 0
    assert (STUDY / "effects.csv").read_bytes() == effects
    flip(run_folder(STUDY, "full", 0) / "items.parquet")
    assert main(["report", "study=demo"]) == 2
    assert "full/seed-0/items.parquet" in capsys.readouterr().err
    assert main(["sweep", *finished]) == 0
    assert (STUDY / "effects.csv").read_bytes() == effects


@pytest.mark.parametrize("damage", [flip, empty, Path.unlink])
def test_an_interrupted_run_does_not_go_on_from_damaged_scores(
    finished: list[str],
    damage: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Stopped in its last evaluation, with a checkpoint; then the scores it has so far are damaged."""
    expected = records()
    for folder in (STORE / "runs").iterdir():
        shutil.rmtree(folder)
    evaluate = training.RunRecorder.evaluate

    def stopped(self: Any, model: Any, tokens: int) -> None:
        if tokens == 512:
            raise KeyboardInterrupt
        evaluate(self, model, tokens)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training.RunRecorder, "evaluate", stopped)
        again()
    points = sorted(STORE.glob("runs/*/curve/*.json"))
    assert points and list(STORE.glob("runs/*/checkpoint.pt"))
    damage(points[0])
    STUDY.joinpath("runs").mkdir(exist_ok=True)
    again()
    assert records() == expected
    assert f"damaged: {points[0]}" in capfd.readouterr().err
    assert faults() == []
