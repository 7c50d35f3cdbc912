"""What the gates for generated text find, where the truth is known: 4,000 answers of the testbed's teacher.

    python results/synthetic/gate_known_truth.py [--answers 4000] [--out results/synthetic]

The teacher plants wrong facts (which no rule of form can see), malformed and cut-off answers, loops, copies of what it was
shown, near-copies of its own earlier answers, refusals and recited benchmark items, at known rates; the gates are the stages as
configured in `conf/stages`. Writes gate_known_truth.md and .json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from ablate.config import CONF, RESERVED, make
from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.generate.generation import generate, identity, lines
from ablate.generate.recipe import Seed
from ablate.generate.textbook import Textbook
from ablate.pool.pool import build_pool
from ablate.pool.synthetic import Synthetic
from ablate.pool.testbed import prose
from ablate.stages.base import Stage
from ablate.stages.decontamination import Decontamination
from ablate.store import Store
from ablate.teacher.testbed import KINDS, PlantedDefects

FOUND = ("malformed", "cut_off", "loop", "seed_copy", "near_copy")
"""Kinds of which at least 95 % must be found."""


def stage(name: str) -> Stage:
    """A stage as configured."""
    node: Any = OmegaConf.to_container(OmegaConf.load(CONF / "stages" / f"{name}.yaml"))
    made = make(node, f"stages.{name}", leave_out=RESERVED)
    assert isinstance(made, Stage)
    return made


def run(answers: int, work: Path) -> dict[str, Any]:
    """Generate, gate, and count by what was planted."""
    started = time.process_time()
    teacher = PlantedDefects()
    seeds = [
        Seed(f"real-{number}", "\n\n".join(prose.article(Random(f"seed document {number}"), teacher.world)))
        for number in range(500)
    ]
    recipe = Textbook(questions=answers)
    store = Store(work / "store")
    named = identity(recipe, teacher)
    made = generate(recipe, teacher, seeds, store.folder("generations", "gate", named))
    (work / "synthetic.jsonl").write_text(lines(made.rows), encoding="utf-8")
    items = work / "tasks" / "leaked" / "test.jsonl"
    items.parent.mkdir(parents=True)
    items.write_text("".join(json.dumps(item) + "\n" for item in teacher.world.leaked_items()))
    generated = time.process_time() - started
    pool = build_pool(Synthetic(path=str(work / "synthetic.jsonl")), store)
    annotations = Annotations(pool, store, workers=1)
    gates = [
        stage("well_formed"),
        stage("seed_overlap"),
        Decontamination(snapshot=str(work / "tasks"), tasks=("leaked",), only="synthetic"),
        stage("rouge_dedup"),
    ]
    corpus = build_corpus(gates, annotations)
    numbers = [json.loads(said)["number"] for said in pool.column("metadata").to_pylist()]
    truth = np.array([teacher.planted(number) for number in numbers])
    reasons: dict[str, Counter[str]] = {}
    for decision in corpus.decisions:
        for row, code in zip(decision.rows.tolist(), decision.verdict.code.tolist(), strict=True):
            if code:
                by = reasons.setdefault(str(truth[row]) or "clean", Counter())
                by[f"{decision.stage}: {decision.verdict.reasons[code - 1]}"] += 1
    kept = np.zeros(len(pool), dtype=bool)
    kept[corpus.rows] = True
    planted = Counter(teacher.planted(number) or "clean" for number in range(answers))
    left = Counter(str(kind) or "clean" for kind in truth[kept])
    table = {
        kind: {
            "planted": planted[kind],
            "dropped": planted[kind] - left[kind],
            "share": (planted[kind] - left[kind]) / planted[kind],
            "by": dict(reasons.get(kind, Counter()).most_common()),
        }
        for kind in ("clean", *KINDS)
        if planted[kind]
    }
    return {
        "answers": answers,
        "documents": len(pool),
        "without_text": len(pool.skipped()),
        "kept": int(kept.sum()),
        "kinds": table,
        "cpu_s_generating": generated,
        "cpu_s": time.process_time() - started,
    }


def page(found: dict[str, Any]) -> str:
    """The table, and whether what was predicted holds."""
    out = [
        "# Gates against a known truth",
        "",
        f"{found['answers']:,} answers of `teacher=testbed` to `generate=textbook`, {found['documents']:,} documents "
        f"({found['without_text']:,} answers without any text never become one), {found['kept']:,} kept by `well_formed`, "
        f"`seed_overlap`, `decontamination` (task `leaked`) and `rouge_dedup` as configured; "
        f"{found['cpu_s']:.0f} CPU-seconds in all, {found['cpu_s_generating']:.0f} of them generating.",
        "",
        "| planted | answers | dropped | share | by |",
        "| :-- | --: | --: | --: | :-- |",
    ]
    for kind, row in found["kinds"].items():
        by = ", ".join(f"{reason} {count}" for reason, count in row["by"].items())
        out.append(f"| {kind} | {row['planted']:,} | {row['dropped']:,} | {row['share']:.2%} | {by} |")
    kinds = found["kinds"]
    worst = min((kinds[kind]["share"], kind) for kind in FOUND)
    out += [
        "",
        f"Recall of {', '.join(FOUND)}: at least {worst[0]:.2%} ({worst[1]}); wanted 95 %.",
        f"False drops: {kinds['clean']['share']:.2%} of the clean documents; wanted at most 2 %.",
        f"Wrong facts: {kinds['wrong']['share']:.2%} of those documents dropped, as by chance: no rule of form claims them.",
    ]
    return "\n".join(out) + "\n"


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(options.answers, Path(folder))
    text = page(found)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gate_known_truth.md").write_text(text, encoding="utf-8")
    (options.out / "gate_known_truth.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
