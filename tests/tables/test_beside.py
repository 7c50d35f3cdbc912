"""What is said of a published gain beside one of ours, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ablate.literature.source import published
from ablate.tables.beside import agreement, holds, match, sign


def ours(kind: str, turned: float) -> dict[str, Any]:
    return {"kind": kind, "turned": turned, "factor": "minhash_dedup", "level": "on", "versus": "off"}


def theirs(
    gain: str, *, sd: str = "", runs: str = "1", better: str = "True", alone: str = ""
) -> dict[str, str]:
    return {"gain": gain, "sd": sd, "runs": runs, "higher_is_better": better, "sign": alone}


@pytest.mark.parametrize(
    ("mine", "other", "said"),
    [
        (
            ours("helps", 0.1),
            theirs("1.3", sd="0.35"),
            "same sign, both hold",
        ),  # 1.96 x 0.35 x sqrt(2) = 0.97
        (ours("helps", 0.1), theirs("0.9", sd="0.35"), "same sign"),
        (ours("helps", 0.1), theirs("0.9", sd="0.35", runs="2"), "same sign, both hold"),  # 0.69
        (ours("suggests_help", 0.1), theirs("1.3", sd="0.35"), "same sign"),
        (ours("helps", 0.1), theirs("1.3"), "same sign"),  # nobody says how noisy it is
        (ours("hurts", -0.1), theirs("1.3", sd="0.35"), "opposite"),
        (ours("helps", 0.1), theirs("-1.7", better="False"), "same sign"),
        (ours("helps", 0.1), theirs("", alone="-"), "opposite"),
        (ours("none_seen", 0.1), theirs("1.3", sd="0.35"), "ours not seen"),
        (ours("identical", 0.0), theirs("1.3"), "not comparable"),
        (ours("helps", 0.1), theirs(""), "not comparable"),
    ],
)
def test_agreement(mine: dict[str, Any], other: dict[str, str], said: str) -> None:
    assert agreement(mine, other) == said


def test_a_stage_is_matched_by_name_and_two_levels_by_both() -> None:
    three, four = published("dclm_table3"), published("dclm_table17")
    named = {"factor": "extraction", "level": "resiliparse", "versus": "raw"}
    assert [row["gain"] for row in match(named, three)] == ["3.4", "1.2"]
    assert match(named | {"versus": "trafilatura"}, three) == []
    assert [row["level"] for row in match(ours("helps", 0.1), four)] == ["MinHash"]
    assert [sign(row) for row in four.rows][:2] == [None, 1]
    assert not holds(match(ours("helps", 0.1), four)[0])  # 0.9 points, one run, sd 0.35: not beyond 0.97
