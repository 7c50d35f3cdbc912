"""Curate a generated web through an executor and print what came out, so that ways of doing it can be compared.

python -m tests.executor.curate --pages 600 --shard 40 executor=ray executor.address=auto

In the working folder: the store, and `notes`, a line for each task that began.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from ablate.compose import compose
from ablate.config import make, make_pool, make_stages, plain
from ablate.corpus.annotate import Annotations, open_parts
from ablate.corpus.view import build_corpus
from ablate.pool.pool import build_pool
from ablate.stages.line_dedup import LineDedup
from ablate.stages.substring_dedup import SubstringDedup
from ablate.store import Store
from tests.executor.noted import NotedExecutor

NOTES = "notes"


def main() -> None:
    """Curate, and print a digest for each thing that was made, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, required=True)
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--seed", type=int)
    args, overrides = parser.parse_known_args()
    config = compose(["study=demo", "recipe=testbed", f"pool.world.pages={args.pages}", *overrides])
    recipe = {key: plain(config[key]) for key in ("recipe", "stages", "evaluate")}
    store = Store(Path(config.store))
    pool = build_pool(make_pool(plain(config.pool)), store, args.shard)
    executor = NotedExecutor(make(config.executor, "executor"), Path(NOTES), args.seed)
    annotations = Annotations(pool, store, executor=executor)
    stages = [*make_stages(recipe), LineDedup(), SubstringDedup()]
    try:
        corpus = build_corpus(stages, annotations)
        texts = hashlib.blake2b(digest_size=16)
        for row, text in annotations.texts(corpus.version, corpus.rows):
            texts.update(f"{row} {text}\0".encode())
    finally:
        annotations.close()
    made = {"pool": pool.digest, "key": corpus.key, "content": corpus.content, "texts": texts.hexdigest()}
    print(json.dumps(made | dict(sorted(annotations_of(store)))))


def annotations_of(store: Store) -> Iterator[tuple[str, str]]:
    """Each annotation's name, and a digest of its rows, however they are cut into files."""
    for folder in sorted((store.root / "annotations").iterdir()):
        table = pa.concat_tables(list(open_parts(folder)), promote_options="permissive").sort_by("row")
        _, first = np.unique(table["row"].to_numpy(), return_index=True)
        rows = json.dumps(table.take(first).replace_schema_metadata().to_pydict())
        yield folder.name, hashlib.blake2b(rows.encode(), digest_size=16).hexdigest()


if __name__ == "__main__":
    main()
