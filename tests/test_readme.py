"""The README shows what there is, and what it shows works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ablate.cli import commands
from ablate.config import CONF, compose, open_hydra
from ablate.study.plan import make_plan

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```\n(.*?)```", README, re.DOTALL)
LINES = "\n".join([*BLOCKS, *re.findall(r"`(ablate [^`]+)`", README)]).replace("\\\n", " ").splitlines()
EXAMPLES = [
    line.split("#")[0].strip()
    for line in LINES
    if (words := line.split())[:1] == ["ablate"] and len(words) > 2 and words[1] in commands()
]
PLANNED = [
    line
    for line in EXAMPLES
    if "--" not in line
    and not line.startswith(
        (
            "ablate snapshot",
            "ablate report",
            "ablate import",
            "ablate compare",
            "ablate train_classifier",
            "ablate calibrate",
        )
    )
]


@pytest.mark.parametrize("command", commands())
def test_every_command_is_shown_with_an_example(command: str) -> None:
    assert f"| `ablate {command}` |" in README
    assert any(line.startswith(f"ablate {command}") for line in EXAMPLES)


@pytest.mark.parametrize("line", sorted(set(PLANNED)))
def test_every_example_composes_into_a_plan(line: str) -> None:
    _, command, *overrides = shlex.split(line)
    if command == "inspect" and "=" not in overrides[0]:
        del overrides[0]  # a view
    config = compose(overrides, open_hydra())
    if command not in ("inspect", "label"):
        assert make_plan(config)["arms"]


def test_every_group_and_folder_is_named() -> None:
    for folder in CONF.iterdir():
        if folder.is_dir():
            assert folder.name in README
    for folder in (ROOT / "ablate").iterdir():
        if folder.is_dir() and (folder / "__init__.py").exists():
            assert f"{folder.name}/" in README


def test_its_pictures_and_pages_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
