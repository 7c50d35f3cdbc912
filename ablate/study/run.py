"""Does runs: trains and evaluates an arm under a seed, and writes its `record.json`.

What a run computes is kept in the store under its run key, so studies share it: a checkpoint while it trains, then
`result.json` and `items.parquet`. A study's folder holds, for each of its runs, a `record.json` made from that result and
from what is known of the arm's corpus, or a `failed.json` with the reason why there is none.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.config import identified, make, make_stages, renamed
from ablate.corpus.branch import BranchStream
from ablate.corpus.budget import BudgetConfig, Copies, copies_seen
from ablate.corpus.mixture import Division, Mixture, MixtureStream
from ablate.corpus.tokenizer import load_tokenizer
from ablate.corpus.tokens import Tokenize, TokenStream
from ablate.corpus.written import WrittenText
from ablate.effects.repetition import effective_tokens
from ablate.errors import AblateError, DataError
from ablate.executor.task import Executor
from ablate.extras import missing_extra
from ablate.fingerprint import canonical_json, digest, library_versions
from ablate.plain import Plain
from ablate.provenance import provenance
from ablate.shape import from_json, to_json
from ablate.stages.base import Relation, Stage
from ablate.store import (
    ABSENT,
    SUM,
    UNSEALED,
    Store,
    atomic,
    clear_parts,
    fault,
    lock,
    read_json,
    whole,
    write_json,
    write_table,
    write_text,
)
from ablate.study.chain import KEY as CHAIN
from ablate.study.chain import Chain, gate_of, read, text_at, write
from ablate.study.corpus_builder import CorpusBuilder, Prepared
from ablate.study.plan import load_plan, run_folder
from ablate.study.record import Record, read_record, write_record
from ablate.study.schema import Plan
from ablate.study.seeds import run_seeds
from ablate.study.tracked import (
    PROGRESS,
    add_point,
    joined,
    of_progress,
    read_progress,
    tracked,
    tracked_run,
)
from ablate.study.trunk import NOT_OF_BRANCHES, Origin, Origins, Trunk, train_trunks
from ablate.tracking.guard import Guard
from ablate.tracking.tracker import NoTracker
from ablate.train.kept import Kept, is_kept, keep

if TYPE_CHECKING:
    from ablate.train.loop import Progress

Reading = TokenStream | BranchStream | MixtureStream
"""What a run reads."""
RunName = tuple[str, int]
"""Names a run: an arm and a seed."""

RUN_FORMAT = 2
SHOW_EVERY_S = 5.0
"""How often a run in training is shown, beside at its checkpoints."""
LIBRARIES = ("torch",)
"""Distributions whose version may change what a run computes; stages, tokenizer and tasks name theirs themselves."""


def budget_tokens(config: Mapping[str, Any], prepared: Prepared) -> int:
    """Return how many tokens an arm trains on.

    Args:
        config: the arm's; `budget.match` says whether it is the plan's number of tokens or one pass over its corpus.
        prepared: that corpus.
    """
    budget: BudgetConfig = make(config["budget"], "budget")
    return int(config["train"]["tokens"]) if budget.match == "tokens" else prepared.one_pass


@lru_cache(maxsize=16)
def _evaluator(evaluate: str, tokenizer: Path, context: int, store: Path) -> Any:
    from ablate.evaluate.evaluator import Evaluator

    return Evaluator(make(json.loads(evaluate), "evaluate"), load_tokenizer(tokenizer), context, Store(store))


def evaluator_of(config: Mapping[str, Any], tokenizer: Tokenize, store: Store) -> Any:
    """Return the evaluator of runs with this configuration and tokenizer; it is built once per process."""
    return _evaluator(
        canonical_json(renamed(identified(config["evaluate"]))),
        tokenizer.folder,
        config["proxy"]["context"],
        store.root,
    )


def run_key(
    config: Mapping[str, Any], prepared: Prepared, store: Store, seed: int, origin: Origin | None = None
) -> str:
    """Return what names a run's result: the same texts, model, settings, tasks, seed and origin give the same.

    Args:
        config: the arm's.
        prepared: its corpus.
        store: where tasks that are fetched once lie.
        seed: the run's.
        origin: what it branches off; None from scratch.
    """
    name, chain = _namer(config, prepared, store, seed, origin), Chain.of(config)
    documents, gate = int(prepared.info["documents"]), gate_of(prepared.stages)
    return name(chain.reads(name, documents, gate) if chain else None)


def parent_key(
    config: Mapping[str, Any], prepared: Prepared, store: Store, seed: int, origin: Origin | None = None
) -> str | None:
    """Return what names the run that wrote the last text which a run of a chain reads; None where there is none.

    Args:
        config, prepared, store, seed, origin: as for `run_key`.
    """
    chain = Chain.of(config)
    if chain is None:
        return None
    documents, gate = int(prepared.info["documents"]), gate_of(prepared.stages)
    return chain.parent(_namer(config, prepared, store, seed, origin), documents, gate)


def _namer(
    config: Mapping[str, Any], prepared: Prepared, store: Store, seed: int, origin: Origin | None
) -> Callable[[Plain], str]:
    """Return what names the run of each generation of an arm's chain, by what it reads; None: the arm's own text."""
    without = ("tokens", *(NOT_OF_BRANCHES if origin else ()))
    train = {name: value for name, value in identified(config["train"]).items() if name not in without}
    weights, order, subset = run_seeds(config, seed)
    same = {
        "format": RUN_FORMAT,
        "content": prepared.info["content"],
        "tokenizer": prepared.tokenizer.digest,
        "libraries": library_versions(LIBRARIES),
        "proxy": identified(config["proxy"]),
        "train": train,
        "primary": config["evaluate"]["primary"],
        "seed": weights if weights == order else [weights, order],
        **({} if subset is None else {"subset": subset}),
        **({"origin": origin.key} if origin else {}),
        "tokens": budget_tokens(config, prepared),
        **({"mixture": mixture.weights} if (mixture := Mixture.of(config)) else {}),
        "evaluate": evaluator_of(config, prepared.tokenizer, store).digest,
    }
    return lambda reads: digest({**same, **({} if reads is None else {"chain": reads})})


def run_jobs(
    study: Path, store: Store, runs: Sequence[RunName], *, workers: int | None = 1, threads: int | None = None
) -> bool:
    """Do some runs of a planned study; returns whether none of them failed.

    A failure does not raise: it is written to the run's `failed.json` and `log.txt`, and the other runs go on.

    Args:
        workers: processes for curation that is still to do.
        threads: CPU threads, where `train.threads` leaves them open.
    """
    failures: dict[RunName, Exception] = {}
    tracker: Guard | None = None
    with ExitStack() as stack:
        locked = []
        for arm, seed in runs:
            with catch(failures, (arm, seed)):
                what = f"run {arm}, seed {seed}"
                stack.enter_context(lock(lock_path(study, arm, seed), what, wait=True))
                locked.append((arm, seed))
        try:
            plan = load_plan(study)
            tracker = guarded(plan)
            with builder_of(plan, store, workers) as builder:
                failures |= execute(plan, builder, study, locked, threads, tracker)
        except Exception as error:
            failures |= dict.fromkeys(locked, error)
        for (arm, seed), problem in failures.items():
            mark_failed(study, arm, seed, problem)
            if tracker:
                show_run(tracker, plan, study, arm, seed)
    return not failures


def guarded(plan: Plan) -> Guard:
    """Return the plan's tracker; what goes wrong with it costs a warning."""
    return Guard(lambda: make(plan.tracker, "tracker"))


