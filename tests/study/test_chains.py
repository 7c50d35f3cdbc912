"""Chains as their user meets them: what a generation reads, what is shared, what a kill, a loss and an extension leave."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import ablate.train.loop as loop
from ablate.corpus.written import WrittenText
from ablate.errors import AblateError, ConfigError
from ablate.evaluate.sampler import row_seeds
from ablate.generate.proxy_teacher import ProxyTeacher
from ablate.pool.testbed import prose
from ablate.pool.testbed.world import World
from ablate.stages.extraction import Extraction
from ablate.stages.regex import Regex
from ablate.stages.verifier import Verifier
from ablate.stages.well_formed import WellFormed
from ablate.store import Store
from ablate.study.chain import Chain, gate_of
from ablate.study.jobs import run_jobs
from ablate.teacher.question import Question, Sampling

Run = Callable[..., int]
DOCUMENTS = 24
BASE = (
    "study.name=ch", "pool=files", "pool.paths=[real.jsonl]", "recipe=c4", "stages.c4_quality.enabled=false", "stages.language.enabled=false",
    "stages.line_dedup.enabled=false", "evaluate=heldout", "evaluate.heldout=held.txt", "tokenizer.vocab_size=300", "proxy=tiny",
    "proxy.hidden_size=16", "proxy.layers=1", "proxy.heads=2", "proxy.intermediate_size=32", "proxy.context=32", "train.tokens=4096",
    "train.batch_tokens=256", "train.evaluations=[1.0]", "train.threads=1", "train.stacked_runs=1", "train.keep_weights=true",
    "seeds=[0]", "workers=1", "plan.probe=false",
)  # fmt: skip


def chains(kinds: str, generations: str, chain: str = "{kind: replace}") -> tuple[str, ...]:
    factors = f"{{kind: {{chain.kind: [{kinds}]}}, generation: {{chain.generation: [{generations}]}}}}"
    return ("design=chains", f"chain={chain}", f"design.factors={factors}")


@pytest.fixture
def real(here: Path) -> Path:
    """A handful of real documents and a held-out one."""
    put(here)
    return here


def put(folder: Path) -> None:
    world = World(0, 6, 6, 4)
    lines = [{"text": "\n\n".join(prose.article(Random(f"r{n}"), world))} for n in range(DOCUMENTS)]
    (folder / "real.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "held.txt").write_text(" ".join(prose.article(Random("held"), world)))


def records(folder: Path) -> dict[str, dict[str, Any]]:
    paths = folder.glob("studies/ch/runs/*/seed-0/record.json")
    return {arm(path): json.loads(path.read_text()) for path in paths}


def arm(path: Path) -> str:
    """The arm of a file of a run; in small letters, without the digest of those that had large ones."""
    return path.parts[-3].split("~")[0]


def kept(folder: Path, pattern: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob(f"store/{pattern}")}


def texts(folder: Path) -> dict[str, bytes]:
    return kept(folder, "texts/*/synthetic.jsonl") | kept(folder, "texts/*/ids.npy")


def written(path: Path) -> dict[Path, int]:
    return {found: found.stat().st_mtime_ns for found in path.glob("store/runs/*/result.json")}


def test_each_kind_reads_what_its_name_says_and_what_is_alike_is_one_run(ablate: Run, real: Path) -> None:
    assert ablate("sweep", *BASE, *chains("replace, accumulate, anchored, resample", "0, 1, 2")) == 0
    found = records(real)
    assert len(found) == 12
    assert (
        len({found[f"{kind}-g0"]["run"] for kind in ("replace", "accumulate", "anchored", "resample")}) == 1
    )
    # Half real, half generation 0's: the same whether one says "accumulate" or "anchored, half of it real".
    assert found["accumulate-g1"]["run"] == found["anchored-g1"]["run"]
    # Generation 0 once, two generations of four kinds, one of them alike.
    assert len({record["run"] for record in found.values()}) == 1 + 2 * 4 - 1 == len(written(real))

    def reads(arm: str) -> dict[str, float]:
        return {part["name"]: round(part["share"], 6) for part in found[arm]["corpus"]["mixture"]}

    third = round(1 / 3, 6)
    assert reads("replace-g1") == {"generation 0": 1.0} and reads("replace-g2") == {"generation 1": 1.0}
    assert reads("accumulate-g2") == {"real": third, "generation 0": third, "generation 1": third}
    assert reads("anchored-g2") == {"real": 0.5, "generation 1": 0.5}
    assert reads("resample-g2") == {"resampled": 1.0}
    assert "mixture" not in found["replace-g0"]["corpus"] or found["replace-g0"]["corpus"]["mixture"] is None
    assert found["resample-g1"]["run"] != found["resample-g2"]["run"], "each generation draws anew"

    assert "figures/generations.svg" in (real / "studies/ch/REPORT.md").read_text()

    # Texts: of generation 0 one for all; of generation 1 one of each kind that has a generation 2 which reads it.
    rows = {
        path.parent.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in real.glob("store/texts/*/synthetic.jsonl")
    }
    assert sorted(lines[0]["generation"] for lines in rows.values()) == [0, 1, 1]
    by_run = {lines[0]["weights"]: lines for lines in rows.values()}
    assert all(len(lines) == DOCUMENTS for lines in rows.values())
    assert all(
        line["digital_source_type"] == "TrainedAlgorithmicMediaDigitalSource"
        for line in by_run[found["replace-g0"]["run"]]
    )

    # The same run asked as a teacher, one question after another, says the same.
    first = found["replace-g0"]["run"]
    teacher = ProxyTeacher(model=str(real / "store/runs" / first), device="cpu")
    seeds = row_seeds(int(first[:15], 16), range(DOCUMENTS))
    asked = [
        Question(
            key=str(n),
            text="",
            max_tokens=32,
            seed=seed,
            form="completion",
            sampling=Sampling(temperature=1.0),
        )
        for n, seed in enumerate(seeds)
    ]
    assert [answer.text for answer in teacher.ask(asked)] == [line["text"] for line in by_run[first]]

    # An ordinary study of the same recipe has generation 0 for its run, weights or not.
    before = written(real)
    assert ablate("sweep", *BASE[1:], "study.name=plain", "design=single", "train.keep_weights=false") == 0
    (plain,) = real.glob("studies/plain/runs/*/seed-0/record.json")
    assert json.loads(plain.read_text())["run"] == first and written(real) == before


def test_a_chain_is_extended_without_redoing_what_there_is(ablate: Run, real: Path) -> None:
    assert ablate("sweep", *BASE, *chains("replace, anchored", "0, 1")) == 0
    before, told = written(real), texts(real)
    assert ablate("sweep", *BASE, *chains("replace, anchored", "0, 1, 2"), "study.replan=true") == 0
    after = written(real)
    assert {path: after[path] for path in before} == before and len(after) == len(before) + 2
    assert {name: texts(real)[name] for name in told} == told


def test_weights_and_texts_that_are_lost_are_made_again_and_a_missing_generation_is_done_first(
    ablate: Run, real: Path
) -> None:
    asked = (*BASE, *chains("replace, resample", "0, 1, 2"))
    assert ablate("sweep", *asked) == 0
    told, found = texts(real), records(real)
    results = kept(real, "runs/*/result.json")
    first, last = found["replace-g0"]["run"], found["replace-g2"]["run"]
    # Lost: all texts, the weights of generation 0, all of generation 1, and what came of generation 2.
    shutil.rmtree(real / "store/texts")
    shutil.rmtree(real / "store/runs" / first / "model")
    shutil.rmtree(real / "store/runs" / found["replace-g1"]["run"])
    shutil.rmtree(real / "store/runs" / last)
    shutil.rmtree(next(real.glob("studies/ch/runs/replace-g2")))
    assert run_jobs(real / "studies/ch", Store(real / "store"), [("replace-g2", 0)], threads=1)
    assert texts(real) == told, "the same weights write the same"
    again = records(real)["replace-g2"]
    assert again["run"] == last and again["scores"] == found["replace-g2"]["scores"]
    assert kept(real, f"runs/{first}/result.json").items() <= results.items(), (
        "what was computed stays as it is"
    )


class Stop(BaseException):
    """The process dies here."""


def test_a_sweep_that_dies_between_generations_ends_with_the_same_bytes(
    ablate: Run, real: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = (*BASE, *chains("replace, accumulate", "0, 1, 2"))
    calls = 0
    honest, trains = WrittenText.keep, loop._Training._train_step

    def torn(self: WrittenText, *given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Stop  # generation 1 is trained, and its text not written
        honest(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(WrittenText, "keep", torn)
        with pytest.raises(Stop):
            ablate("sweep", *asked)
    steps = 0

    def late(self: Any, *given: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 20:
            raise Stop  # in the middle of a later generation's training
        return trains(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(loop._Training, "_train_step", late)
        with pytest.raises(Stop):
            ablate("sweep", *asked)
    assert ablate("sweep", *asked) == 0
    ended, scores = texts(real), {arm: record["scores"] for arm, record in records(real).items()}
    calm = tmp_path_factory.mktemp("calm")
    put(calm)
    monkeypatch.chdir(calm)
    assert ablate("sweep", *asked) == 0
    assert texts(calm) == ended
    assert {arm: record["scores"] for arm, record in records(calm).items()} == scores


def test_what_rests_on_a_generation_that_failed_fails_with_it_and_says_so(
    ablate: Run, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = loop.train_stacked

    def fails(runs: Any, **given: Any) -> Any:
        outcomes = honest(runs, **given)
        read = [getattr(run.stream, "_keys", np.zeros(0)).size for run in runs]
        return [
            AblateError("the tape broke") if size == DOCUMENTS + 1 else one
            for size, one in zip(read, outcomes, strict=True)
        ]

    monkeypatch.setattr(loop, "train_stacked", fails)
    many = chains("replace, resample", "0, 1, 2, 3", f"{{kind: replace, documents: {DOCUMENTS + 1}}}")
    assert ablate("sweep", *BASE, *many) != 0
    said = {
        path.parts[-3]: json.loads(path.read_text())["error"]
        for path in real.glob("studies/ch/runs/*/seed-0/failed.json")
    }
    assert said["replace-g1"] == "the tape broke" and "the tape broke" in said["resample-g1"]
    for arm in ("replace-g2", "replace-g3"):
        assert said[arm].startswith("the generation before it failed") and "the tape broke" in said[arm]
    assert set(records(real)) == {"replace-g0", "resample-g0"}


@pytest.mark.parametrize(
    ("chain", "more", "said"),
    [
        ("{kind: replac}", (), "chain.kind"),
        ("{kinds: replace}", (), "did you mean 'kind'"),
        ("{real: 1.5}", (), "chain.real must be a share"),
        ("{kind: replace}", ("train.keep_weights=false",), "train.keep_weights=true"),
        ("{kind: replace}", ("budget=source",), "budget=tokens"),
        ("{kind: replace}", ("mixture={real: 1.0}",), "both say what a run reads"),
        ("{max_tokens: 33}", (), "more than the proxy.context=32"),
    ],
)
def test_what_is_no_chain_is_refused_before_anything_is_done(
    ablate: Run, real: Path, chain: str, more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate("plan", *BASE, *chains("replace, anchored", "0, 1", chain), *more) != 0
    assert said in capsys.readouterr().err
    assert not (real / "store/runs").exists()


def test_what_a_generation_reads_names_it() -> None:
    def name(reads: Any) -> str:
        return json.dumps(reads)

    def reads(**given: Any) -> str:
        return name(Chain(**given).reads(name, 100))

    for kind in ("replace", "accumulate", "anchored"):
        longer, shorter = Chain(kind=kind, generation=4), Chain(kind=kind, generation=2)
        assert longer.text_keys(name, 100)[:2] == shorter.text_keys(name, 100), (
            "a longer chain holds the shorter one"
        )
        assert longer.at(3).reads(name, 100) and longer.parent(name, 100) == name(
            longer.at(3).reads(name, 100)
        )
    assert reads(kind="accumulate", generation=1) == reads(kind="anchored", generation=1, real=0.5)
    assert reads(kind="replace", generation=2) == reads(kind="anchored", generation=2, real=0.0)
    assert reads(kind="replace", generation=2, real=0.1) == reads(kind="replace", generation=2)
    assert reads(kind="resample", generation=2, temperature=0.5) == reads(kind="resample", generation=2)
    assert reads(kind="replace", generation=1, temperature=0.5) != reads(kind="replace", generation=1)
    assert reads(kind="replace", generation=1, documents=100) == reads(kind="replace", generation=1)
    assert reads(kind="replace", generation=1, documents=99) != reads(kind="replace", generation=1)
    assert Chain.of({"chain": {"kind": "replace", "generation": 0}}) is None
    with pytest.raises(ConfigError, match="mapping"):
        Chain.of({"chain": "replace"})


COLUMN = ("+stages@stages.column=column", "stages.column.column=number", "stages.column.only=synthetic", "stages.column.max=11")  # fmt: skip
GATED = (
    "design=chains",
    "chain={kind: replace}",
    "design.factors={kind: {chain.kind: [replace, anchored, resample]}, gate: {stages.column.enabled: [false, true]}, "
    "generation: {chain.generation: [0, 1, 2]}}",
)


def wrote_by_run(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What each run of a chain wrote, by the run's key."""
    found = [
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in folder.glob("store/texts/*/synthetic.jsonl")
    ]
    return {lines[0]["weights"]: lines for lines in found}


