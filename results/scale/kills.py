"""kill -9 at moments drawn by seed, over the command and those who do its tasks: the same must come out, nothing half-named.

    python results/scale/kills.py here 40 > results/scale/kills_here.md
    python results/scale/kills.py ray 20 > results/scale/kills_ray.md

Curates made-up pages, in shards of ten, through the executor, each time in a new folder with some kills: of the command (then
given again), of the process that has last begun a task (the command then has to go on), and with Ray of a node. A moment is
so many tasks begun, and up to a tenth of a second more. Compared are the digests of all that was made with those of one process
that nobody kills; beside them, how many tasks were begun again, and what lay under its name without being whole.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ablate.corpus.annotate import Annotations  # noqa: E402
from ablate.corpus.view import build_corpus  # noqa: E402
from ablate.executor.here import Here  # noqa: E402
from ablate.executor.ray import Ray  # noqa: E402
from ablate.executor.task import Executor  # noqa: E402
from ablate.pool.pool import build_pool  # noqa: E402
from ablate.pool.source import Document  # noqa: E402
from ablate.stages.c4_quality import C4Quality  # noqa: E402
from ablate.stages.fineweb_quality import FineWebQuality  # noqa: E402
from ablate.stages.line_dedup import LineDedup  # noqa: E402
from ablate.stages.minhash_dedup import MinhashDedup  # noqa: E402
from ablate.stages.pii import Pii  # noqa: E402
from ablate.store import MAKING, PART, Store, fault  # noqa: E402
from tests.clusters import RayCluster, ray_cluster  # noqa: E402
from tests.conftest import InMemory  # noqa: E402
from tests.executor.curate import annotations_of  # noqa: E402
from tests.executor.noted import NotedExecutor, begun  # noqa: E402

PAGES, SHARD, KILLS_A_FOLDER, WAIT_S = 200, 10, 4, 0.1
PROSE = "The old man went to the market and bought some bread. Nobody was there to talk to him at all."


def work(executor: Executor) -> None:
    """Curate in the working folder and print a digest for each thing that was made."""
    pages = tuple(
        Document(f"Page {n % 83} of it. {PROSE}\nTo anna{n % 5}@mail.org.\nLine {n} of the book ends here.")
        for n in range(PAGES)
    )
    store = Store(Path("store"))
    noted = NotedExecutor(executor, Path("notes"), seed=1, wait_s=WAIT_S)
    annotations = Annotations(build_pool(InMemory(pages), store, SHARD), store, executor=noted)
    stages = [Pii(), MinhashDedup(), C4Quality(min_sentences=1), LineDedup(), FineWebQuality()]
    try:
        corpus = build_corpus(stages, annotations)
        texts = list(annotations.texts(corpus.version, corpus.rows))
    finally:
        annotations.close()
    print(json.dumps({"content": corpus.content, "texts": texts, **dict(annotations_of(store))}))


@dataclass
class Folder:
    """A curation that is killed, and what was seen.

    Attributes:
        path: where it works.
        executor: words that name who does its tasks.
        seen: (what was killed, tasks begun by then, tasks begun again for it, files named but not whole).
    """

    path: Path
    executor: list[str]
    seen: list[tuple[str, int, int, int]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[str]:
        """The command."""
        return subprocess.Popen(
            [sys.executable, __file__, "--work", *self.executor],
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=(self.path / "errors").open("a"),
            text=True,
        )

    @property
    def begun(self) -> Counter[str]:
        """How often each task began."""
        return begun(self.path / "notes") if (self.path / "notes").exists() else Counter()

    @property
    def again(self) -> int:
        """How many tasks were begun more than once, each as often as that was too many."""
        return self.begun.total() - len(self.begun)

    def not_whole(self) -> int:
        """Files that have their name and are not whole."""
        return sum(fault(path) is not None for path in self.path.glob("store/annotations/*/[!.]*.arrow"))

    def worker(self) -> int | None:
        """The process that began a task last, if it lives."""
        lines = (self.path / "notes").read_text().splitlines() if (self.path / "notes").exists() else []
        for line in reversed(lines[-4:]):
            with suppress(ProcessLookupError):
                number = int(line.split(" ")[1])
                os.kill(number, 0)
                return number
        return None

    def leftovers(self) -> int:
        """Unfinished files and folders."""
        return sum(
            len(list(self.path.rglob(pattern))) for pattern in (f"store/**/.*{PART}", f"store/**/{MAKING}*")
        )


def campaign(folder: Folder, rng: random.Random, total: int, cluster: RayCluster | None) -> str:
    """Curate with some kills; returns what came out."""
    kinds = ["command", "worker"] if cluster is None else ["command", "worker", "node"]
    moments = sorted(rng.randrange(total) for _ in range(KILLS_A_FOLDER))
    process = folder.start()
    for moment in moments:
        kind, wait, again = rng.choice(kinds), rng.uniform(0, WAIT_S), folder.again
        while len(folder.begun) < moment and process.poll() is None:
            time.sleep(0.01)
        time.sleep(wait)
        if process.poll() is not None:
            break
        at = len(folder.begun)
        if kind == "command":
            process.kill()
            process.communicate()
            broken = folder.not_whole()
            process = folder.start()
        elif kind == "node" and cluster is not None:
            cluster.kill()
            broken = folder.not_whole()
            cluster.add()
        elif number := folder.worker():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
            broken = folder.not_whole()
        else:
            continue
        begun_at = len(folder.begun)
        while len(folder.begun) <= begun_at + 2 and process.poll() is None:  # what is begun again comes first
            time.sleep(0.05)
        folder.seen.append((kind, at, folder.again - again, broken))
    out, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, (folder.path / "errors").read_text()
    return out


def main() -> None:
    """Kill, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=["here", "ray"])
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=20261127)
    args = parser.parse_args()
    rng, found = random.Random(args.seed), Counter[str]()
    seen: list[tuple[str, int, int, int]] = []
    leftovers = again = folders = 0
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        cluster = stack.enter_context(ray_cluster()) if args.engine == "ray" else None
        words = ["here"] if cluster is None else ["ray", cluster.address]
        calm = Folder(Path(name, "calm"), ["alone"])
        calm.path.mkdir()
        expected, _ = calm.start().communicate()
        total = len(calm.begun)
        while len(seen) < args.kills:
            folder = Folder(Path(name, str(folders)), words)
            folder.path.mkdir()
            found["same" if campaign(folder, rng, total, cluster) == expected else "OTHER"] += 1
            seen += folder.seen
            leftovers, again, folders = leftovers + folder.leftovers(), again + folder.again, folders + 1
            print(
                f"{folders} folders, {len(seen)} kills, {dict(found)}: {folder.seen}, begun again {folder.again}, "
                f"left {folder.leftovers()}",
                file=sys.stderr,
                flush=True,
            )
    print(
        f"`{args.engine}`, {total} tasks, two at a time, seed {args.seed}: {len(seen)} kills in {folders} folders.\n"
    )
    print("| killed | kills | tasks begun again for one kill: most, mean | files named but not whole |")
    print("| :-- | --: | --: | --: |")
    for kind in sorted({one[0] for one in seen}):
        some = [one for one in seen if one[0] == kind]
        redone = [one[2] for one in some]
        mean = sum(redone) / len(some)
        print(f"| {kind} | {len(some)} | {max(redone)}, {mean:.2f} | {sum(one[3] for one in some)} |")
    print(
        f"\nWhat came out: {dict(found)}. Tasks begun again in all: {again}. Unfinished files left: {leftovers}."
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        engine, *address = sys.argv[2:]
        work(Ray(address=address[0]) if engine == "ray" else Here(workers=1 if engine == "alone" else 2))
    else:
        main()