def show_run(tracker: Guard, plan: Plan, study: Path, arm: str, seed: int) -> bool:
    """Show a run that ended as its folder tells it; returns whether the tracker has it now."""
    if tracker.silent:
        return False
    try:
        run = tracked(plan, study, arm, seed)
    except Exception as error:
        tracker.warn(error)
        return False
    return run is not None and tracker.show(run)


def trunk_jobs(
    study: Path, store: Store, runs: Sequence[RunName], *, workers: int | None = 1, threads: int | None = None
) -> bool:
    """Train the trunks that some runs branch off; returns whether none of them failed.

    Args:
        workers, threads: as for `run_jobs`.
    """
    plan = load_plan(study)
    with builder_of(plan, store, workers) as builder:
        origins = Origins(plan, builder)
        found = [origins.of(plan.arms[arm].config, seed) for arm, seed in runs]
        return not train_trunks([one for one in found if isinstance(one, Trunk)], threads)


def corpora_job(
    study: Path,
    store: Store,
    runs: Sequence[RunName],
    *,
    workers: int | None = 1,
    executor: Executor | None = None,
    threads: int | None = None,
) -> bool:
    """Build the corpora that some runs read, so that whoever asks for them next finds them; returns whether all could be.

    Args:
        workers, threads: as for `run_jobs`; nothing is trained.
        executor: who curates; None for so many processes of this machine.
    """
    plan = load_plan(study)
    failures: dict[RunName, Exception] = {}
    with builder_of(plan, store, workers, executor) as builder:
        origins = Origins(plan, builder)
        for arm, seed in runs:
            with catch(failures, (arm, seed)):  # who builds it next says so
                config = plan.arms[arm].config
                run_key(config, builder.prepare(config, seed), store, seed, origins.of(config, seed))
    corpora_built(plan, store, runs).touch()
    return not failures


