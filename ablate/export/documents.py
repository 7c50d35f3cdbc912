"""A corpus written out: cut into shards that processes write side by side, and that stay when the command is interrupted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ablate.corpus.tokenizer import load_tokenizer
from ablate.corpus.tokens import document_order, token_counts
from ablate.errors import AblateError, ConfigError
from ablate.export.base import DATA, TokenFormat, format_of
from ablate.export.card import Origin, card
from ablate.export.shard import Corpus, Task, forget
from ablate.lifeline import end_with
from ablate.plain import Plain
from ablate.progress import track
from ablate.provenance import provenance
from ablate.settings import ExportConfig
from ablate.store import content_sum, making, read_json, sum_path, write_json, write_text
from ablate.study.corpus_builder import CorpusBuilder, Prepared

INDEX = "export.json"
"""Says what an export is and sums its files; written last."""
BEGUN = ".begun.json"
"""What an unfinished export is to be."""
TOKENIZER = "tokenizer"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: where.
        documents, tokens: of the corpus.
        shards: written now, and those that were there already.
    """

    folder: Path
    documents: int
    tokens: int
    shards: tuple[int, int]


def export(
    builder: CorpusBuilder,
    prepared: Prepared,
    origin: Origin,
    asked: ExportConfig,
    folder: Path,
    *,
    order_seed: int | None,
) -> Exported:
    """Write a corpus into a folder; shards that are there already stay as they are.

    Shards are cut by size in the order of the documents, so they do not depend on how many processes write them, and the
    same corpus gives the same bytes. The folder is finished when `export.json` is there.

    Args:
        order_seed: documents stand as a run reads them whose order has this seed; None for the order of the pool.
    Raises:
        ConfigError: for a folder with another export, or with other files.
        AblateError: when a process that writes is killed.
    """
    format = format_of(asked.format)
    places = np.arange(prepared.rows.size)
    if order_seed is not None:
        places = document_order(builder.pool.keys[prepared.rows], order_seed)
    counts = builder.mended(
        prepared,
        lambda: token_counts(builder.annotations, prepared.tokenizer, prepared.version, prepared.rows),
    )  # makes what is damaged again
    tokens = int(counts.sum())
    if isinstance(format, TokenFormat):
        sizes = counts * (2 if len(load_tokenizer(prepared.tokenizer.folder)) <= 65_536 else 4)
    else:
        sizes = builder.annotations.sizes(prepared.version)[prepared.rows]
    builder.annotations.close()
    cuts = cut(sizes[places], int(asked.shard_mb * 1e6))
    identity: dict[str, Plain] = {
        "export": 1,
        "corpus": origin.corpus,
        "content": origin.content,
        "tokenizer": origin.tokenizer,
        "format": asked.format,
        "order_seed": order_seed,
        "shards": len(cuts) - 1,
        "shard_mb": asked.shard_mb,
    }
    corpus = Corpus(
        builder.pool.folder,
        builder.store.root,
        prepared.key,
        prepared.version.key,
        prepared.version.segments,
        prepared.tokenizer,
    )
    stem = "tokens" if isinstance(format, TokenFormat) else "train"
    tasks = [
        Task(
            corpus,
            prepared.rows[places[first:last]],
            asked.format,
            folder,
            f"{stem}-{number:05d}-of-{len(cuts) - 1:05d}",
        )
        for number, (first, last) in enumerate(pairwise(cuts))
    ]
    _claim(folder, identity)
    with making(folder, f"exporting to {folder}"):
        sums = _listed(folder)
        left = [task for task in tasks if not (_as_listed(task, sums) if sums else task.done)]
        if sums and not left:
            return Exported(folder, int(prepared.rows.size), tokens, (0, len(tasks)))
        write_json(folder / BEGUN, identity)
        builder.mended(prepared, lambda: write_all([task for task in left if not task.done], builder.workers))
        format.finish(folder / DATA, [task.finished for task in tasks])
        if format.with_tokenizer:
            shutil.copytree(
                prepared.tokenizer.folder,
                folder / TOKENIZER,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns(".*", "files.json", "identity.json"),
            )
        text = card(
            origin, format, str(folder), documents=int(prepared.rows.size), tokens=tokens, shards=len(tasks)
        )
        write_text(folder / "README.md", text)
        write_json(folder / INDEX, {**identity, **_about(origin, folder, tokens, tasks)})
        for path in (folder / BEGUN, *(sum_path(path) for task in tasks for path in task.paths)):
            path.unlink(missing_ok=True)  # their sums stand in the index
    return Exported(folder, int(prepared.rows.size), tokens, (len(left), len(tasks) - len(left)))


def cut(sizes: np.ndarray, most: int) -> list[int]:
    """Where shards begin and end, so that none but a single large document has more than `most` bytes."""
    cuts, held = [0], 0
    for place, size in enumerate(sizes.tolist()):
        if held and held + size > most:
            cuts.append(place)
            held = 0
        held += size
    return [*cuts, sizes.size]


def write_all(tasks: Sequence[Task], workers: int | None) -> None:
    """Write shards in so many processes, or here when one is enough."""
    workers = min(workers or os.cpu_count() or 1, len(tasks))
    if workers <= 1:
        forget()
        for task in track(tasks, "exporting", unit="shard"):
            task.do()
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("forkserver"), initializer=end_with, initargs=(os.getpid(),)
    ) as pool:
        running = [pool.submit(task.do) for task in tasks]
        try:
            for done in track(as_completed(running), "exporting", total=len(running), unit="shard"):
                done.result()
        except BrokenProcessPool:
            raise AblateError(
                "a process that writes shards was killed (no memory?). Those that are finished are kept; run the same command "
                "again, with fewer workers=, or smaller shards into another folder: export.shard_mb="
            ) from None
        finally:
            for future in running:
                future.cancel()


def _claim(folder: Path, identity: dict[str, Plain]) -> None:
    """Make sure that nothing else lies in the folder."""
    told = next((path for path in (folder / INDEX, folder / BEGUN) if path.exists()), None)
    if told is None:
        if folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise ConfigError(f"export.to: {folder} holds other files; name a folder that is new or empty")
        return
    there = read_json(told)
    for key, value in identity.items():
        if there.get(key) != value:
            raise ConfigError(
                f"{folder} holds another export ({key} {there.get(key)}, now {value}); delete it, or name another folder: export.to="
            )


def _listed(folder: Path) -> dict[str, str]:
    """Sums of the files of a finished export; none of one that is not finished."""
    if not (folder / INDEX).exists():
        return {}
    return {file["file"]: file["xxh3_128"] for file in read_json(folder / INDEX)["files"]}


def _as_listed(task: Task, sums: dict[str, str]) -> bool:
    """Whether the files of a shard are as `export.json` has them."""
    names = [(path, path.relative_to(task.folder).as_posix()) for path in task.paths]
    return all(path.exists() and content_sum(path) == sums.get(name) for path, name in names)


def _about(origin: Origin, folder: Path, tokens: int, tasks: Sequence[Task]) -> dict[str, object]:
    files = [
        {
            "file": path.relative_to(folder).as_posix(),
            "documents": int(task.rows.size),
            "bytes": path.stat().st_size,
            "xxh3_128": content_sum(path),
        }
        for task in tasks
        for path in task.paths
    ]
    return {
        "documents": sum(task.rows.size for task in tasks),
        "tokens": tokens,
        **asdict(origin),
        "provenance": provenance(),
        "files": files,
    }
