"""Provenance names this project's commit, never that of a repository that happens to lie around it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ablate"
ASK = "import json; from ablate.provenance import provenance as p; x = p(); print(x['commit'], x['dirty'])"


@pytest.mark.parametrize("tracked", [False, True])
def test_the_commit_is_that_of_the_repository_that_keeps_the_package(tmp_path: Path, tracked: bool) -> None:
    place = tmp_path / "lib"
    (place / "ablate").mkdir(parents=True)
    for name in ("__init__.py", "provenance.py", "errors.py"):
        shutil.copy(PACKAGE / name, place / "ablate" / name)
    (tmp_path / "analysis.py").write_text("")

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    git("add", "." if tracked else "analysis.py")
    git("commit", "-qm", "a")
    asked = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=place,
        env={"PYTHONPATH": str(place), "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    commit = git("rev-parse", "HEAD")
    assert asked.stdout.split()[0] == (commit if tracked else "None")
