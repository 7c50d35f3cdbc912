"""Have a teacher write synthetic text, to be a source of the pool; every answer is kept and paid for once.

A recipe makes questions, a teacher answers, and every answer becomes a document that knows where it comes from: teacher and
weights, prompt, question, what it was shown, round, and its defects. Nothing is dropped here: what is cut off, unreadable or
refused is a document too, and stages decide (well_formed, seed_overlap, rouge_dedup; `only: synthetic` on any stage). So
text with and without a gate, and every threshold, are decided over one generation. Interrupt it and give the same command
again: nothing is asked twice, and the result is the same to the byte, whatever was interrupted and however many questions
were asked at a time. Before a paid teacher is asked anything, what it can cost is said, and generate.max_cost is wanted.

What is asked (generate=..., conf/generate):
  generate=textbook          pages of a textbook on the topics of your pool's pages (phi-1, Cosmopedia)
  generate=rephrase          your pool's pages in another style (WRAP, Nemotron-CC): 'generate.styles=[qa]'
  generate=self_instruct     instructions bootstrapped from seed tasks (Self-Instruct): generate.seeds=tasks.jsonl
  generate=story             stories with three given words (TinyStories)
  generate=continuation      your pool's pages continued from their first words
  generate.prompts=my.yaml   the texts of the prompts; begin with a copy of ablate/generate/data/<recipe>.yaml
  generate.questions=1000    how many are asked; more of them begin with fewer of them
  generate.sampling.temperature=0.8  how answers are drawn: published values unless you say otherwise; null: the model's

Who answers (teacher=..., conf/teacher):
  teacher=anthropic          key in ANTHROPIC_API_KEY; generate.max_cost=5 ends it before more is spent
  teacher=openai_compatible  vLLM, SGLang, llama.cpp, Ollama: teacher.base_url, teacher.model
  teacher=local_model        a transformers folder or .gguf file on this machine: teacher.model
  teacher=proxy              a run of the store that kept its weights (train.keep_weights=true): teacher.model=store/runs/<key>
  teacher=testbed            no model: defects at known rates with a hidden truth, to check gates with
  teacher=answers_file       answers given before or elsewhere: teacher.path

Writes into generate.dir (studies/<name>/synthetic): synthetic.jsonl, SYNTHETIC.md (yield, defects, cost, 20 samples),
generation.json, and for other tools croissant.json and a card of the hub. Train on it beside real text:
  ablate sweep study.name=web pool=mixed 'pool.parts.texts.paths=[real.jsonl]' '~pool.parts.pages' '+pool.parts.synthetic={_target_: ablate.pool.synthetic.Synthetic, path: studies/web/synthetic/synthetic.jsonl}' +stages@stages.sources=sources 'design.factors=[sources]'

Example: ablate generate study=demo generate=textbook teacher=testbed generate.questions=200
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from ablate.config import RESERVED, make, naming, plain
from ablate.corpus.view import build_corpus
from ablate.errors import ConfigError
from ablate.fingerprint import digest, mix64
from ablate.generate.card import FILE, card, croissant
from ablate.generate.generation import Generation, generate, identity, lines
from ablate.generate.page import page
from ablate.generate.recipe import Recipe, Seed
from ablate.generate.seeds import read_tasks, refuse_leaks
from ablate.inspect.arm import open_arm
from ablate.render.tables import aligned
from ablate.stages.decontamination import Decontamination
from ablate.store import Store, write_json, write_text
from ablate.teacher.base import Teacher

RUN = ("_target_", "max_cost", "dir", "seeds")
"""Keys of `generate` that say how it is run and where seeds lie, and are no part of the recipe."""


def main(config: DictConfig) -> int:
    """Generate; returns the exit status: 1 when a question got no answer, and none was left to the budget."""
    node = plain(config.generate)
    max_cost = node.get("max_cost")
    if max_cost is not None and not (isinstance(max_cost, (int, float)) and max_cost > 0):
        raise ConfigError(f"generate.max_cost must be above 0, or null, got {max_cost}")
    recipe = make(node, "generate", leave_out=RUN)
    assert isinstance(recipe, Recipe)
    teacher = make(config.teacher, "teacher")
    assert isinstance(teacher, Teacher)
    teacher.check_form(recipe.form, "generate.form")
    teacher.check()
    dropped = [name for name in recipe.sampling.given() if name not in teacher.takes]
    if dropped and teacher.name != "testbed":
        print(f"note: teacher {teacher.name} takes no {', '.join(dropped)}; it draws by its own")
    seeds = find_seeds(config, recipe, node.get("seeds"))
    named = identity(recipe, teacher)
    folder = Store(Path(config.store)).folder("generations", digest(named), named)
    made = generate(recipe, teacher, seeds, folder, max_cost, say=lambda text: print(text, flush=True))
    out = Path(node["dir"])
    written = lines(made.rows)
    write_text(out / FILE, written)
    write_json(out / "croissant.json", croissant(made, named, written, config.study.name))
    write_text(out / "README.md", card(made, named, config.study.name))
    write_text(out / "SYNTHETIC.md", page(made, named, dropped))
    write_json(
        out / "generation.json",
        {**named, "answers": folder.name, "sampling_not_taken": dropped, **_summary(made)},
    )
    print(_terminal(made))
    print(f"documents: {out / 'synthetic.jsonl'}; page: {out / 'SYNTHETIC.md'}; answers: {folder}")
    return 0 if made.complete or made.capped else 1


def find_seeds(config: DictConfig, recipe: Recipe, path: str | None) -> list[Seed]:
    """What the teacher may be shown, checked against the evaluation tasks.

    Documents are those that the whole recipe keeps of the pool, in an order drawn by a hash of their keys, so that more
    questions show more of them and begin with the same.

    Raises:
        ConfigError: for seed tasks given to a recipe that shows none.
        DataError: when a seed gives an evaluation item away; names it.
    """
    if path is not None and recipe.needs != "tasks":
        raise ConfigError(
            f"generate.seeds: {recipe.name} shows no seed tasks; it takes its texts from the pool"
        )
    if not recipe.needs:
        return []
    seeds = read_tasks(path) if recipe.needs == "tasks" else documents(config, recipe)
    stage = decontamination(config)
    if stage.snapshot and stage.tasks:
        refuse_leaks(seeds, stage.finder)
    else:
        print(
            "note: seeds are not checked against evaluation tasks, since evaluate.snapshot or evaluate.tasks is not given"
        )
    return seeds


def documents(config: DictConfig, recipe: Recipe) -> list[Seed]:
    """As many documents of the curated pool as questions, or all of them."""
    with open_arm(config) as (arm, builder):
        corpus = build_corpus(arm.stages(), builder.annotations)
        keys = builder.pool.keys
        order = np.argsort(mix64(keys[corpus.rows], recipe.seed), kind="stable")
        chosen = corpus.rows[order[: recipe.questions]]
        texts = dict(builder.annotations.texts(corpus.version, np.sort(chosen)))
        return [Seed(f"{int(keys[row]):016x}", texts[row]) for row in chosen.tolist()]


def decontamination(config: DictConfig) -> Decontamination:
    """The recipe's stage of that name, on or off; else ours on the evaluation's tasks."""
    nodes = [
        node for node in config.stages.values() if str(node.get("_target_", "")).endswith(".Decontamination")
    ]
    if nodes:
        stage = make(nodes[0], "stages.decontamination", leave_out=RESERVED)
    else:
        evaluate = plain(config.evaluate)
        with naming("evaluate", ("snapshot", "tasks")):
            stage = Decontamination(
                snapshot=evaluate.get("snapshot"), tasks=tuple(evaluate.get("tasks") or ())
            )
    assert isinstance(stage, Decontamination)
    return stage


def _summary(made: Generation) -> dict[str, Any]:
    return {
        "questions": made.asked,
        "answered": made.answered,
        "new_answers": made.new,
        "documents": len(made.rows),
        "defects": made.defects(),
        "complete": made.complete,
        "stopped_by_max_cost": made.capped,
        "input_tokens": made.input_tokens,
        "output_tokens": made.output_tokens,
        "cost": None if math.isnan(made.cost) else made.cost,
        "answers_lost": made.lost,
        "answers_without_usage": made.unmetered,
        "failures": made.failures,
    }


def _terminal(made: Generation) -> str:
    cost = "unknown (no prices)" if math.isnan(made.cost) else f"{made.cost:.4f}"
    rows = [
        ["questions", f"{made.asked:,}", ""],
        ["answered", f"{made.answered:,}", f"{made.new:,} of them new"],
        *(
            [
                [
                    "no answer",
                    f"{made.asked - made.answered:,}",
                    "generate.max_cost is reached" if made.capped else next(iter(made.failures.values()), ""),
                ]
            ]
            if not made.complete
            else []
        ),
        [
            "documents",
            f"{len(made.rows):,}",
            f"{sum('defects' not in row for row in made.rows):,} without a recorded defect",
        ],
        *([name, f"{count:,}", ""] for name, count in made.defects().items()),
        ["tokens read", f"{made.input_tokens:,}", ""],
        ["tokens written", f"{made.output_tokens:,}", ""],
        *(
            [["lost on the way", f"{made.lost:,}", "may have been charged for: counted at their most"]]
            if made.lost
            else []
        ),
        [
            "cost",
            cost,
            f"{made.unmetered:,} answers without usage counted at their most" if made.unmetered else "",
        ],
    ]
    return aligned(("generation", "count", ""), rows)
