"""Exports that are killed, or whose disk is full, in the middle; then the same command again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KILLED = """
import os, signal, sys
folder, at, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
seen = 0
def count(event, told):
    # Each write, rename, link and deletion below the folder is a moment at which the process may die.
    global seen
    if event in ("os.rename", "os.link", "os.remove", "os.mkdir", "os.chmod") or (event == "open" and told[2] & os.O_CREAT):
        if isinstance(told[0], (str, bytes)) and os.path.abspath(os.fsdecode(told[0])).startswith(folder):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
from ablate.cli import main
status = main(command)
print("events", seen)
sys.exit(status)
"""
FULL = """
import resource, sys
most, command = int(sys.argv[1]), sys.argv[2:]
resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
from ablate.cli import main
sys.exit(main(command))
"""
FORMATS = ("parquet", "nanotron")
DISABLED = ("gopher_repetition", "exact_dedup", "minhash_dedup", "decontamination", "language")
KILLS = 8


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sixty documents whose corpus is in the store."""
    folder = tmp_path_factory.mktemp("home")
    sentence = (
        "The man and the cat have to be in the house {n} with that dog of ours on a day like any other. "
    )
    rows = [
        {
            "text": "\n".join(sentence.format(n=f"{n}{line}") for line in range(5)),
            "url": f"https://h.example/{n}",
        }
        for n in range(60)
    ]
    (folder / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "held.txt").write_text("It rained.")
    return folder


def command(format: str, to: Path) -> list[str]:
    """The arguments of an export by one process, which is the one that is killed."""
    return [
        "export",
        "study.name=small",
        "pool=files",
        "pool.paths=[docs.jsonl]",
        "recipe=gopher",
        "proxy=tiny",
        "evaluate=heldout",
        "evaluate.heldout=held.txt",
        "design=single",
        "design.factors=[]",
        "tokenizer.vocab_size=300",
        "seeds=[3]",
        "workers=1",
        *(f"stages.{name}.enabled=false" for name in DISABLED),
        "export.shard_mb=0.004",
        f"export.format={format}",
        f"export.to={to}",
    ]


def run(home: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def files(folder: Path) -> dict[str, bytes]:
    """Every file that has a name of its own; locks and what was begun are hidden."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("format", FORMATS)
def test_a_killed_export_ends_like_an_undisturbed_one(home: Path, tmp_path: Path, format: str) -> None:
    calm, torn = tmp_path / "calm", tmp_path / "torn"
    done = run(home, KILLED, str(calm), "0", *command(format, calm))
    assert done.returncode == 0, done.stderr
    events, whole = int(done.stdout.split()[-1]), files(calm)
    whole["README.md"] = whole["README.md"].replace(bytes(calm), bytes(torn))
    rng = random.Random(f"20261127 {format}")
    for _ in range(KILLS):
        if rng.random() < 0.5:  # half of the kills begin anew
            shutil.rmtree(torn, ignore_errors=True)
        killed = run(home, KILLED, str(torn), str(rng.randint(1, events)), *command(format, torn))
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
        for name, content in files(torn).items():
            if name.startswith("data/") and name in whole:
                assert content == whole[name], "what has its name is whole"
    last = run(home, KILLED, str(torn), "0", *command(format, torn))
    assert last.returncode == 0, last.stderr
    ended = files(torn)
    assert {name for name in ended} == {name for name in whole}
    assert {name: ended[name] for name in whole if name != "export.json"} == {
        name: whole[name] for name in whole if name != "export.json"
    }
    assert json.loads(ended["export.json"])["files"] == json.loads(whole["export.json"])["files"]
    assert not list(torn.rglob(".*.part"))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_is_said_and_the_same_command_goes_on(home: Path, tmp_path: Path, format: str) -> None:
    calm, torn = tmp_path / "calm", tmp_path / "torn"
    assert run(home, KILLED, str(calm), "0", *command(format, calm)).returncode == 0
    whole = {name: content for name, content in files(calm).items() if name.startswith("data/")}
    for most in (64, min(len(content) for content in whole.values()) - 1):
        full = run(home, FULL, str(most), *command(format, torn))
        assert full.returncode == 2, full.stderr
        assert "cannot write" in full.stderr and "Traceback" not in full.stderr
        assert not any(name.startswith("data/") for name in files(torn))
        assert not list(torn.rglob(".*.part"))
    assert run(home, KILLED, str(torn), "0", *command(format, torn)).returncode == 0
    assert {name: content for name, content in files(torn).items() if name.startswith("data/")} == whole
