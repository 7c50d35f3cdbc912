"""Leaks: which items a corpus gives away, in which documents, whatever the recipe does about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.corpus.annotate import Annotations
from ablate.corpus.leaks import SCHEMA, find_leaks, leak_finder, leak_key, leaked_items
from ablate.pool.source import Document

QUESTIONS = [
    "How many small islands lie off the western coast of the old kingdom of the seals",
    "Which of the two rivers floods the lower streets of the market town in spring",
    "Who built the first of the three stone bridges that lead to the abbey gardens",
]
FILL = "Nothing of what is written here has anything to do with a question that somebody asked. "


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """An arm whose two tasks lie in a snapshot of three and one items."""
    for task, questions in (("geo", QUESTIONS), ("one", QUESTIONS[:1])):
        (tmp_path / task).mkdir()
        rows = [{"query": q, "choices": [f"right{n}", "wrong"], "gold": 0} for n, q in enumerate(questions)]
        (tmp_path / task / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {"stages": {}, "evaluate": {"snapshot": str(tmp_path), "tasks": ["geo", "lm_eval:piqa", "one"]}}


def test_every_item_is_found_with_its_documents(make_pool, store, config) -> None:
    texts = [
        FILL,
        f"{FILL}{QUESTIONS[0]}? right0.",
        f"{QUESTIONS[0]} right0 {FILL} {QUESTIONS[2]} right2",
        QUESTIONS[1][:40],
    ]
    pool = make_pool(store, [Document(text, url=f"https://a.example/{n}") for n, text in enumerate(texts)])
    annotations = Annotations(pool, store, workers=1)
    finder = leak_finder(config)
    assert finder is not None and finder.tasks == ("geo", "one")
    found = find_leaks(annotations, annotations.root(), np.arange(4), finder)
    assert found.schema == SCHEMA
    assert [(r["task"], r["item"], r["row"], r["url"]) for r in found.to_pylist()] == [
        ("geo", "test-1", 1, "https://a.example/1"),
        ("geo", "test-1", 2, "https://a.example/2"),
        ("geo", "test-3", 2, "https://a.example/2"),
        ("one", "test-1", 1, "https://a.example/1"),
        ("one", "test-1", 2, "https://a.example/2"),
    ]
    assert leaked_items(found, finder.tasks) == {"geo": ["test-1", "test-3"], "one": ["test-1"]}
    some = find_leaks(annotations, annotations.root(), np.array([0, 1, 3]), finder)
    assert leaked_items(some, ["geo", "one", "none"]) == {"geo": ["test-1"], "one": ["test-1"], "none": []}
    nothing = find_leaks(annotations, annotations.root(), np.array([0]), finder)
    assert nothing.schema == SCHEMA and nothing.num_rows == 0


def test_the_recipe_says_how_leaks_are_found_even_where_it_is_switched_off(config) -> None:
    node = {"_target_": "ablate.stages.decontamination.Decontamination", "enabled": False, "method": "token_ratio",
            "snapshot": "elsewhere", "tasks": ["x"]}  # fmt: skip
    finder = leak_finder({**config, "stages": {"decontamination": node}})
    assert finder is not None and (finder.method, finder.n) == ("token_ratio", 8)
    assert finder.tasks == ("geo", "one") and leak_key(finder) != leak_key(leak_finder(config))


def test_without_files_nothing_is_known(config) -> None:
    assert leak_finder({**config, "evaluate": {"snapshot": None, "tasks": ["geo"]}}) is None
    assert leak_finder({**config, "evaluate": {"snapshot": "x", "tasks": ["lm_eval:piqa"]}}) is None
