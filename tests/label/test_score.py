"""Which answers state a score, and that no other gets one."""

from __future__ import annotations

import pytest

from ablate.label.score import parse_score


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("It explains photosynthesis well.\nScore: 4", 4),
        ("Educational score: 3", 3),
        ("**Educational score:** 2", 2),
        ("Educational score: **5**", 5),
        ("SCORE = 0", 0),
        ('{"reason": "short", "score": 1}', 1),
        ("Score: <4>", 4),
        ("Score: 4/5.", 4),
        ("Score: 4 out of 5", 4),
        ("Score: 3.0", 3),
        ("Score: 2. It was not easy.", 2),
        ("At first, score: 2. On reflection:\nScore: 3", 3),
        ("3", 3),
        (" **4**\n", 4),
    ],
)
def test_a_stated_score_is_found(answer: str, score: float) -> None:
    assert parse_score(answer) == score


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot rate this.",
        "Score:",
        "Score: high",
        "Score: 6",
        "Score: -1",
        "Score: 3.5",
        "Score: 3,5",
        "Score: 3-4",
        "Score: 3 – 4",
        "Score: 3 to 4",
        "Score: 3 or 4",
        "Score: 4/10",
        "Score: 8 out of 10",
        "Score: 42",
        "There are 3 good points",
        "7",
        "35",
        "Score: 2, then again\nScore: maybe 9\nScore: 9",
    ],
)
def test_nothing_is_invented(answer: str) -> None:
    assert parse_score(answer) is None
