"""The shipped answers of a real model give the shipped documents again, without the model."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ablate.cli import main

FOLDER = Path(__file__).parents[2] / "results" / "synthetic"


def test_the_command_of_the_page_makes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = re.findall(
        r"```\n(ablate generate .*?)```", (FOLDER / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    _, *words = shlex.split(line.replace("\\\n", " "))
    words = [word.replace("results/synthetic", str(FOLDER)) for word in words]
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0
    for name in ("synthetic.jsonl", "SYNTHETIC.md"):
        made = Path("studies/smollm2/synthetic") / name
        assert made.read_bytes() == (FOLDER / "self_instruct_smollm2" / name).read_bytes(), name
