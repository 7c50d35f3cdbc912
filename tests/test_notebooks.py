"""The notebooks run on shipped results, offline and in seconds, and what lies executed beside each script is that script."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
BIGGEST = 300_000
"""Bytes of a notebook with its outputs."""
OFFLINE = """
import socket, sys


def refuse(*_args, **_more):
    raise OSError("a notebook asked the network")


socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse
"""


def notebook(script: Path) -> dict[str, Any]:
    return json.loads(script.with_suffix(".ipynb").read_text(encoding="utf-8"))


def cells_of(script: Path) -> list[tuple[str, str]]:
    """Kind and source of each cell of a script in percent format; words without their `# `, magics without theirs."""
    parts = re.split(r"^# %%(.*)\n", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert not parts[0].strip(), "nothing stands before the first cell"
    cells = []
    for head, body in zip(parts[1::2], parts[2::2], strict=True):
        if head.strip() == "[markdown]":
            text = "\n".join(re.sub(r"^# ?", "", line) for line in body.strip().splitlines())
            cells.append(("markdown", text))
        else:
            assert not head.strip()
            cells.append(("code", re.sub(r"^# %(?=\w)", "%", body.strip(), flags=re.MULTILINE)))
    return cells


def test_there_are_the_six_and_each_has_its_executed_notebook() -> None:
    assert [script.stem[:2] for script in SCRIPTS] == ["01", "02", "03", "04", "05", "06"]
    assert {script.stem for script in SCRIPTS} == {path.stem for path in FOLDER.glob("*.ipynb")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_script_runs_without_network_and_leaves_nothing(script: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in FOLDER.iterdir()}
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
    }
    run = subprocess.run(
        [sys.executable, script.name],
        cwd=FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert {path: path.stat().st_mtime_ns for path in FOLDER.iterdir()} == before


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_notebook_has_the_cells_of_the_script(script: Path) -> None:
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook(script)["cells"]]
    assert found == cells_of(script)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_cell_was_run_in_order_and_none_failed_or_warned(script: Path) -> None:
    code = [cell for cell in notebook(script)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert {output["name"] for output in outputs if output["output_type"] == "stream"} <= {"stdout"}
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_notebook_is_small_and_says_nothing_of_the_machine(script: Path) -> None:
    made = script.with_suffix(".ipynb")
    assert made.stat().st_size < BIGGEST
    told = notebook(script)
    for cell in told["cells"]:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/png", None)
    text = json.dumps(told, ensure_ascii=False)
    assert not re.findall(r"(?<![\w.])/(?:home|root|tmp|work|usr|opt|Users|private|var)\b[^\s\"]*", text)
    assert told["metadata"]["language_info"] == {"name": "python"}
