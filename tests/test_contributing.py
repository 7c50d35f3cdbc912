"""CONTRIBUTING.md sends a newcomer to files and definitions that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WHERE = re.compile(r"\| `((?:ablate|conf)/[^`]+\.(?:py|yaml))`(?:: `([\w.]+)`)? \|$", re.MULTILINE)


def _stops() -> list[tuple[str, str]]:
    guide = (ROOT / "CONTRIBUTING.md").read_text().split("## How things travel")[1].split("\n## ")[0]
    return WHERE.findall(guide)


def test_every_row_of_the_guide_names_a_file() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text().split("## How things travel")[1].split("\n## ")[0]
    rows = [
        line
        for line in guide.splitlines()
        if line.startswith("| ") and not line.startswith(("| what happens", "| :"))
    ]
    assert len(rows) == len(_stops()) > 0


@pytest.mark.parametrize(("file", "name"), _stops())
def test_a_stop_of_the_guide_is_where_it_says(file: str, name: str) -> None:
    assert (ROOT / file).is_file()
    found: list[ast.stmt] = ast.parse((ROOT / file).read_text()).body if name else []
    for part in filter(None, name.split(".")):
        named = [
            node for node in found if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == part
        ]
        assert named, f"{file} defines no {name}"
        found = named[0].body
