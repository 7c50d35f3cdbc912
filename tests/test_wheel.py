"""A wheel carries all that the commands need."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_a_wheel_works_away_from_the_repository(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
    ]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("ablate-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert (tmp_path / "site/ablate/stages/data/lid.176.ftz").stat().st_size > 500_000
    for folder in (ROOT / "conf").iterdir():
        if folder.is_dir():
            packed = {path.name for path in (tmp_path / "site/ablate/conf" / folder.name).glob("*.yaml")}
            assert packed == {path.name for path in folder.glob("*.yaml")}
    code = "import ablate, sys; from ablate.cli import main; print(ablate.__file__); sys.exit(main(['plan', 'study=demo', 'plan.probe=false']))"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    ).stdout
    assert str(tmp_path / "site") in shown and "11 arms x 5 seeds = 55 runs" in shown
