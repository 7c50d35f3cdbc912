"""Keys of the environment are found where they would be written to a file; and modules of the working folder are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ablate.cli import main
from ablate.secrets import secret_in


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("SOME_API_KEY", "sk-0123456789ab", True),
        ("HF_TOKEN", "hf_abcdefgh1jk", True),
        ("DB_PASSWORD", "correct0horse", True),
        ("SSH_KEY_FILE", "/home/me/.ssh/id_ed25519", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("KEY_MODE", "conservative", False),
        ("PLACE", "sk-0123456789ab", False),
    ],
)
def test_what_is_a_secret(monkeypatch: pytest.MonkeyPatch, name: str, value: str, found: bool) -> None:
    monkeypatch.setenv(name, value)
    assert secret_in(f'{{"title": "a {value} b"}}') == (name if found else None)
    assert secret_in('{"title": "nothing"}') is None


def test_a_plan_that_would_hold_a_key_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOME_API_KEY", "sk-0123456789ab")
    assert main(["plan", "study=demo", "plan.probe=false", "study.title=${oc.env:SOME_API_KEY}"]) == 2
    said = capsys.readouterr().err
    assert "value of the environment variable SOME_API_KEY" in said and "sk-0123456789ab" not in said
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and b"sk-0123456789ab" in path.read_bytes()
    ]


def test_the_working_folder_is_no_place_for_modules(tmp_path: Path) -> None:
    """What came with a study, such as a requests.py, is not run by `python -m ablate`, as it is not by `ablate`."""
    for name in ("requests", "evil", "yaml"):
        (tmp_path / f"{name}.py").write_text("import pathlib; pathlib.Path('CODE_RAN').touch()\n")
    command = [
        sys.executable,
        "-m",
        "ablate",
        "plan",
        "study=demo",
        "proxy._target_=evil.Proxy",
        "plan.probe=false",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 2, done.stdout + done.stderr
    assert not (tmp_path / "CODE_RAN").exists()
