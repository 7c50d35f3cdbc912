"""From an arm's configuration to its corpus on disk, sharing all that arms have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ablate.config import make_pool
from ablate.corpus import dropped_texts
from ablate.corpus.annotate import Annotations, TextVersion
from ablate.corpus.funnel import funnel
from ablate.corpus.leaks import find_leaks, leak_finder, leak_key, leaked_items
from ablate.corpus.ledger import ledger_files, write_ledger
from ablate.corpus.mixture import Division, Mixture, MixtureStream
from ablate.corpus.planted import PlantedPart
from ablate.corpus.size_matched import SizeMatchedRemoval, size_matched
from ablate.corpus.tokenizer import prepare_tokenizer
from ablate.corpus.tokens import TokenCounter, Tokenize, TokenStream, open_stream, token_counts, tokenize
from ablate.corpus.view import Part, build_corpus, corpus_key, overlap
from ablate.design.controls import CONTROL
from ablate.errors import under
from ablate.executor.task import Executor
from ablate.fingerprint import digest
from ablate.pool.pool import Pool, build_pool
from ablate.stages.base import Groups, Relation, Stage
from ablate.store import (
    Damaged,
    Store,
    atomic,
    discard,
    making,
    once,
    read_json,
    say,
    whole,
    write_json,
    write_table,
)
from ablate.study.chance import AS_CONFIGURED, Draw, draw_of
from ablate.study.schema import Arm
from ablate.study.seeds import own_seed
from ablate.study.tokenizer_text import text_stage

T = TypeVar("T")
CORPUS = "corpus.json"
"""What a corpus is and which files are its; written last."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """An arm's corpus, built and stored.

    Attributes:
        key: names it in the store.
        info: what `corpus.json` says: content, documents, bytes, unique_tokens, funnel.
        version, rows: the texts.
        draw: what the run's seed decided.
        part: of the pool that was curated; None for all of it.
        stages: that made it.
        tokenizer: that its tokens are of.
        division: its documents as the arm's mixture divides them; None without a mixture.
    """

    key: str
    info: dict[str, Any]
    version: TextVersion
    rows: np.ndarray
    draw: Draw
    part: Part | None
    stages: Sequence[Stage]
    tokenizer: Tokenize
    division: Division | None = None

    @property
    def one_pass(self) -> int:
        """Tokens of one pass over it, see `Division.one_pass`."""
        return self.division.one_pass if self.division else int(self.info["unique_tokens"])


class CorpusBuilder:
    """One pool with its annotations and tokenizer, from which arms' corpora are made.

    Args:
        arm: any; the pool and the tokenizer are those of all arms.
        store: where everything is kept.
        workers: processes of this machine for curation; None for one per core.
        executor: who curates; None for those processes.
    """

    def __init__(
        self, arm: Arm, store: Store, workers: int | None = None, executor: Executor | None = None
    ) -> None:
        self.arm, self.store, self.workers, self.executor = arm, store, workers, executor
        self.tokenizers: dict[Draw, Tokenize] = {}
        self._divisions: dict[tuple[str, str], Division] = {}
        self._cpu_s: dict[tuple[str, str, tuple[str, ...]], dict[str, float]] = {}
        self._clusters: tuple[tuple[str, str], np.ndarray] | None = None

    def __enter__(self) -> CorpusBuilder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End its worker processes and let go of their memory; they start again when something is to be measured."""
        if "annotations" in vars(self):
            self.annotations.close()

    @cached_property
    def pool(self) -> Pool:
        """The raw documents, read now if they were not read before."""
        with under("pool"):
            return build_pool(make_pool(self.arm.config["pool"]), self.store, workers=self.workers)

    @cached_property
    def annotations(self) -> Annotations:
        """What was measured on the pool."""
        return Annotations(self.pool, self.store, self.workers, executor=self.executor)

    @property
    def tokenizer(self) -> Tokenize:
        """The tokenizer that runs share whose seeds do not draw their own."""
        return self.tokenizer_of(AS_CONFIGURED)

    def tokenizer_of(self, draw: Draw) -> Tokenize:
        """Return the tokenizer all arms share, trained if need be on the text that `tokenizer.text` makes of pages.

        Args:
            draw: of a run's seed; one that draws a tokenizer trains it on its own sample, of its own shard.
        Raises:
            ConfigError: when the pool holds HTML and nothing says how it becomes text.
        """
        config = self.arm.tokenizer
        drawn = AS_CONFIGURED if draw.tokenizer is None else Draw(draw.shard, tokenizer=draw.tokenizer)
        if drawn in self.tokenizers:
            return self.tokenizers[drawn]
        version = self.annotations.root()
        if not config.pretrained and self.pool.is_html.any() and (stage := text_stage(self.arm.config)):
            version = self.annotations.transform(version, stage)
        folder = prepare_tokenizer(
            config, self.annotations, version, self.store, seed=drawn.tokenizer or 0, shard=drawn.shard
        )
        return self.tokenizers.setdefault(drawn, tokenize(folder))

    def prepare(self, arm: Arm, seed: int) -> Prepared:
        """Build the corpus that an arm has under a seed, or find it; most arms have the same under every seed.

        Raises:
            DataError: when a stage drops everything.
            StageError: when a stage raises.
        """
        draw = draw_of(arm, seed)
        part = overlap(draw.shard, PlantedPart.of(arm.config))
        found = self.curated(self._stages_of(arm, seed), self.tokenizer_of(draw), draw, part)
        mixture = Mixture.of(arm.config)
        return found if mixture is None else replace(found, division=self._divide(found, mixture))

    def curated(
        self,
        stages: Sequence[Stage],
        tokenizer: Tokenize,
        draw: Draw = AS_CONFIGURED,
        part: Part | None = None,
    ) -> Prepared:
        """Build the corpus that some stages make of the pool, or find it.

        Args:
            stages: in order.
            tokenizer: that its tokens are of.
            draw: of the run's seed that it is for.
            part: of the pool that goes in; None for all of it.
        Raises:
            DataError, StageError: as for `prepare`.
        """
        recipe = corpus_key(self.pool.name, stages, part)
        identity = {"corpus": recipe, "tokenizer": tokenizer.digest}
        folder = self.store.folder("corpora", digest(identity), identity)
        if not _whole_corpus(folder):
            with making(folder, "building this corpus"):
                if not _whole_corpus(folder):
                    self._build(stages, part, tokenizer, folder)
        info = read_json(folder / CORPUS)
        version = TextVersion(info["version"], tuple(info["segments"]), np.load(folder / "which.npy"))
        rows = np.load(folder / "rows.npy")
        return Prepared(folder.name, info, version, rows, draw, part, stages, tokenizer)

    def _divide(self, prepared: Prepared, mixture: Mixture) -> Division:
        """A corpus as a mixture divides it."""
        place = (prepared.key, digest(mixture.weights))
        if place not in self._divisions:
            count = partial(
                token_counts, self.annotations, prepared.tokenizer, prepared.version, prepared.rows
            )
            sources = self.pool.column("source").take(prepared.rows).to_pylist()
            synthetic = self.pool.is_synthetic[prepared.rows]
            self._divisions[place] = mixture.divide(sources, synthetic, self.mended(prepared, count))
        return self._divisions[place]

    def _stages_of(self, arm: Arm, seed: int) -> Sequence[Stage]:
        """The stages that make an arm's corpus under a seed.

        Those of a control are the recipe's without the stage that it controls, and behind them a removal at random, drawn
        anew for each seed, that leaves as many tokens as the whole recipe does. Behind them and not at the stage's place,
        since what a later stage would have removed anyway is no volume that this one takes; for stages that judge
        documents one by one the place makes no difference.
        """
        controlled = arm.config.get(CONTROL)
        if controlled is None:
            return arm.stages(draw_of(arm, seed).stages)
        full, stages = arm.without(CONTROL), arm.config["stages"]
        without = full.having(stages={**stages, controlled: {**stages[controlled], "enabled": False}})
        tokens, rest = self.prepare(full, seed).info["unique_tokens"], self.prepare(without, seed)
        count = partial(token_counts, self.annotations, rest.tokenizer, rest.version, rest.rows)
        draws = self.annotations.measure(rest.version, SizeMatchedRemoval())
        here = {name: column[rest.rows] for name, column in draws.items()}
        removal = size_matched(here, self.mended(rest, count), tokens=tokens, seed=own_seed(arm, seed))
        return [*rest.stages, removal]

    def _build(self, stages: Sequence[Stage], part: Part | None, tokenizer: Tokenize, folder: Path) -> None:
        discard(folder / CORPUS)
        corpus = build_corpus(stages, self.annotations, part)
        counter = TokenCounter(self.annotations, tokenizer)
        lines = funnel(corpus, self.annotations, counter)
        texts = dropped_texts.dropped_texts(corpus, self.annotations)
        dropped_texts.write_dropped_texts(folder / dropped_texts.FILE, texts)
        self.annotations.close()  # all is measured; the ledger and the index need the memory
        write_ledger(corpus, self.annotations, folder / "ledger")
        stream = open_stream(self.annotations, tokenizer, corpus.version, corpus.rows, seed=0, context=1)
        for name, array in (("rows", corpus.rows), ("which", corpus.version.which)):
            with atomic(folder / f"{name}.npy", seal=True) as path, path.open("wb") as file:
                np.save(file, array)
        write_json(
            folder / CORPUS,
            {
                "key": corpus.key,
                "content": corpus.content,
                "version": corpus.version.key,
                "segments": corpus.version.segments,
                "documents": int(corpus.rows.size),
                "bytes": lines[-1]["bytes"],
                "unique_tokens": stream.unique_tokens,
                "funnel": lines,
                "files": [
                    "rows.npy",
                    "which.npy",
                    dropped_texts.FILE,
                    *(f"ledger/{name}" for name in ledger_files(corpus)),
                ],
            },
            seal=True,
        )

    def dropped_texts(self, prepared: Prepared) -> Path | None:
        """Return the file of texts that an arm's stages dropped; None for a corpus that an earlier version built."""
        path = self.store.root / "corpora" / prepared.key / dropped_texts.FILE
        return path if path.exists() else None

    def mended(self, prepared: Prepared, use: Callable[[], T]) -> T:
        """Return what `use` gives; where texts that a stored corpus rests on turn out damaged, they are made again."""
        try:
            return use()
        except Damaged as problem:
            say(f"{problem.args[0].split(';')[0]}; the texts of corpus {prepared.key} are made again")
        self.annotations.forget()
        build_corpus(prepared.stages, self.annotations, prepared.part)
        return use()

    def curation_cpu_s(self, prepared: Prepared) -> dict[str, float]:
        """Return CPU-seconds of each stage's slow half, and of tokenising, on the texts this arm went through.

        What was measured once for several arms counts for each: it is what the arm would take alone.
        """
        names = tuple(stage.name for stage in prepared.stages)
        key = prepared.key, prepared.tokenizer.digest, names
        if key not in self._cpu_s:  # once for all runs of an arm: every part of the store is asked
            rows = None if prepared.part is None else prepared.part.rows(self.pool)
            cpu_s = partial(self.annotations.cpu_s, segments=prepared.version.segments, rows=rows)
            spent = {stage.name: sum(map(cpu_s, stage.steps())) for stage in prepared.stages}
            self._cpu_s[key] = spent | {"tokenize": cpu_s(prepared.tokenizer)}
        return self._cpu_s[key]

    def leaks(self, arm: Arm, prepared: Prepared) -> dict[str, Any] | None:
        """Return which items of the scored tasks an arm's corpus gives away; None when they are not there as files.

        Returns:
            `method` and `match` (how they are found), `documents` (that give any away), `tasks` (name -> items).
        """
        finder = leak_finder(arm.config)
        if finder is None:
            return None
        identity = {"leaks": leak_key(finder), "content": prepared.info["content"]}
        folder = self.store.folder("leaks", digest(identity), identity)
        table, summary = folder / "leaks.parquet", folder / "leaks.json"

        def make() -> None:
            find = partial(find_leaks, self.annotations, prepared.version, prepared.rows, finder)
            found = self.mended(prepared, find)
            write_table(table, found, seal=True)
            about = {"method": finder.method, "match": finder.match, "documents": len(found["row"].unique())}
            write_json(summary, {**about, "tasks": leaked_items(found, finder.tasks)}, seal=True)

        once("looking for leaked items", make, table, summary)
        return dict(read_json(summary))

    def stream(
        self, prepared: Prepared, *, seed: int, context: int, subset: tuple[int, int] | None = None
    ) -> TokenStream:
        """Return the stream over an arm's corpus as it is, see `TokenStream`."""
        return self._stream(prepared, prepared.rows, seed, context, subset)

    def mixed_stream(
        self, prepared: Prepared, *, seed: int, context: int, subset: tuple[int, int] | None = None
    ) -> TokenStream | MixtureStream:
        """Return what a run of an arm reads: its corpus as it is, or in the shares of its mixture; arguments as for `stream`."""
        if prepared.division is None:
            return self.stream(prepared, seed=seed, context=context, subset=subset)
        parts = prepared.division.parts
        read = None if subset is None else prepared.division.read(subset[1], context)
        streams = [
            self._stream(
                prepared,
                prepared.rows[part.members],
                seed,
                context,
                (subset[0], read[number].tokens) if subset and read else None,
            )
            if part.weight
            else None
            for number, part in enumerate(parts)
        ]
        return MixtureStream(streams, prepared.division, context)

    def _stream(
        self, prepared: Prepared, rows: np.ndarray, seed: int, context: int, subset: tuple[int, int] | None
    ) -> TokenStream:
        return self.mended(
            prepared,
            lambda: open_stream(
                self.annotations,
                prepared.tokenizer,
                prepared.version,
                rows,
                seed=seed,
                context=context,
                subset=subset,
            ),
        )

    def groups(self, prepared: Prepared, step: Relation) -> Groups:
        """Return which documents of an arm's text version belong together according to `step`."""
        return self.mended(prepared, lambda: self.annotations.groups(prepared.version, step))

    def clusters(self, prepared: Prepared, step: Relation) -> np.ndarray:
        """Number the groups of an arm's documents according to `step`: a label for each of its rows.

        Runs of one arm follow one another, so the last answer is kept.
        """
        key = prepared.key, digest(step.relate_identity())
        if self._clusters is None or self._clusters[0] != key:
            self._clusters = key, self.groups(prepared, step).clusters(prepared.rows, len(self.pool))
        return self._clusters[1]


def _whole_corpus(folder: Path) -> bool:
    """Whether every file of a stored corpus is there as it was written."""
    about = folder / CORPUS
    return whole(about) and all([whole(folder / name) for name in read_json(about)["files"]])