def number_real(folder: Path, name: str = "number") -> None:
    """Give the real documents a column, as those that a generation writes have one."""
    lines = [json.loads(line) for line in (folder / "real.jsonl").read_text().splitlines()]
    told = [json.dumps(line | {name: 100 + n}) for n, line in enumerate(lines)]
    (folder / "real.jsonl").write_text("".join(line + "\n" for line in told))


def test_what_a_generation_wrote_goes_through_the_stages_before_the_next_reads_it(
    ablate: Run, real: Path
) -> None:
    number_real(real)
    assert ablate("sweep", *BASE, *chains("replace, anchored, resample", "0, 1, 2"), "study.name=bare") == 0
    bare = {
        arm(path): json.loads(path.read_text())["run"]
        for path in real.glob("studies/bare/runs/*/seed-0/record.json")
    }
    before, told = written(real), texts(real)
    assert ablate("sweep", *BASE, *COLUMN, *GATED) == 0
    found = records(real)
    # The stage deals with synthetic text alone: without it, at generation 0 and where no text is read, runs are what they were.
    for name, record in found.items():
        kind, gate, generation = name.split("-")
        same = gate == "false" or generation == "g0" or kind == "resample"
        assert (record["run"] == bare[f"{kind}-{generation}"]) is same, name
    after = written(real)
    assert {path: after[path] for path in before} == before and len(after) == len(before) + 2 * 2
    assert {name: texts(real)[name] for name in told} == told

    def documents(name: str, source: str) -> int:
        (part,) = [part for part in found[name]["corpus"]["mixture"] if part["name"] == source]
        return int(part["documents"])

    by_run = wrote_by_run(real)
    for kind in ("replace", "anchored"):
        for generation in (1, 2):
            source = f"generation {generation - 1}"
            wrote = by_run[found[f"{kind}-true-g{generation - 1}"]["run"]]
            assert len(wrote) == documents(f"{kind}-false-g{generation}", source) == DOCUMENTS
            passed = sum(bool(line["text"].strip()) for line in wrote[:12])
            assert documents(f"{kind}-true-g{generation}", source) == passed > 0
    assert documents("anchored-true-g2", "real") == DOCUMENTS

    # What is left of a text is made again to the same, as the text itself is.
    last = found["replace-true-g2"]
    for lost in ("texts", "pool", "annotations", "corpora", f"runs/{last['run']}"):
        shutil.rmtree(real / "store" / lost, ignore_errors=True)
    shutil.rmtree(next(real.glob("studies/ch/runs/replace-true-g2*")))
    assert run_jobs(real / "studies/ch", Store(real / "store"), [("replace-True-g2", 0)], threads=1)
    again = records(real)["replace-true-g2"]
    assert (again["run"], again["scores"]) == (last["run"], last["scores"])


