"""A summary made by hand: three arms, three seeds, one task, effects with known numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ablate.summary.model import Head, Summary

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "a|b$c_{d}%&#^~\\--",
    "\u202eright-to-left \u05d0\u05d1",
    "line\nbreak\x00",
]


def summary(
    arms: Sequence[str] = ("full", "without_a", "without_b"),
    scores: Sequence[Sequence[float | None]] = ((0.50, 0.52, 0.51), (0.40, 0.43, 0.40), (0.50, 0.52, 0.51)),
    *,
    title: str = "A study",
    task: str = "quiz",
    stages: Sequence[str] = ("a", "b"),
    kinds: Sequence[str] = ("helps", "identical"),
) -> Summary:
    """A leave-one-out study of two stages; effects are given, not computed."""
    seeds = list(range(len(scores[0])))
    n = len(stages)
    runs = len(arms) * len(seeds)
    ends = [value for row in scores for value in row]
    effects: dict[str, list[Any]] = {
        "contrast": list(range(n)),
        "factor": list(stages),
        "level": ["on"] * n,
        "versus": ["off"] * n,
        "estimand": ["leave_one_out"] * n,
        "task": [task] * n,
        "metric": ["acc"] * n,
        "higher_is_better": [True] * n,
        "estimate": [0.1, 0.0][:n],
        "ci_low": [0.08, None][:n],
        "ci_high": [0.12, None][:n],
        "ci_low_items": [None] * n,
        "ci_high_items": [None] * n,
        "n_seeds": [3] * n,
        "seed_error": [0.0058, 0.0][:n],
        "item_error": [None] * n,
        "p_value": [0.003, None][:n],
        "p_adjusted": [0.006, 1.0][:n],
        "verdict": ["helps", "no effect: the stage changed nothing here"][:n],
        "mde": [0.03, None][:n],
        "mde_upper": [0.05, None][:n],
        "tests": [2] * n,
        "df": [2.0] * n,
        "method": ["paired"] * n,
        "correction": ["Holm"] * n,
        "noise_floor": [0.01] * n,
        "runs_failed": [""] * n,
        "mde_noise": [0.01] * n,
        "mde_df": [6.0] * n,
        "kind": list(kinds),
        "by_seed": [[0.1, 0.09, 0.11], [0.0] * 3][:n],
    }
    head = Head(
        name="hand",
        title=title,
        question="Which?",
        prediction="",
        design="leave_one_out",
        digest="d0",
        records="",
        reference=arms[0],
        primary="acc",
        headline=task,
        aggregate="all",
        seeds=seeds,
        stages=list(stages),
        sequential=False,
        complete=True,
        imported=[],
    )
    funnel = [
        [arms[0], stage, docs, size]
        for stage, docs, size in (("input", 100, 1000), (stages[0], 80, 600), (stages[1], 80, 600))
    ]
    return Summary(
        head=head,
        words={},
        factors={stage: ["on", "off"] for stage in stages},
        arms={
            "arm": list(arms),
            "levels": [
                {s: "off" if place == number + 1 else "on" for number, s in enumerate(stages)}
                for place in range(len(arms))
            ],
            "changes": [{} for _ in arms],
        },
        metrics={
            "task": [task],
            "metric": ["acc"],
            "higher_is_better": [True],
            "chance": [0.25],
            "n_items": [100],
            "examples": [0],
            "digest": ["x"],
        },
        aggregates={"acc": [task]},
        contrasts={
            "stage": list(stages),
            "factor": list(stages),
            "level": ["on"] * n,
            "versus": ["off"] * n,
            "estimand": ["leave_one_out"] * n,
            "weights": [{arms[0]: 1.0, arm: -1.0} for arm in arms[1:]],
            "planned": [True] * n,
        },
        runs={
            "arm": [arm for arm in arms for _ in seeds],
            "seed": seeds * len(arms),
            "folder": [""] * runs,
            "status": ["done" if end is not None else "failed" for end in ends],
            "why": [None] * runs,
            "log": [None] * runs,
            "run": ["k"] * runs,
            "points": [0] * runs,
            "tokens": [6000] * runs,
            "epochs": [1.0] * runs,
            "parameters": [1300000] * runs,
            "flops": [1.0] * runs,
        },
        points=[[6000]],
        scores={"task": [task], "metric": ["acc"], "end": [ends], "curve": [[[end] for end in ends]]},
        effects=effects,
        corpora={},
        funnel={
            name: [row[n] for row in funnel] for n, name in enumerate(("arm", "stage", "documents", "bytes"))
        }
        | {"tokens": [None] * 3, "changed": [0] * 3},
        dropped={},
        screening={"task": [task], "metric": ["acc"], "believed": ["yes"]},
        noise={
            "metric": ["acc"],
            "task": [task],
            "seed_sd": [0.01],
            "ci_low": [0.005],
            "ci_high": [0.03],
            "range_of_arms": [0.1],
            "homogeneity_p": [0.5],
        },
        decisions={},
        leaks={},
        cost={},
        curation={"stage": list(stages), "cpu_s": [1.5, 2.5][:n], "kept": [0.8, 1.0][:n]},
        provenance={},
    )


@pytest.fixture
def make_summary() -> Callable[..., Summary]:
    """See `summary`."""
    return summary


@pytest.fixture
def hard() -> Summary:
    """A study whose every name is hostile."""
    return summary(
        HOSTILE[:3], title=HOSTILE[0] + HOSTILE[1], task=HOSTILE[2], stages=(HOSTILE[1], HOSTILE[3])
    )
