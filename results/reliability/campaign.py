"""An attack on ablate that can be repeated: kills, flipped bits and bad command lines, all drawn from one seed.

    python results/reliability/campaign.py --kills 20 --bits 40 --commands 80 --seed 1

works in a temporary folder, writes results/reliability/campaign.csv (one line a try) and prints the counts that
README.md beside it shows. Every command runs in a fork of this process, which has imported everything, so a try costs
what the command does. A try has failed when the command

  trace     shows a traceback, ends with status 3 ("not expected") or by a signal
  slow      takes more than --patience seconds
  memory    needs more than 2 GiB above what this process has
  other     gives other bytes than an undisturbed sweep
  left      leaves a process behind
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

TINY = (
    "study=demo", "pool.world.pages=160", "pool.world.towns=4", "pool.world.values=5", "pool.world.islands=4",
    "pool.world.clusters=4", "tokenizer.vocab_size=300", "proxy.hidden_size=16", "proxy.layers=1", "proxy.heads=2",
    "proxy.intermediate_size=32", "proxy.context=32", "train.tokens=2048", "train.batch_tokens=256",
    "train.evaluations=[0.5,1.0]", "seeds=[0,1]", "plan.probe=false", "train.checkpoint_s=0.001", "train.threads=1",
    "design.factors=[language,minhash_dedup]",
)  # fmt: skip
LAUNCHERS = {
    "one": ("workers=1",),
    "two": ("workers=2",),
    "joblib": ("workers=2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
}
OUTPUTS = ("REPORT.md", "effects.csv", "scores.csv", "table.tex", "figures/gains.svg", "figures/funnel.svg")
MEMORY = 2 << 30
HERE = Path(__file__).parent


class Command:
    """A command line in a fork of this process, in a folder of its own, with its own process group."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.out = folder.parent / f"{folder.name}.txt"
        self.number = os.fork()
        if self.number == 0:
            os.setsid()
            os.chdir(folder)
            handle = os.open(self.out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(handle, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            status = 70
            try:
                from ablate.cli import main

                status = main(arguments)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)

    def wait(self, seconds: float) -> tuple[int, int] | None:
        """Exit status (negative: by a signal) and peak memory in bytes; None when it is still running."""
        until = time.monotonic() + seconds
        while True:
            number, status, used = os.wait4(self.number, os.WNOHANG)
            if number:
                return os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024
            if time.monotonic() > until:
                return None
            time.sleep(0.01)

    def kill(self) -> None:
        """The whole group, without warning."""
        os.killpg(self.number, signal.SIGKILL)
        os.waitpid(self.number, 0)

    def left(self) -> list[int]:
        """Processes of its group that are alive ten seconds after it."""
        for _ in range(100):
            alive = [
                n for n in map(int, filter(str.isdigit, os.listdir("/proc"))) if _group(n) == self.number
            ]
            if not alive:
                return []
            time.sleep(0.1)
        return alive

    def said(self) -> str:
        return self.out.read_text(encoding="utf-8", errors="replace")


def _group(number: int) -> int:
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] == "Z" else int(fields[2])


def finish(folder: Path, arguments: list[str], patience: float) -> tuple[str, Command]:
    """Run a command to its end; "" or why it has failed."""
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    command = Command(folder, arguments)
    ended = command.wait(patience)
    if ended is None:
        command.kill()
        return "slow", command
    status, memory = ended
    if "Traceback" in command.said() or status not in (0, 1, 2):
        return "trace", command
    if memory > base + MEMORY:
        return "memory", command
    if command.left():
        return "left", command
    return "", command


def outputs(folder: Path) -> dict[str, bytes]:
    study = folder / "studies" / "demo"
    return {name: (study / name).read_bytes() for name in OUTPUTS if (study / name).exists()}