def corpora_built(plan: Plan, store: Store, runs: Sequence[RunName]) -> Path:
    """Return the file that is there once a job has built the corpora of some runs."""
    return store.root / "jobs" / f"corpora-{digest([plan.digest, [list(run) for run in runs]])[:16]}.done"


@contextmanager
def builder_of(
    plan: Plan, store: Store, workers: int | None, executor: Executor | None = None
) -> Iterator[CorpusBuilder]:
    """Open the builder that builds the corpora of a plan's arms; its worker processes end with the block."""
    builder = CorpusBuilder(plan.reference_arm.config, store, workers, executor)
    try:
        yield builder
    finally:
        builder.annotations.close()


def lock_path(study: Path, arm: str, seed: int) -> Path:
    """Return the file that a process holds locked while it does a run."""
    return run_folder(study, arm, seed) / ".lock"


def is_done(folder: Path) -> bool:
    """Tell whether a run's folder holds its record, and its item scores undamaged where they were sealed."""
    items = folder / "items.parquet"
    return (folder / "record.json").exists() and (fault(items) in (UNSEALED, ABSENT) or whole(items))


@contextmanager
def catch(failures: dict[RunName, Exception], run: RunName) -> Iterator[None]:
    """Enter what the block raises as the failure of `run` and go on behind the block."""
    try:
        yield
    except Exception as error:
        failures[run] = error


def explain(error: BaseException) -> str:
    """Return an error as one line for the user; one that is not the package's own is given with its type."""
    if isinstance(error, AblateError):
        return str(error)
    return missing_extra(error) or f"{type(error).__name__}: {error}"


def mark_failed(study: Path, arm: str, seed: int, error: BaseException) -> None:
    """Write a run's `failed.json`, which says in one line what went wrong, and the traceback to its `log.txt`."""
    folder = run_folder(study, arm, seed)
    message = explain(error)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write("".join(traceback.format_exception(error)))
        details = getattr(error, "details", {"reason": "error"})
        entry = {
            "status": "failed",
            "error": message,
            **details,
            "log": str(folder.relative_to(study) / "log.txt"),
        }
        write_json(folder / "failed.json", entry)
    except (AblateError, OSError):
        # The disk may be what failed. A run without a record counts as failed all the same.
        return


