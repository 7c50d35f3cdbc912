"""README and docs/ show what there is, and what they show works: one mechanism for every page."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ablate.cli import _module, commands
from ablate.commands.inspect import views
from ablate.compose import compose, open_hydra
from ablate.config import CONF
from ablate.study.plan import make_plan

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLANS = ("plan", "run", "sweep")
"""Commands whose examples must make a plan with arms; those of others must compose."""


def examples(text: str) -> list[str]:
    """Command lines in the code blocks and in the code of a page's running text."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = "\n".join([*blocks, *re.findall(r"`(ablate [^`]+)`", text)]).replace("\\\n", " ").splitlines()
    return [
        line.split("  #")[0].split(" # ")[0].strip()
        for line in lines
        if (words := line.split())[:1] == ["ablate"] and len(words) > 2 and words[1] in commands()
    ]


EXAMPLES = {path: examples(path.read_text(encoding="utf-8")) for path in PAGES}
OWN_STAGES = EXAMPLES[ROOT / "docs" / "your_own_stages.md"]
"""They name files that the page itself holds; tests/test_docs.py writes those and builds the corpora."""
ON_PAGES = sorted({line for lines in EXAMPLES.values() for line in lines})


@pytest.mark.parametrize("command", commands())
def test_every_command_is_shown_with_an_example(command: str) -> None:
    page = ROOT / "docs" / "commands.md"
    assert f"| `ablate {command}` |" in page.read_text(encoding="utf-8")
    assert any(line.startswith(f"ablate {command} ") for line in EXAMPLES[page])


def composed(line: str) -> tuple[str, DictConfig]:
    """A command line as a shell splits it, its name and its configuration; the demo's where it names no study or pool."""
    _, command, *words = shlex.split(line)
    module = importlib.import_module(f"ablate.commands.{command}")
    overrides = module.as_overrides(words) if hasattr(module, "as_overrides") else words
    if overrides and re.fullmatch(r"[\w.]+", overrides[0]):
        del overrides[0]  # a view
    given = {override.split("=")[0] for override in overrides}
    if not given & {"study", "pool"}:
        overrides.append("study=demo")
    return command, compose([one for one in overrides if "=" in one or one.startswith("~")], open_hydra())


@pytest.mark.parametrize("line", [line for line in ON_PAGES if "--config-dir" not in line])
def test_every_example_of_a_page_composes_and_makes_a_plan(line: str) -> None:
    command, config = composed(line)
    assert config.study.name
    if command in PLANS and "--" not in line and not line.endswith(" ...") and line not in OWN_STAGES:
        assert make_plan(config).arms


def printed(command: str) -> list[str]:
    """Command lines and overrides that the help of a command or view prints, as a shell would be given them."""
    module, _, rest = _module(command.split()[0], command.split()[1:])
    assert not rest
    lines = (module.__doc__ or "").splitlines()
    whole = [match[0] for line in lines for match in re.finditer(r"\bablate [a-z_]+ .*=.*", line)]
    alone = [re.split(r"  +", line.strip())[0] for line in lines if re.match(r"  ['\"]?[a-z_./]+=", line)]
    return [line.split("`")[0] for line in whole] + [f"ablate {command} {line}" for line in alone]


def headers() -> list[str]:
    """Command lines in the comments of conf/."""
    found = []
    for path in sorted(CONF.rglob("*.yaml")):
        comments = re.findall(r"^ *#(?: @.*)? ?(.*)", path.read_text(encoding="utf-8"), re.MULTILINE)
        lines = "\n".join(line.strip() for line in comments).replace("\\\n", " ").splitlines()
        for line in lines:
            if match := re.search(rf"\bablate ({'|'.join(commands())}) [^`]*=[^`]*", line):
                found.append(match[0].split("  #")[0].rstrip(" .;"))
    return found


VIEWS = [f"inspect {name}" for name in views()]


@pytest.mark.parametrize(
    "line", sorted({line for command in [*commands(), *VIEWS] for line in printed(command)} | set(headers()))
)
def test_what_help_and_headers_print_is_read_as_printed(line: str) -> None:
    """Through a shell's splitting and quotes, then Hydra's grammar and our check of types."""
    if "=ray" in line or "=submitit" in line or "=..." in line:
        pytest.skip("wants a launcher that is an extra, or is a placeholder")
    shell = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True
    )
    words = shell.stdout.split("\0")[:-1]
    assert words == shlex.split(line)
    assert composed(line)[1].study.name


def test_the_example_of_import_runs_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pattern with braces, through bash, on two arms of two seeds."""
    (line,) = [line for line in printed("import") if "results.pattern" in line]
    for arm, seed in (("full", 0), ("full", 1), ("bare", 0), ("bare", 1)):
        folder = tmp_path / "out" / arm / f"seed-{seed}"
        folder.mkdir(parents=True)
        results = {"task": {"alias": "task", "acc,none": 0.5 + 0.1 * (arm == "full") + 0.01 * seed}}
        page = {
            "results": results,
            "n-shot": {"task": 0},
            "higher_is_better": {"task": {"acc": True}},
            "versions": {"task": 1},
            "configs": {"task": {"task": "task"}},
        }
        (folder / "results_2024-01-01T00-00-00.000000.json").write_text(json.dumps(page))
    run = subprocess.run(
        ["bash", "-c", line.replace("ablate", f"{sys.executable} -m ablate", 1) + " study.name=theirs"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr
    assert "4 runs of 2 arms imported" in run.stdout


def test_every_group_and_folder_is_named() -> None:
    tree = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for folder in CONF.iterdir():
        if folder.is_dir():
            assert folder.name in tree
    for folder in (ROOT / "ablate").iterdir():
        if folder.is_dir() and (folder / "__init__.py").exists():
            assert f"{folder.name}/" in tree


def test_its_pictures_and_pages_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