def kills(
    count: int, dice: random.Random, root: Path, calm: dict[str, bytes], whole: float, patience: float
) -> Iterator[tuple[str, str, str]]:
    """(what, where, failure) of so many `kill -9`, of the group or of the main process alone."""
    torn, done = root / "torn-0", 0
    while done < count:
        name = dice.choice(sorted(LAUNCHERS))
        after, alone = dice.uniform(0.0, whole), dice.random() < 0.5
        command = Command(torn, ["sweep", *TINY, *LAUNCHERS[name]])
        if command.wait(after) is None:
            os.kill(command.number, signal.SIGKILL) if alone else command.kill()
            if alone:
                os.waitpid(command.number, 0)
            done += 1
            yield (
                "kill",
                f"{name}, {'main process' if alone else 'group'}, {after:.1f} s",
                "left" if command.left() else "",
            )
        else:
            why = "" if outputs(torn) == calm else "other"
            yield "sweep after kills", name, why
            torn = root / f"torn-{done}"
    why, _ = finish(torn, ["sweep", *TINY, "workers=1"], patience)
    yield "sweep after kills", "one", why or ("" if outputs(torn) == calm else "other")


def bits(
    count: int, dice: random.Random, root: Path, calm_folder: Path, calm: dict[str, bytes], patience: float
) -> Iterator[tuple[str, str, str]]:
    """(what, file, failure) of so many single flipped bits in a finished study and its store, then the same command."""
    files = sorted(
        path.relative_to(calm_folder)
        for top in ("store", "studies")
        for path in (calm_folder / top).rglob("*")
        if path.is_file()
        and path.stat().st_size
        and not path.name.endswith((".lock", ".sum"))
        and path.name not in OUTPUTS
        and "figures" not in path.parts
    )
    for number in range(count):
        folder = root / f"bit-{number}"
        shutil.copytree(calm_folder, folder, symlinks=True)
        path = folder / dice.choice(files)
        data = bytearray(path.read_bytes())
        place = dice.randrange(len(data))
        data[place] ^= 1 << dice.randrange(8)
        path.write_bytes(data)
        if dice.random() < 0.5:  # so that the store is read
            shutil.rmtree(folder / "studies" / "demo" / "runs", ignore_errors=True)
        why, command = finish(folder, ["sweep", *TINY, "workers=1"], patience)
        told = str(path.relative_to(folder).name) in command.said() or "damaged" in command.said()
        if not why and outputs(folder) != calm and not told:
            why = "other"  # without a word
        yield "bit", str(path.relative_to(folder)), why
        shutil.rmtree(folder)


VALUES = (
    "",
    "null",
    "-1",
    "0",
    "1e400",
    "nan",
    "inf",
    "true",
    "'a b'",
    "[]",
    "[[1]]",
    "{}",
    "{a: 1}",
    "''",
    "x" * 300,
    "../../x",
    "/dev/null",
    "/dev/zero",
    "é",
    "\udcff",
    "\U0001f600",
    "$x^$",
    "${oc.env:HOME}",
    "${no.such}",
    "???",
    "1_000",
    "0x10",
    "01",
    "9" * 30,
    "\t",
    "a\nb",
)
KEYS = (
    "pool.world.pages", "tokenizer.vocab_size", "proxy.layers", "proxy.heads", "proxy.hidden_size", "train.tokens", "train.lr",
    "train.batch_tokens", "train.evaluations", "train.checkpoint_s", "seeds", "workers", "store", "study.name", "study.title",
    "study.question", "design.factors", "design.name", "recipe.order", "stages.language.threshold", "stages.language.enabled",
    "stages.extraction.method", "evaluate.tasks", "evaluate.heldout", "evaluate.snapshot", "budget.match", "tracker._target_",
    "proxy._target_", "label.sample", "teacher.base_url", "randomness.pool", "no.such.key",
)  # fmt: skip
COMMANDS = (
    "plan",
    "sweep",
    "report",
    "inspect",
    "verify",
    "label",
    "import",
    "calibrate",
    "snapshot",
    "train_classifier",
    "run",
    "compare",
    "no_such",
)
POOLS = ("pool=files pool.paths=[{}]", "pool=warc pool.paths=[{}]", "results.path={}", "evaluate.heldout={}")


