"""How well each extractor finds the main text of pages, against texts that are known.

Reads pages from the pool and gold texts by their url; scores the methods of the extraction stage (raw,
resiliparse, trafilatura, ...) by precision, recall and F1 over word 4-grams, per kind of gold text and language,
with intervals, and says how many pages a second each does. Writes extraction.md and extraction.csv into
<study.dir>/extraction; all but the speed is the same every time.

  inspect.gold=gold.jsonl.gz       a JSON object a line: url, text; gold_kind and language where known
  inspect.segments=seg.jsonl.gz    likewise: url, with, without: segments of the main text, of the boilerplate
  inspect.methods=[resiliparse]    only these
  inspect.resamples=1000           of the bootstrap over pages

Example: ablate inspect extraction study.name=web pool=warc 'pool.paths=[web/*.warc.gz]' inspect.gold=gold.jsonl.gz
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig

from ablate.config import make_pool, plain
from ablate.errors import ConfigError, DataError, nearest, under
from ablate.inspect.extraction_page import extraction_page, table, terminal, to_csv
from ablate.inspect.extraction_score import Extractor, Gold, evaluate, read_gold, read_segments
from ablate.pool.pool import Pool, build_pool
from ablate.stages.extraction import METHODS, Extraction
from ablate.store import Store, write_text
from ablate.study.plan import folder_of


def main(config: DictConfig) -> int:
    """Score; returns the exit status."""
    gold = gold_of(gold=config.inspect.gold, segments=config.inspect.segments)
    methods = {name: Extraction(method=name).transform for name in _chosen(plain(config.inspect.methods))}
    with under("pool"):
        pool = build_pool(make_pool(config.pool), Store(Path(config.store)))
    folder = folder_of(config) / "extraction"
    print(
        write(folder, config.study.title or config.study.name, gold, pool, methods, config.inspect.resamples)
    )
    print(f"\nextraction: {folder / 'extraction.md'}")
    return 0


def _chosen(methods: list[str] | None) -> list[str]:
    for name in methods or ():
        if name not in METHODS:
            raise ConfigError(f"inspect.methods: unknown method {name!r}: {nearest(name, METHODS)}")
    return list(methods or METHODS)


def gold_of(*, gold: str | None, segments: str | None) -> list[Gold]:
    """What is known of the pages.

    Raises:
        ConfigError: when no file is given.
    """
    if not gold and not segments:
        raise ConfigError(
            "nothing to compare with: give inspect.gold=<file> or inspect.segments=<file>, or both"
        )
    return [*(read_gold(Path(gold)) if gold else []), *(read_segments(Path(segments)) if segments else [])]


def write(
    folder: Path, title: str, gold: list[Gold], pool: Pool, methods: Mapping[str, Extractor], resamples: int
) -> str:
    """Score, write the page and the table; returns what the terminal shows.

    Raises:
        DataError: when the pool holds no page of the gold file.
    """
    pages = pages_of(pool, {one.url for one in gold})
    if not pages:
        raise DataError(
            f"none of {len(gold):,} urls of the gold file is an HTML page of the pool ({len(pool):,} documents)"
        )
    scored = evaluate(gold, pages, methods)
    rows = table(scored, resamples)
    n_bytes = sum(len(page.encode()) for page in pages.values())
    facts = {
        "pages": f"{len(pages):,} of {len({one.url for one in gold}):,} known ones are in the pool, {n_bytes / 1e6:,.1f} MB of HTML",
        "pool": f"`{pool.digest}`, {len(pool):,} documents",
        "bootstrap": f"{resamples:,} resamples",
    }
    write_text(folder / "extraction.csv", to_csv(rows))
    write_text(folder / "extraction.md", extraction_page(title, facts, scored, rows))
    return terminal(scored, rows)


def pages_of(pool: Pool, urls: set[str]) -> dict[str, str]:
    """url -> HTML of the pool's pages with these addresses; the first where one stands twice."""
    address = pool.column("url")
    known = pc.is_in(address, value_set=pa.array(sorted(urls), pa.string()))
    wanted = np.asarray(known.to_numpy()) & pool.is_html
    pages: dict[str, str] = {}
    for shard, rows in pool.rows_by_shard(np.flatnonzero(wanted)):
        texts = pool.shard(shard, "text").column("text")
        for row in rows.tolist():
            pages.setdefault(address[row].as_py(), texts[row - pool.bounds[shard]].as_py())
    return pages
