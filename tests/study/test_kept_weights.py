"""Weights that runs keep: whole, of the run that they are named by, made again where they are lost, and a teacher."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ablate.config import make
from ablate.evaluate.sampler import Decoding, Sampler
from ablate.generate.proxy_teacher import ProxyTeacher
from ablate.study.results import load_study
from ablate.teacher.question import NoAnswer, Question, Sampling

Run = Callable[..., int]
KEEP = "train.keep_weights=true"


@pytest.fixture
def one(tiny: tuple[str, ...]) -> tuple[str, ...]:
    """A study of one run."""
    return (*tiny[:-1], "design=single", "seeds=[0]", "train.threads=1", "train.stacked_runs=1")


def run_of(here: Path) -> Path:
    (record,) = here.glob("studies/demo/runs/*/seed-0/record.json")
    return here / "store" / "runs" / json.loads(record.read_text())["run"]


def question(text: str, seed: int, most: int = 12, **sampling: Any) -> Question:
    return Question(
        key=f"{text} {seed}",
        text=text,
        max_tokens=most,
        sampling=Sampling(**sampling),
        seed=seed,
        form="completion",
    )


def test_weights_are_kept_only_where_asked_and_the_run_is_the_same_one(
    ablate: Run, here: Path, one: tuple[str, ...]
) -> None:
    assert ablate("sweep", *one) == 0
    run = run_of(here)
    before = {path: path.read_bytes() for path in (run / "result.json", run / "items.parquet")}
    record = next(here.glob("studies/demo/runs/*/seed-0/record.json"))
    told, plan = record.read_bytes(), load_study(here / "studies/demo").plan.digest
    assert not (run / "model").exists()
    assert ablate("sweep", *one, KEEP) == 0
    assert run_of(here) == run and load_study(here / "studies/demo").plan.digest == plan
    assert (run / "model" / "model.safetensors").exists() and not (run / "checkpoint.pt").exists()
    assert {path: path.read_bytes() for path in before} == before, "what was computed stays"
    assert record.read_bytes() == told

    # Weights that are lost or damaged are made again: the same, where the layout of training is the same.
    weights = run / "model" / "model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert ablate("sweep", *one, KEEP) == 0
    assert weights.read_bytes() == kept


def test_what_is_kept_is_the_model_that_was_scored(
    ablate: Run, here: Path, one: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ablate.evaluate.evaluator as evaluator

    scored = {}
    honest = evaluator.Evaluator.evaluate

    def watched(self: Any, model: Any, trained: Any) -> Any:
        scored.update({name: value.detach().clone() for name, value in model.state_dict().items()})
        return honest(self, model, trained)

    monkeypatch.setattr(evaluator.Evaluator, "evaluate", watched)
    assert ablate("sweep", *one, KEEP) == 0
    model = AutoModelForCausalLM.from_pretrained(run_of(here) / "model")
    found = model.state_dict()
    assert set(found) == set(scored)
    for name, value in scored.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


def test_a_run_is_a_teacher_named_by_its_key(ablate: Run, here: Path, one: tuple[str, ...]) -> None:
    assert ablate("sweep", *one, KEEP) == 0
    run = run_of(here)
    made = make(
        {"_target_": "ablate.generate.proxy_teacher.ProxyTeacher", "model": str(run), "device": "cpu"},
        "teacher",
    )
    named = made.identity()
    assert isinstance(made, ProxyTeacher) and named["model"] == run.name
    moved = here / "elsewhere" / "model"
    moved.parent.mkdir()
    (run / "model").rename(moved)
    again = ProxyTeacher(model=str(moved.parent), device="cpu")
    assert again.identity() == named, "where weights lie does not count"

    asked = [question("", seed) for seed in range(5)] + [question("The harbour", 7)]
    found = again.ask(asked)
    # An independent reading of the same folder: transformers' tokenizer and model, the sampler asked by itself.
    tokenizer = AutoTokenizer.from_pretrained(moved)
    sampler = Sampler(AutoModelForCausalLM.from_pretrained(moved, dtype=torch.float32).eval())
    end = tokenizer.eos_token_id
    prompts = [[end]] * 5 + [[end, *tokenizer("The harbour", add_special_tokens=False)["input_ids"]]]
    drawn = sampler.sample(prompts, [*range(5), 7], tokens=12, end=end, decoding=Decoding())
    assert [answer.text for answer in found] == [tokenizer.decode(ids) for ids in drawn]
    assert [answer.output_tokens for answer in found] == list(map(len, drawn))
    assert [answer.finish_reason for answer in found] == [
        "length" if len(ids) == 12 else "stop" for ids in drawn
    ]
    assert [again.ask([one])[0] for one in asked] == found, "neither batch nor order changes an answer"
    (greedy,) = again.ask([question("The harbour", 0, temperature=0.0)])
    assert [greedy] == again.ask([question("The harbour", 1, temperature=0.0)])
    with pytest.raises(NoAnswer, match="more than the 32 that the model reads"):
        again.ask([question("The harbour", 0, most=64)])


def test_generate_asks_a_run_and_names_it_in_every_document(
    ablate: Run, here: Path, one: tuple[str, ...]
) -> None:
    assert ablate("sweep", *one, KEEP) == 0
    run = run_of(here)
    asked = (
        "generate=continuation",
        "teacher=proxy",
        f"teacher.model={run}",
        "teacher.device=cpu",
        "generate.questions=6",
        "generate.start_characters=20",
        "generate.max_tokens=8",
    )
    assert ablate("generate", *one, *asked) == 0
    rows = [
        json.loads(line)
        for line in (here / "studies/demo/synthetic/synthetic.jsonl").read_text().splitlines()
    ]
    assert len(rows) == 6 and {(row["teacher"], row["weights"]) for row in rows} == {("proxy", run.name)}


def test_a_run_without_weights_is_no_teacher_and_says_what_to_do(
    ablate: Run, here: Path, one: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate("sweep", *one) == 0
    asked = ("generate=continuation", "teacher=proxy", f"teacher.model={run_of(here)}")
    assert ablate("generate", *one, *asked) != 0
    said = capsys.readouterr().err
    assert "teacher.model" in said and "train.keep_weights=true" in said and "Traceback" not in said