def hostile(folder: Path) -> list[Path]:
    """Small files that are not what their names say."""
    folder.mkdir()
    contents = {
        "empty.jsonl": b"",
        "surrogate.jsonl": b'{"text": "a", "url": "\\ud800"}\n',
        "deep.jsonl": b'{"text": ' + b"[" * 20_000 + b"}\n",
        "latin-1.csv": "arm,seed,task,score\nété,0,t,1\n".encode("latin-1"),
        "utf-16.csv": "arm,seed,task,score\na,0,t,1\n".encode("utf-16"),
        "open.csv": b'arm,seed,task,score\n"a,0,t,1\n',
        "twice.csv": b"arm,arm,seed,task,score\na,a,0,t,1\n",
        "no.parquet": b"PAR1nothingPAR1",
        "cut.gz": b"\x1f\x8b\x08\0\0\0\0\0\0\3abc",
        "cut.warc": b"WARC/1.0\r\nContent-Length: 999\r\n\r\nabc",
        "zeros.txt": bytes(4096),
        "long.jsonl": b'{"text": "' + b"x" * 1_000_000 + b"\n",
        "no.zip": b"PK\x03\x04",
        "u2028.jsonl": '{"text": "a\u2028b"}\n'.encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "loop.jsonl").symlink_to("loop.jsonl")
    (folder / "nowhere.jsonl").symlink_to("gone")
    return sorted(folder.iterdir())


def commands(
    count: int, dice: random.Random, root: Path, calm_folder: Path, patience: float
) -> Iterator[tuple[str, str, str]]:
    """(what, arguments, failure) of so many command lines that ask for nonsense, on a finished study."""
    files = hostile(root / "hostile")
    for number in range(count):
        name = dice.choice(COMMANDS)
        arguments = [name, *TINY]
        if dice.random() < 0.3:
            arguments += dice.choice(POOLS).format(dice.choice(files)).split(" ")
        else:
            arguments += [f"{dice.choice(KEYS)}={dice.choice(VALUES)}" for _ in range(dice.randint(1, 2))]
        folder = root / f"command-{number}"
        shutil.copytree(calm_folder, folder, symlinks=True)
        why, _ = finish(folder, arguments, patience)
        yield (
            "command",
            " ".join(arguments[:1] + arguments[1 + len(TINY) :]).encode("ascii", "backslashreplace").decode(),
            why,
        )
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("kills", 10), ("bits", 20), ("commands", 40), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--patience", type=float, default=300.0)
    parser.add_argument("--out", type=Path, default=HERE / "campaign.csv")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import ablate.commands.sweep
    import ablate.train.loop  # noqa: F401

    with (
        tempfile.TemporaryDirectory(prefix="campaign-") as name,
        given.out.open("w", newline="", encoding="utf-8") as file,
    ):
        root = Path(name)
        begun = time.monotonic()
        why, command = finish(root / "calm", ["sweep", *TINY, "workers=1"], 10 * given.patience)
        assert not why, command.said()[-3000:]
        whole, calm = time.monotonic() - begun, outputs(root / "calm")
        writer, counts = csv.writer(file), Counter[tuple[str, str]]()
        writer.writerow(["what", "which", "failure"])
        parts: list[Callable[[], Iterator[tuple[str, str, str]]]] = [
            lambda: kills(
                given.kills, random.Random(f"kills {given.seed}"), root, calm, whole, 10 * given.patience
            ),
            lambda: bits(
                given.bits, random.Random(f"bits {given.seed}"), root, root / "calm", calm, given.patience
            ),
            lambda: commands(
                given.commands, random.Random(f"commands {given.seed}"), root, root / "calm", given.patience
            ),
        ]
        for part in parts:
            for what, which, failure in part():
                writer.writerow([what, which, failure])
                file.flush()
                counts[what, failure or "held"] += 1
                if failure:
                    print(f"{what}: {which}: {failure}", flush=True)
    print("\n".join(f"{count:5}  {what}: {how}" for (what, how), count in sorted(counts.items())))


if __name__ == "__main__":
    main()