@dataclass(frozen=True, eq=False)
class _Open:
    """A run whose corpus is built, ready to be trained.

    Attributes:
        name: arm and seed.
        config: the arm's.
        prepared: the arm's corpus.
        stream: the tokens that the run reads, in the order of its seed; those of its trunk first where it has one.
        origin: what it branches off; None from scratch.
        folder: in the study, where its record goes.
        result: in the store, where what it computes is kept under its run key.
    """

    name: RunName
    config: Mapping[str, Any]
    prepared: Prepared
    stream: Reading
    origin: Origin | None
    folder: Path
    result: Path

    @property
    def tokens(self) -> int:
        """How many tokens the model has seen at the end, those of its trunk included."""
        return budget_tokens(self.config, self.prepared)

    @property
    def keeps_weights(self) -> bool:
        """Return whether its final weights stay in the store."""
        return bool(self.config["train"].get("keep_weights"))

    @property
    def shape(self) -> str:
        """What runs must have in common to be trained in lockstep: model, settings, tasks, tokens, tokenizer."""
        alike = [self.config["proxy"], self.config["train"], self.config["evaluate"], self.tokens]
        return canonical_json([*alike, self.prepared.tokenizer.digest])


def execute(
    plan: Plan,
    builder: CorpusBuilder,
    study: Path,
    runs: Sequence[RunName],
    threads: int | None = None,
    tracker: Guard | None = None,
) -> dict[RunName, Exception]:
    """Train and evaluate runs, or take what the store already has of them, and write their records.

    Runs of one shape are trained in lockstep.

    Args:
        study: folder of the plan.
        runs: which of its runs; those that are done are passed over.
        threads: CPU threads, where `train.threads` leaves them open.
        tracker: where runs are shown; None for the plan's.
    Returns:
        The error of each run that failed.
    """
    failures: dict[RunName, Exception] = {}
    opened: list[_Open] = []
    origins = Origins(plan, builder)
    for name in runs:
        with catch(failures, name):
            if not is_done(run_folder(study, *name)) or plan.arms[name[0]].train.keep_weights:
                opened.append(_Opening(plan, builder, origins, study, threads).open(name))
    needed = {run.name: run.origin for run in opened if isinstance(run.origin, Trunk)}
    failed_trunks = train_trunks(list(needed.values()), threads)
    failures |= {
        name: failed_trunks[trunk.key] for name, trunk in needed.items() if trunk.key in failed_trunks
    }
    opened = [run for run in opened if run.name not in failures]
    keeps_books = int(os.environ.get("RANK", 0)) == 0  # under torchrun only the first process logs and writes
    if tracker is None and keeps_books:
        tracker = guarded(plan)
    with ExitStack() as stack:
        to_do = {run.result: run for run in opened if not _is_complete(run)}
        if keeps_books:
            # In one order everywhere, so that no two processes wait for one another. Who had to wait finds the result.
            for result in sorted(to_do):
                arm, seed = to_do[result].name
                with catch(failures, (arm, seed)):
                    what = f"run {arm}, seed {seed} (or one with the same corpus)"
                    stack.enter_context(lock(result / ".lock", what, wait=True))
        alike: dict[str, list[_Open]] = {}
        for run in to_do.values():
            with catch(failures, run.name):
                if run.name not in failures and not _is_complete(run):
                    if keeps_books:
                        _clear(run)
                    alike.setdefault(run.shape, []).append(run)
        for group in alike.values():
            failures |= _train(plan, builder, origins, group, threads, tracker)
    if keeps_books:
        for run in opened:
            if run.name not in failures and not is_done(run.folder):
                with catch(failures, run.name):
                    _record(builder, run)
                    if tracker:  # taken from the store or trained here: what is shown is made from the record
                        show_run(tracker, plan, study, *run.name)
    return failures


def _has_result(run: _Open) -> bool:
    """Tell whether the store has what this run computes, undamaged."""
    return all([whole(run.result / name) for name in ("result.json", "items.parquet")])


def _is_complete(run: _Open) -> bool:
    """Tell whether the store has all that is wanted of this run: what it computes, and its weights where it keeps them."""
    return _has_result(run) and (not run.keeps_weights or is_kept(run.result))