def test_stages_for_real_text_or_for_html_are_no_gate() -> None:
    def drops(only: Any) -> Regex:
        return Regex(patterns=("x",), only=only)

    stages = [drops("real"), Extraction(), drops("synthetic"), drops(None), WellFormed()]
    assert gate_of(stages) == stages[2:]


def test_a_stage_that_cannot_judge_what_a_generation_writes_is_refused_before_anything_is_trained(
    ablate: Run, real: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number_real(real, "score")
    asked = (*COLUMN, "stages.column.column=score", "stages.column.only=null", "stages.column.max=1e9")
    assert ablate("plan", *BASE, *asked, *chains("replace, anchored", "0, 1")) != 0
    said = capsys.readouterr().err
    assert "stages.column.only=real" in said and "'score'" in said
    assert ablate("plan", *BASE, *asked, "stages.column.only=real", *chains("replace, anchored", "0, 1")) == 0


def test_a_gate_that_lets_nothing_pass_fails_its_chain_and_names_the_generation(
    ablate: Run, real: Path
) -> None:
    number_real(real)
    assert ablate("sweep", *BASE, *COLUMN, "stages.column.max=-1", *GATED) != 0
    said = {
        arm(path): json.loads(path.read_text())["error"]
        for path in real.glob("studies/ch/runs/*/seed-0/failed.json")
    }
    assert set(said) == {f"{kind}-true-g{g}" for kind in ("replace", "anchored") for g in (1, 2)}
    for kind in ("replace", "anchored"):
        assert said[f"{kind}-true-g1"].startswith(
            "generation 0 of its chain: stage column drops every document"
        )
        assert said[f"{kind}-true-g2"].startswith("the generation before it failed")
    assert len(records(real)) == 3 * 2 * 3 - len(said)


@pytest.mark.slow
def test_behind_a_perfect_verifier_no_generation_reads_a_falsehood_and_without_one_each_does(
    ablate: Run, here: Path
) -> None:
    small = (
        "study=collapse", "study.name=ch", "pool.world.pages=300", "pool.world.towns=6", "train.tokens=120_000",
        "+stages@stages.verifier=verifier", "stages.verifier.only=synthetic", "stages.verifier.towns=6", "seeds=[0]",
        "~design.factors.kind", "~design.factors.temperature",
        "design.factors.generation={chain.generation: [0, 1, 2]}", "+design.factors.gate={stages.verifier.enabled: [false, true]}",
        "design.method.leave_out=[]",
        "workers=1", "plan.probe=false",
    )  # fmt: skip
    assert ablate("sweep", *small) == 0
    found, verifier = records(here), Verifier(towns=6)
    assert found["false-g0"]["run"] == found["true-g0"]["run"]
    by_run = wrote_by_run(here)
    for generation in (1, 2):
        for gate in ("false", "true"):
            wrote = by_run[found[f"{gate}-g{generation - 1}"]["run"]]
            lies = [verifier.measure(line["text"])["false"] > 0 for line in wrote]
            (part,) = found[f"{gate}-g{generation}"]["corpus"]["mixture"]
            assert 0 < sum(lies) < len(lies), "a small model states falsehoods, and not in all of its texts"
            if gate == "false":
                assert part["documents"] == len(wrote)
            else:
                honest = [
                    line for line, lie in zip(wrote, lies, strict=True) if not lie and line["text"].strip()
                ]
                assert part["documents"] == len(honest)


KILLS = 12


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_killed_sweep_of_chains_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """kill -9 at random moments of a sweep with and without a gate; one that got through is compared, and begun anew."""
    gated = GATED[-1].replace("anchored, resample", "accumulate")
    asked = (*BASE, "train.checkpoint_s=0.001", *COLUMN, *GATED[:-1], gated)
    command = [sys.executable, "-m", "ablate", "sweep", *asked]

    def folder(name: str) -> Path:
        (tmp_path / name).mkdir()
        put(tmp_path / name)
        number_real(tmp_path / name)
        return tmp_path / name

    def compare(torn: Path) -> None:
        assert texts(torn) == texts(calm)
        for name in ("REPORT.md", "effects.csv"):
            assert (torn / "studies/ch" / name).read_bytes() == (calm / "studies/ch" / name).read_bytes()

    calm, torn = folder("calm"), folder("torn-0")
    begun = os.times().elapsed
    subprocess.run(command, cwd=calm, check=True, capture_output=True)
    whole, rng, kills, sweeps = os.times().elapsed - begun, random.Random(5), 0, 0
    assert (
        len(texts(calm)) == 2 * 5
    )  # two files each: generation 0, and generation 1 of two kinds with and without a gate
    while kills < KILLS:
        process = subprocess.Popen(
            command, cwd=torn, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            _, errors = process.communicate(timeout=rng.uniform(0.1, 0.9) * whole)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            continue
        assert process.returncode == 0, errors.decode()[-3000:]
        compare(torn)
        sweeps += 1
        torn = folder(f"torn-{sweeps}")
    subprocess.run(command, cwd=torn, check=True, capture_output=True)
    compare(torn)
