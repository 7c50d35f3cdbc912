"""A whole pipeline, from WARC files to kept text, against datatrove's local executor: whole commands, two workers each.

Both read the same WARC files, extract with resiliparse, apply Gopher's two, C4's (without its terminal-punctuation rule, as
FineWeb has it) and FineWeb's filters, and write gzipped JSON lines. Each run begins with nothing: ours in a new store, with
the start of the command, the reading of the pool and the export counted. `ours, another recipe` is the same command with C4's
filter switched off in the store that the first one left: what an ablation asks for next.

    python results/benchmarks/pipeline.py --pages '../shared/data/web/*.warc.gz' --pairs 3 --out results/benchmarks/pipeline.md

Run it in ablate's environment; it makes one of datatrove's own (`--peers`), which pins older packages.
"""

from __future__ import annotations

import argparse
import glob
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))
from curation import PEERS, peer_python

READING = ["resiliparse>=1.0", "faust-cchardet", "python-magic", "warcio", "orjson"]
"""What datatrove reads WARC files with, and resiliparse for it; python-magic needs the library libmagic."""
SWITCHED_OFF = ("url_filter", "language", "minhash_dedup", "pii", "decontamination")
THEIRS = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors.base import BaseExtractor
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers.jsonl import JsonlWriter

class Resiliparse(BaseExtractor):
    name = "resiliparse"
    def __init__(self):
        super().__init__(timeout=60)
    def extract(self, text):
        from resiliparse.extract.html2text import extract_plain_text
        return extract_plain_text(text, main_content=True, alt_texts=False, noscript=False).strip()

if __name__ == "__main__":
    pages, out = sys.argv[1:]
    LocalPipelineExecutor(
        pipeline=[
            WarcReader(pages, glob_pattern="*.warc.gz"), Resiliparse(), GopherRepetitionFilter(), GopherQualityFilter(),
            C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter(), JsonlWriter(out),
        ],
        tasks=TASKS, workers=2, logging_dir=out + "_logs",
    ).run()
"""


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        wall, cpu: seconds, of the command with all its processes.
        memory: most MiB that its processes had at once, summed over them (shared pages count in each).
    """

    wall: float
    cpu: float
    memory: float


def run(command: list[str], log: Path, environment: dict[str, str]) -> Cost:
    """Run a command to its end, watching its processes ten times a second.

    CPU seconds are the last ones seen of each process, since not every parent waits for its children.
    """
    peak, over, cpu = [0.0], threading.Event(), dict[tuple[int, float], float]()
    with log.open("w") as said:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)

        def watch() -> None:
            parent = psutil.Process(process.pid)
            while not over.wait(0.1):
                total = 0
                try:
                    family = [parent, *parent.children(recursive=True)]
                except psutil.Error:
                    continue
                for one in family:
                    try:
                        times = one.cpu_times()
                        cpu[one.pid, one.create_time()] = times.user + times.system
                        total += one.memory_info().rss
                    except psutil.Error:
                        continue
                peak[0] = max(peak[0], total / 2**20)

        watcher = threading.Thread(target=watch)
        watcher.start()
        status = process.wait()
        wall = time.perf_counter() - begun
        over.set()
        watcher.join()
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {status}:\n{log.read_text()[-3000:]}")
    return Cost(wall=wall, cpu=sum(cpu.values()), memory=peak[0])


def kept(folder: Path) -> dict[str, list[str]]:
    """Address -> the kept texts with it, sorted, without blank lines and blanks at line ends."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                document = json.loads(line)
                url = document.get("url") or document["metadata"]["url"]
                text = "\n".join(filter(None, map(str.rstrip, document["text"].splitlines())))
                found.setdefault(url, []).append(text)
    return {url: sorted(texts) for url, texts in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", required=True, help="glob of .warc.gz files, all in one folder")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir()) / "ablate_pipeline_peers")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    files = sorted(Path(path).resolve() for path in glob.glob(asked.pages))
    python = peer_python(asked.peers)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *READING], check=True)
    lines = "\n".join(race(files, python, asked.pairs))
    print(lines)
    if asked.out:
        asked.out.write_text(lines + "\n")


def race(files: list[Path], python: Path, pairs: int) -> list[str]:
    """The page: both in turns, `pairs` times."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    costs: dict[str, list[Cost]] = {"ours": [], "ours, another recipe": [], "datatrove": []}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "theirs.py").write_text(THEIRS.replace("TASKS", str(len(files))))
        (place / "pages").mkdir()
        for path in files:
            (place / "pages" / path.name).symlink_to(path)
        for pair in range(pairs):
            store = place / f"store{pair}"
            command = [
                sys.executable,
                "-m",
                "ablate",
                "export",
                "recipe=fineweb",
                "pool=warc",
                "stages.extraction.method=resiliparse",
                *(f"stages.{stage}.enabled=false" for stage in SWITCHED_OFF),
                f"pool.paths=[{place}/pages/*.warc.gz]",
                "workers=2",
                f"store={store}",
                f"study.dir={place}/study{pair}",
                "export.format=jsonl",
            ]
            ours, theirs = place / f"ours{pair}", place / f"theirs{pair}"
            costs["ours"].append(run([*command, f"export.to={ours}"], place / "log", environment))
            again = [*command, "stages.c4_quality.enabled=false", f"export.to={place}/again{pair}"]
            costs["ours, another recipe"].append(run(again, place / "log", environment))
            costs["datatrove"].append(
                run(
                    [str(python), str(place / "theirs.py"), str(place / "pages"), str(theirs)],
                    place / "log",
                    environment,
                )
            )
        mine, peers = kept(ours), kept(theirs)
    return page(costs, mine, peers, files)


def page(
    costs: dict[str, list[Cost]], mine: dict[str, list[str]], peers: dict[str, list[str]], files: list[Path]
) -> list[str]:
    """Tables of costs and of decisions."""
    both = mine.keys() & peers.keys()
    same = sum(mine[url] == peers[url] for url in both)
    size = sum(path.stat().st_size for path in files) / 1e6
    peers_named = ", ".join(one for one in PEERS if "==" in one)
    rows = [
        "# From WARC to kept text, whole commands with two workers",
        "",
        "`python results/benchmarks/pipeline.py --pages '../shared/data/web/*.warc.gz' "
        f"--pairs {len(costs['ours'])} --out results/benchmarks/pipeline.md`; {peers_named}.",
        "",
        f"{len(files)} files, {size:.0f} MB compressed; medians of {len(costs['ours'])} runs in turns, each from nothing.",
        "",
        "| | wall s | CPU s | peak MiB, all processes | datatrove's wall / this | datatrove's CPU / this |",
        "| :-- | --: | --: | --: | --: | --: |",
    ]
    theirs = costs["datatrove"]
    for name, own in costs.items():
        wall, cpu, memory = (
            statistics.median(getattr(one, of) for one in own) for of in ("wall", "cpu", "memory")
        )
        by_wall = statistics.median(b.wall / a.wall for a, b in zip(own, theirs, strict=True))
        by_cpu = statistics.median(b.cpu / a.cpu for a, b in zip(own, theirs, strict=True))
        rows.append(f"| {name} | {wall:.1f} | {cpu:.1f} | {memory:.0f} | {by_wall:.1f} | {by_cpu:.1f} |")
    rows += [
        "",
        f"Kept addresses: {len(mine):,} ours, {len(peers):,} theirs, {len(both):,} both, {same:,} of them with the same text (but for blanks at line ends); "
        f"{len(mine.keys() - peers.keys()):,} only ours, {len(peers.keys() - mine.keys()):,} only theirs.",
    ]
    return rows


if __name__ == "__main__":
    main()