def lacks_weights(plan: Plan, store: Store, study: Path, run: RunName) -> bool:
    """Tell whether a run that is done should have kept its weights, and the store does not have them."""
    arm, seed = run
    if not plan.arms[arm].train.keep_weights:
        return False
    return not is_kept(store.root / "runs" / read_record(run_folder(study, arm, seed)).run)


def _clear(run: _Open) -> None:
    """Remove what a run must not resume from: unfinished files, and a checkpoint whose scores so far are damaged or gone."""
    from ablate.train import checkpoint

    clear_parts(run.result)
    points = {path.name for path in run.result.glob("curve/*.json")}
    # A checksum that is left alone tells of a point whose file is gone.
    points |= {path.name[1:].removesuffix(SUM) for path in run.result.glob(f"curve/.*{SUM}")}
    if not all([whole(run.result / "curve" / name) for name in points]):
        shutil.rmtree(run.result / "curve")
        checkpoint.remove(run.result)


@dataclass(frozen=True, eq=False)
class _Opening:
    """Builds what runs read, or finds it; text of a chain that is not there yet is written first.

    Attributes:
        plan, builder, origins: of the study.
        study: its folder.
        threads: CPU threads for a run whose weights are missing, where `train.threads` leaves them open.
    """

    plan: Plan
    builder: CorpusBuilder
    origins: Origins
    study: Path
    threads: int | None

    def open(self, name: RunName, config: Mapping[str, Any] | None = None) -> _Open:
        """Build the run's corpus, or find it, and say what the run reads of it and where its result and record go.

        Args:
            name: arm and seed.
            config: of an earlier generation of the arm's chain; None for the arm's own.
        """
        arm, seed = name
        config = self.plan.arms[arm].config if config is None else config
        prepared = self.builder.prepare(config, seed)
        seeds, tokens = run_seeds(config, seed), budget_tokens(config, prepared)
        subset = None if seeds.subset is None else (seeds.subset, tokens)
        context = config["proxy"]["context"]
        own: Reading = self.builder.mixed_stream(prepared, seed=seeds.order, context=context, subset=subset)
        origin = self.origins.of(config, seed)
        result = self._result(config, prepared, seed, origin)
        chain = Chain.of(config)
        if chain and isinstance(own, TokenStream):
            own, division = self._chained(name, config, chain, prepared, own, origin)
            prepared = replace(prepared, division=division)
        # A mixture with a trunk is refused, see `check_branches`.
        stream = origin.before(own) if isinstance(origin, Trunk) and isinstance(own, TokenStream) else own
        return _Open(name, config, prepared, stream, origin, run_folder(self.study, arm, seed), result)

    def _result(
        self, config: Mapping[str, Any], prepared: Prepared, seed: int, origin: Origin | None
    ) -> Path:
        store = self.builder.store
        return store.root / "runs" / run_key(config, prepared, store, seed, origin)

    def _chained(
        self,
        name: RunName,
        config: Mapping[str, Any],
        chain: Chain,
        prepared: Prepared,
        real: TokenStream,
        origin: Origin | None,
    ) -> tuple[TokenStream | MixtureStream, Division]:
        """What a generation reads, written first where it is not there."""
        documents, store = int(prepared.info["documents"]), self.builder.store
        gate = gate_of(prepared.stages)
        keys = chain.text_keys(_namer(config, prepared, store, name[1], origin), documents, gate)
        texts = {
            generation: text_at(store, keys[generation])
            for generation in chain.shares
            if isinstance(generation, int)
        }
        for generation, text in texts.items():
            if not text.there:
                earlier = {key: value for key, value in config.items() if key != CHAIN}
                earlier |= {CHAIN: to_json(chain.at(generation))} if generation else {}
                run = self._with_weights(name, earlier, prepared, origin, generation)
                write(chain, text, run, prepared.tokenizer, documents=documents, generation=generation)
        order = run_seeds(config, name[1]).order
        streams = {
            generation: self._passed(
                text, gate, prepared.tokenizer, generation, seed=order, context=real.context
            )
            for generation, text in texts.items()
        }
        return read(chain, real, streams, seed=order, documents=documents)

    def _passed(
        self,
        text: WrittenText,
        gate: Sequence[Stage],
        tokenizer: Tokenize,
        generation: int,
        *,
        seed: int,
        context: int,
    ) -> TokenStream:
        """What the stages leave of a generation's text: a pool of its own, measured once for all that read it."""
        if not gate:
            return text.stream(seed=seed, context=context)
        config = {**self.builder.config, "pool": text.pool()}
        builder = CorpusBuilder(config, self.builder.store, self.builder.workers, self.builder.executor)
        try:
            return builder.stream(builder.curated(gate, tokenizer), seed=seed, context=context)
        except DataError as error:
            raise DataError(f"generation {generation} of its chain: {error}") from error
        finally:
            builder.annotations.close()

    def _with_weights(
        self,
        name: RunName,
        config: Mapping[str, Any],
        prepared: Prepared,
        origin: Origin | None,
        generation: int,
    ) -> Kept:
        """The run of an earlier generation; where its weights are lost, or it was never done, it is trained now."""
        result = self._result(config, prepared, name[1], origin)
        if not is_kept(result):
            run = self.open(name, config)
            what = f"generation {generation} of the chain of run {name[0]}, seed {name[1]}"
            with lock(result / ".lock", what, wait=True):
                if not is_kept(result):
                    _clear(run)
                    silent = Guard(NoTracker)
                    failed = _train(self.plan, self.builder, self.origins, [run], self.threads, silent)
                    if run.name in failed:
                        raise ChainError(generation, explain(failed[run.name])) from failed[run.name]
        return Kept.at(result)


