"""SYNTHETIC.md: what came of a generation, with samples to read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from random import Random
from typing import Any

from ablate.generate.generation import Generation
from ablate.pool.digital_source import DEFECTS

SAMPLES = 20
MOST_CHARACTERS = 700


def page(made: Generation, identity: dict[str, Any], dropped: Sequence[str] = ()) -> str:
    """The page; the samples are drawn evenly from all documents, broken ones among them.

    Args:
        identity: of teacher, settings and recipe.
        dropped: fields of the recipe's sampling that the teacher cannot be given.
    """
    teacher, documents = identity["teacher"], len(made.rows)
    whole = sum("defects" not in row for row in made.rows)
    cost = "unknown (no prices)" if math.isnan(made.cost) else f"{made.cost:.4f}"
    out = [
        f"# Synthetic text: {identity['recipe']}",
        "",
        f"Teacher: {teacher['teacher']}{', model ' + teacher['model'] if 'model' in teacher else ''}. Settings: {json.dumps(identity['settings'])}.",
        *([f"The teacher takes no {', '.join(dropped)}: it draws by its own."] if dropped else []),
        "",
        "| | count |",
        "| :-- | --: |",
        f"| questions | {made.asked:,} |",
        f"| answered | {made.answered:,} |",
        f"| documents | {documents:,} |",
        f"| without a recorded defect | {whole:,} |",
        f"| tokens read, written | {made.input_tokens:,}, {made.output_tokens:,} |",
        f"| cost | {cost} |",
        f"| answers lost on the way | {made.lost:,} |",
        "",
    ]
    if not made.complete:
        why = (
            "generate.max_cost is reached"
            if made.capped
            else next(iter(made.failures.values()), "interrupted")
        )
        out += [f"Not complete: {made.asked - made.answered:,} questions have no answer ({why}).", ""]
    out += [
        "Nothing was dropped. What is wrong with documents, as far as their maker saw; stages decide:",
        "",
    ]
    out += ["| defect | documents | share | what |", "| :-- | --: | --: | :-- |"]
    out += [
        f"| {name} | {count:,} | {count / documents:.1%} | {DEFECTS[name]} |"
        for name, count in made.defects().items()
    ]
    out += ["| none | 0 | 0.0% | |"] if not made.defects() else []
    chosen = sorted(Random(0).sample(range(documents), min(SAMPLES, documents)))
    out += ["", f"## {len(chosen)} of {documents:,} documents, drawn by lot", ""]
    for place in chosen:
        row = made.rows[place]
        about = f"question {row['number']}, part {row['part']}" + (
            f"; {row['defects']}" if "defects" in row else ""
        )
        text = row["text"][:MOST_CHARACTERS] + (" [...]" if len(row["text"]) > MOST_CHARACTERS else "")
        fence = "````" if "```" in text else "```"
        out += [f"**{about}**", "", f"{fence}text", text, fence, ""]
    return "\n".join(out).rstrip("\n") + "\n"
