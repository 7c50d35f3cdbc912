"""What one more arm costs: the first full pipeline against each leave-one-out arm, and a 16-arm sweep.

    python results/benchmarks/marginal_arm.py --pages 100000 --out results/benchmarks/marginal_arm.md

The pages are the testbed's, curated by its recipe of ten stages. "The first full pipeline" is all that the first
arm has to do once the pool is read: extract, measure, relate, decide, tokenise, count, write the ledger. An arm is
made by the same call afterwards, in the same process, and so has everything that it shares with earlier arms.
Where a stage that rewrites texts is left out, the texts behind it are others than before: what is measured on
those texts is timed apart, as the price of a text version that no arm had made yet.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ablate.compose import compose, open_hydra
from ablate.config import plain
from ablate.corpus.annotate import Annotations
from ablate.store import Store
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.plan import ARM_KEYS, make_plan
from ablate.study.schema import Arm


class Stopwatch:
    """Seconds spent in slow halves that had something to do."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count the slow halves of the block."""
        inner = Annotations._fill
        depth = 0

        def fill(annotations: Annotations, operation: Any, *where: Any) -> Path:
            nonlocal depth
            before, begun = files(annotations), time.monotonic()
            depth += 1
            folder = inner(annotations, operation, *where)
            depth -= 1
            if depth == 0 and files(annotations) != before:
                self.seconds += time.monotonic() - begun
            return folder

        Annotations._fill = fill  # type: ignore[method-assign]
        try:
            yield
        finally:
            Annotations._fill = inner  # type: ignore[method-assign]


def files(annotations: Annotations) -> int:
    """How many pieces of work the store holds."""
    return sum(1 for _ in (annotations.store.root / "annotations").glob("*/*.arrow"))


def timed(builder: CorpusBuilder, arm: Arm) -> tuple[float, float, dict[str, Any]]:
    """Seconds of one arm, of which in slow halves, and what it kept."""
    watch, begun = Stopwatch(), time.monotonic()
    with watch.watching():
        info = builder.prepare(arm, seed=0).info
    return time.monotonic() - begun, watch.seconds, info


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="Markdown file for the figures")
    args = parser.parse_args()
    begun = time.monotonic()
    config = compose(["study=demo", f"pool.world.pages={args.pages}", "evaluate.limit=100"], open_hydra())
    plan = make_plan(config)
    arms = dict(plan.arms)
    names = [str(name) for name in plain(config.stages)]
    rng = np.random.default_rng(0)
    while len(arms) < 16:  # random subsets beside the leave-one-out arms
        off = [name for name in names if rng.random() < 0.5]
        base = {key: plain(config[key]) for key in ARM_KEYS}
        base["stages"] = {n: {**node, "enabled": n not in off} for n, node in base["stages"].items()}
        name = "without " + ", ".join(off)
        arms[name] = Arm(name=name, levels={}, config=base)
    with tempfile.TemporaryDirectory() as folder:
        builder = CorpusBuilder(arms["full"], Store(Path(folder)), args.workers)
        builder.pool  # noqa: B018  # read it now
        read = time.monotonic() - begun
        rows = []
        for name, arm in arms.items():
            total, slow, info = timed(builder, arm)
            rows.append((name, total, slow, info["documents"]))
            print(f"{name:60} {total:8.2f} s, {slow:8.2f} s of it measuring; {info['documents']:,} documents")
        builder.annotations.close()
    first = rows[0][1]
    toggles = [row for row in rows[1:] if row[0].startswith(("without_", "extraction=")) and row[2] == 0]
    rest = sum(total - slow for _, total, slow, _ in rows[1:])
    lines = "\n".join(
        f"| {name} | {documents:,} | {total:.2f} | {slow:.2f} | {total - slow:.2f} | {100 * (total - slow) / first:.2f} % |"
        for name, total, slow, documents in rows
    )
    worst = max((row[1] for row in toggles), default=float("nan"))
    text = f"""# What one more arm costs

`python results/benchmarks/marginal_arm.py --pages {args.pages} --workers {args.workers}`

| | |
| :-- | --: |
| documents | {args.pages:,} |
| first full pipeline, all ten stages | {first:.1f} s |
| dearest leave-one-out arm that needs no new text version | {worst:.2f} s, {100 * worst / first:.2f} % of it (goal: at most 1 %) |
| 16 arms together, without new text versions | {first + rest:.1f} s, {(first + rest) / first:.2f} times the first (goal: at most 1.5) |
| 16 arms together, new text versions included | {sum(row[1] for row in rows):.1f} s, {sum(row[1] for row in rows) / first:.2f} times the first |
| pages generated and read before | {read:.0f} s |
| machine | {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()} |

Seconds of each arm, in the order in which they were made. `measuring` is time in slow halves, on texts that no
earlier arm had (a rewriting stage was left out); an arm's own cost is the rest: decisions, funnel, ledger, index.

| arm | documents kept | seconds | measuring | own cost | of the first |
| :-- | --: | --: | --: | --: | --: |
{lines}

The last five are random subsets of the stages.
"""
    if args.out:
        args.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