class ChainError(AblateError):
    """A generation that has nothing to read, since one before it failed."""

    def __init__(self, generation: int, why: str) -> None:
        super().__init__(f"generation {generation} of its chain failed: {why}")
        self.details = {"reason": "chain"}


def _record(builder: CorpusBuilder, run: _Open) -> None:
    """Write the run's record into the study: its result from the store, with what is known of its corpus."""
    path = run.result / "result.json"
    outcome = read_json(path)
    tokens, info = outcome["train"]["tokens"], run.prepared.info
    trunk = run.origin.record() if run.origin else None
    own_tokens = tokens - (trunk["tokens"] if trunk else 0)
    cpu_s = builder.curation_cpu_s(run.prepared)
    division, chain = run.prepared.division, Chain.of(run.config)
    mixture = division and division.read(own_tokens, run.config["proxy"]["context"])
    unique = sum(part.tokens for part in division.parts) if chain and division else info["unique_tokens"]
    worth = (
        sum(part.effective_tokens for part in mixture)
        if mixture
        else effective_tokens(own_tokens, info["unique_tokens"])
    )
    data = {
        **outcome,
        "run": run.result.name,
        "seed": run.name[1],
        "corpus": {
            "key": info["content"],
            **{name: info[name] for name in ("documents", "bytes", "unique_tokens")},
            "epochs": own_tokens / unique,
            "effective_tokens": worth,
            **({"mixture": to_json(mixture)} if mixture else {}),
            # Text of a chain is in no cluster of the pool's.
            "copies": None if chain else _copies(run.config, builder, run.prepared, run.stream, tokens),
            "funnel": info["funnel"],
            "leaks": builder.leaks(run.config, run.prepared),
        },
        "trunk": trunk,
        "cost": {**outcome["cost"], "curation_cpu_s": sum(cpu_s.values())},
        "curation_cpu_s": cpu_s,
    }
    record = from_json(Record, data, str(path))
    with atomic(run.folder / "items.parquet", seal=True) as part:
        shutil.copyfile(run.result / "items.parquet", part)
    if (run.result / PROGRESS).exists():
        with atomic(run.folder / PROGRESS) as part:
            shutil.copyfile(run.result / PROGRESS, part)
    if texts := builder.dropped_texts(run.prepared):
        # A copy: a link would share damage with the store.
        with atomic(run.folder / texts.name, seal=True) as part:
            shutil.copyfile(texts, part)
    write_record(run.folder, record)
    (run.folder / "failed.json").unlink(missing_ok=True)


