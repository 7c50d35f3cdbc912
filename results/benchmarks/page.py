"""The page's size, the time until its first figure and the time of a redraw: shipped studies, and a large made one.

    python results/benchmarks/page.py studies/web_loo studies/web_branched --out results/benchmarks/page.md

Needs `pip install -e '.[browser]'` and chromium. Pages are opened as files with the network off, each time in a new
browser context. The first figure is there when the gains are in the document; a redraw is from the click on a stage to
the end of the layout that follows it. Medians and ranges of `--rounds` openings; other work on the machine lengthens all.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from ablate.live.progress import Watch
from ablate.live.server import serve
from ablate.page.build import page
from ablate.study.plan import run_folder
from ablate.summary.model import from_dict, read_summary
from ablate.tables.copies import with_copies
from ablate.testing.summary import made_study

FACTORS = (
    "language",
    "gopher_repetition",
    "gopher_quality",
    "minhash_dedup",
    "c4_quality",
    "fineweb_quality",
)
FIRST = """
const seen = () => {
  if (document.querySelector('#gains .marks svg')) window.firstFigure = performance.now();
  else requestAnimationFrame(seen);
};
requestAnimationFrame(seen);
"""
REDRAW = """
async () => {
  const times = [];
  const buttons = () => [...document.querySelectorAll('#gains button.row')];
  for (let n = 0; n < 15; n++) {
    const button = buttons()[n % buttons().length], start = performance.now();
    button.click();
    document.body.getBoundingClientRect();
    times.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, 30));
    while (document.documentElement.dataset.drawn !== 'all') await new Promise((done) => setTimeout(done, 30));
  }
  return times;
}
"""


@dataclass(frozen=True)
class Measured:
    """What was measured of a page.

    Attributes:
        name: of what it holds.
        bytes: its size.
        first: milliseconds to the first figure, one per opening.
        redraws: milliseconds of a choice of a stage.
    """

    name: str
    bytes: int
    first: list[float]
    redraws: list[float]


def large() -> dict[str, Any]:
    """64 arms, 8 seeds, 20 tasks, 14 points: 150,528 scores with the aggregate's."""
    stages = [f"stage_{number:02d}" for number in range(63)]
    return made_study(
        stages=stages, seeds=8, tasks=[f"task_{number:02d}" for number in range(20)], points=14, name="large"
    )


def measure(browser: Any, name: str, text: str, rounds: int) -> Measured:
    """Open a page in `rounds` new contexts."""
    first, redraws = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(text, encoding="utf-8")
        for _ in range(rounds):
            context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
            opened = context.new_page()
            opened.add_init_script(FIRST)
            opened.goto(path.as_uri())
            opened.wait_for_selector("html[data-drawn=all]", timeout=120_000)
            first.append(opened.evaluate("window.firstFigure"))
            redraws += opened.evaluate(REDRAW)
            context.close()
    return Measured(name, len(text.encode()), first, redraws)


def table(found: Sequence[Measured]) -> str:
    """Markdown."""
    lines = ["| page | size, MB | first figure, s | redraw, ms |", "| :-- | --: | --: | --: |"]
    for one in found:
        first, redraw = (
            f"{statistics.median(values) * scale:.{digits}f} ({min(values) * scale:.{digits}f} to {max(values) * scale:.{digits}f})"
            for values, scale, digits in ((one.first, 0.001, 2), (one.redraws, 1.0, 0))
        )
        lines.append(f"| {one.name} | {one.bytes / 1e6:.2f} | {first} | {redraw} |")
    return "\n".join(lines)


def polled(rounds: int) -> list[float]:
    """Milliseconds of each answer of the live server for 64 arms x 8 seeds: the first, then again after one of their logs grew."""
    line = (
        '{"step": 20, "tokens": 20480, "loss": 4.98, "lr": 0.0052, "grad_norm": 2.99, "tokens_per_s": 9998}\n'
    )
    with tempfile.TemporaryDirectory() as scratch:
        plan = [
            "plan",
            "study=demo",
            "design=full_factorial",
            f"design.factors=[{','.join(FACTORS)}]",
            "plan.probe=false",
        ]
        command = [sys.executable, "-m", "ablate", *plan, "seeds=[0,1,2,3,4,5,6,7]"]
        subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        folder = Path(scratch) / "studies" / "demo"
        logs = [run_folder(folder, run.arm, run.seed) / "log.txt" for run in Watch(folder).look().runs]
        assert len(logs) == 512
        for log in logs:
            log.parent.mkdir(parents=True)
            log.write_text(line * 200, encoding="utf-8")
        server = serve(folder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        times = []
        for number in range(rounds + 1):
            began = time.perf_counter()
            urlopen(f"http://127.0.0.1:{server.server_address[1]}/news.json").read()
            times.append(1000 * (time.perf_counter() - began))
            with logs[number].open("a", encoding="utf-8") as log:
                log.write(line)
        server.shutdown()
        server.server_close()
    return times


def main() -> None:
    """Measure and write."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="+", type=Path, help="folders with a study.json")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    pages = {
        ", ".join(path.name for path in args.studies): page(
            [with_copies(read_summary(path)) for path in args.studies]
        ),
        "made: 64 arms x 8 seeds x 20 tasks x 14 points": page([with_copies(from_dict(large(), "made"))]),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        found = [measure(browser, name, text, args.rounds) for name, text in pages.items()]
        version = browser.version
        browser.close()
    looked, *later = polled(args.rounds)
    command = f"python results/benchmarks/page.py {' '.join(path.as_posix() for path in args.studies)}"
    text = (
        "# The page: size and times\n\n"
        f"Median (range) of {args.rounds} openings as a file, offline; chromium {version}, headless, {os.cpu_count()} cores, "
        f"{platform.machine()}.\n\n{table(found)}\n\n"
        f"The live server's news of 512 runs with logs of 200 lines: first {looked:.0f} ms, then, after a log grew, "
        f"{statistics.median(later):.0f} ms ({min(later):.0f} to {max(later):.0f}).\n\nAgain: `{command}`.\n"
    )
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