def _copies(
    config: Mapping[str, Any],
    builder: CorpusBuilder,
    prepared: Prepared,
    stream: Reading,
    tokens: int,
) -> Copies | None:
    """Return how often documents of one duplicate cluster were trained on; None where the recipe has no relation.

    Clusters are those of the recipe's last relation, whether this arm enables it or not, so that arms compare.
    """
    all_enabled = {**config, "stages": {n: {**s, "enabled": True} for n, s in config["stages"].items()}}
    stages = make_stages(all_enabled, prepared.draw.stages)
    relations = [stage for stage in stages if isinstance(stage, Relation)]
    if not relations:
        return None
    return copies_seen(stream, builder.clusters(prepared, relations[-1]), tokens)


def _train(
    plan: Plan,
    builder: CorpusBuilder,
    origins: Origins,
    group: list[_Open],
    threads: int | None,
    tracker: Guard | None,
) -> dict[RunName, Exception]:
    """Train runs of one shape in lockstep and keep what came out; returns the error of each that failed.

    Args:
        tracker: where runs are shown; None for a process that neither evaluates nor logs nor writes results.
    """
    from ablate.train.loop import Run, train_stacked

    started = time.monotonic()
    config, names = group[0].config, [run.name for run in group]
    tokenizer = group[0].prepared.tokenizer
    failures: dict[RunName, Exception] = {}
    try:
        settings = make(config["train"], "train")
        settings = replace(settings, threads=settings.threads or threads)
        evaluator = evaluator_of(config, tokenizer, builder.store) if tracker else None
        with ExitStack() as stack:
            desks = [
                stack.enter_context(_recorder(plan, run, evaluator, tracker)) if tracker else None
                for run in group
            ]
            outcomes = train_stacked(
                [
                    Run(
                        stream=run.stream,
                        seed=run_seeds(run.config, run.name[1]).weights,
                        folder=run.result,
                        evaluate=recorder.evaluate if recorder else lambda *_: None,
                        log=recorder.log if recorder else None,
                        resume_key=run.result.name,
                        start=run.origin.load if run.origin else None,
                    )
                    for run, recorder in zip(group, desks, strict=True)
                ],
                proxy=make(config["proxy"], "proxy"),
                config=settings,
                tokens=group[0].tokens,
                vocab_size=origins.vocab_size(group[0].origin, tokenizer),
            )
        run_s = (time.monotonic() - started) / len(group)
        for run, outcome, recorder in zip(group, outcomes, desks, strict=True):
            with catch(failures, run.name):
                if isinstance(outcome, Exception):
                    raise outcome
                if recorder:
                    recorder.close(outcome, run_s)
    except Exception as error:
        failures |= dict.fromkeys(names, error)
    return failures


class _RunRecorder:
    """Takes what training hands over of one run: logs its progress, scores its checkpoints, writes its result.

    Args:
        run: whose.
        evaluator: scores a model.
        write, note: add an entry to the run's log, and to the journal of its training.
        plan: of the study.
        tracker: where the run is shown while it trains.
    """

    def __init__(self, run: _Open, evaluator: Any, write: Any, note: Any, plan: Plan, tracker: Guard) -> None:
        self.run, self.result, self.evaluator = run, run.result, evaluator
        self.write, self.note, self.plan, self.tracker = write, note, plan, tracker
        self.evaluate_s = 0.0
        self.training = read_progress(run.result / PROGRESS)
        self.shown_at = -math.inf
        self.for_weights = _has_result(run)
        """Whether the run is trained again for the weights that it lacks: what it computed stays as it is."""

    def log(self, entry: Progress) -> None:
        """Write an entry about how training goes."""
        self.write(entry)
        if self.for_weights:
            return
        self.note(entry)
        add_point(self.training, entry["tokens"], of_progress(entry))
        if time.monotonic() - self.shown_at >= SHOW_EVERY_S:
            self._show(entry["tokens"])

    def _show(self, tokens: int) -> None:
        """Show the run as far as it is."""
        if self.tracker.silent:
            return
        training = [point for point in self.training if point.tokens <= tokens]
        points = [read_json(path) for path in sorted((self.result / "curve").glob("*.json"))]
        curve = [(point["tokens"], point["scores"]) for point in points if point["tokens"] <= tokens]
        self.tracker.show(tracked_run(self.plan, *self.run.name, points=joined(training, curve)))
        self.shown_at = time.monotonic()

    def evaluate(self, model: Any, tokens: int) -> None:
        """Score a checkpoint and keep the scores: a point of the run's curve, and the latest score of each item.

        Args:
            model: as it is now.
            tokens: how many it has seen.
        """
        from ablate.evaluate.memorisation import Trained

        begin = time.monotonic()
        is_last = tokens + self.run.config["train"]["batch_tokens"] > self.run.tokens
        if is_last and self.run.keeps_weights:
            keep(model, self.run.prepared.tokenizer.folder, self.result)
        if self.for_weights:
            return
        context = self.run.config["proxy"]["context"]
        trained = Trained(self.run.stream.sequences, tokens // context) if is_last else None
        scores = self.evaluator.evaluate(model, trained)
        self.evaluate_s += time.monotonic() - begin
        write_table(self.result / "items.parquet", scores.items, seal=True)
        point = {"tokens": tokens, "scores": scores.summary}
        if scores.missing:
            point["missing"] = scores.missing
        write_json(self.result / "curve" / f"{tokens:020d}.json", point, seal=True)
        self.write(point)
        self._show(tokens)

    def close(self, outcome: Any, run_s: float) -> None:
        """Write the result and remove the checkpoint, which is not needed any more.

        Args:
            outcome: of training.
            run_s: seconds that the run took; of runs trained in lockstep, each has its share.
        """
        from ablate.train import checkpoint

        if self.for_weights:
            checkpoint.remove(self.result)
            return
        points = [read_json(path) for path in sorted((self.result / "curve").glob("*.json"))]
        curve = [point for point in points if point["tokens"] <= outcome.tokens]
        write_json(
            self.result / "result.json",
            {
                "model": {"parameters": outcome.parameters, "flops": outcome.flops},
                "train": {
                    "tokens": outcome.tokens,
                    "steps": outcome.steps,
                    "final_loss": outcome.final_loss,
                    "losses": outcome.losses,
                },
                "tasks": self.evaluator.info,
                "scores": curve[-1]["scores"],
                "missing": curve[-1].get("missing", {}),
                "curve": curve,
                "cost": {**outcome.cost, "evaluate_s": self.evaluate_s, "run_s": run_s},
                "provenance": provenance(),
            },
            seal=True,
        )
        checkpoint.remove(self.result)


@contextmanager
def _recorder(plan: Plan, run: _Open, evaluator: Any, tracker: Guard) -> Iterator[_RunRecorder]:
    """Open the run's log and the journal of its training; both are closed with the block."""
    with _log(run.folder / "log.txt") as write, _log(run.result / PROGRESS) as note:
        yield _RunRecorder(run, evaluator, write, note, plan, tracker)


@contextmanager
def _log(path: Path) -> Iterator[Any]:
    """Open a log; what is given appends an entry to it, as one line of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:

        def write(entry: Mapping[str, object]) -> None:
            file.write(json.dumps(entry) + "\n")
            file.flush()

        yield write


def clear_failure(study: Path, arm: str, seed: int) -> None:
    """Remove what an earlier failure left, before the run is tried again."""
    folder = run_folder(study, arm, seed)
    (folder / "failed.json").unlink(missing_ok=True)
    if (folder / "log.txt").exists():
        write_text(folder / "log.txt", "")
