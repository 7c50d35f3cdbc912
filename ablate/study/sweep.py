"""A sweep: every run of a plan, through one of Hydra's launchers; safe to repeat."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from ablate.config import make
from ablate.corpus.budget import WARN_EPOCHS
from ablate.corpus.tokenizer import load_tokenizer
from ablate.design.controls import CONTROL
from ablate.errors import AblateError, ConfigError, DataError
from ablate.fingerprint import canonical_json
from ablate.progress import watch
from ablate.store import LONG_AGO_S, Store, abandoned, clear_parts, discard, lock
from ablate.study.chain import Chain
from ablate.study.chance import AS_CONFIGURED, Draw, draw_of
from ablate.study.corpus_builder import CorpusBuilder, Prepared
from ablate.study.detached import Step
from ablate.study.jobs import corpora_built, run_jobs
from ablate.study.launch import is_chosen, open_launcher
from ablate.study.layout import Layout, choose_layout
from ablate.study.plan import load_plan, run_folder
from ablate.study.record import read_record
from ablate.study.rescue import Rescue
from ablate.study.run import execute, lacks_weights
from ablate.study.run_key import budget_tokens, parent_key, run_key
from ablate.study.run_state import (
    RunName,
    catch,
    clear_failure,
    explain,
    failure_of,
    is_done,
    lock_path,
    mark_failed,
)
from ablate.study.schema import Arm, Plan
from ablate.study.trunk import FAILED, Origins, Trunk, note_failure

Say = Callable[[str], None]
SWEEPS = "sweeps.jsonl"
"""One line per sweep of a study: seconds of curation and of the runs, and how many were trained."""


def sweep(
    study: Path,
    store: Store,
    composed: DictConfig,
    say: Say,
    wanted: Sequence[tuple[str, int]] | None = None,
) -> dict[tuple[str, int], str]:
    """Do every run of the frozen plan that has no record yet, or every one of those `wanted`.

    A record of texts, tasks or libraries that are not those of today is none: its run is done again.
    Corpora are built first, here, with all the workers, or by a job of its own where the launcher's jobs run elsewhere;
    then the runs go through the launcher that the command names (`hydra/launcher=joblib`, `submitit_slurm`, `ray`, ...),
    or, where it names none, through as many processes as a measurement finds fastest. Records are waited for, whatever a
    launcher says of its jobs; jobs of an earlier command that still live are waited for, too. One failed arm does not
    stop the others.

    Returns:
        (arm, seed) -> error of every run without a record; empty when all is done.
    Raises:
        Busy: when another process sweeps the same study.
    """
    with lock(study / ".lock", f"a sweep of {study}"):
        clear_parts(study, LONG_AGO_S)  # a report may be written beside this
        plan = load_plan(study)
        if wanted is None:
            wanted = plan.runs
        _take_out_stale(plan, study, store, composed, wanted, say)
        pending = [
            run for run in wanted if not is_done(study, *run) or lacks_weights(plan, store, study, run)
        ]
        say(f"{len(wanted)} runs planned, {len(wanted) - len(pending)} already done")
        failures: dict[tuple[str, int], str] = {}
        if pending:
            for run in pending:
                clear_failure(study, *run)
            with _builder(plan, store, composed) as builder:
                started = time.monotonic()
                _build_elsewhere(plan, study, store, wanted, composed, say)
                prepared_runs = _prepare(plan, builder, study, pending, say, failures)
                distinct, trunks = list(prepared_runs.names.values()), prepared_runs.trunks
                builder.close()  # the runs need the memory
                prepared, found = time.monotonic(), len(list(store.root.glob("runs/*/result.json")))
                if distinct:
                    launch = _launcher(len(distinct), builder, plan, study, composed, say)
                    _train_trunks(trunks, launch, study, say, failures)
                    for wave in waves(plan, distinct):
                        _drop_orphans(wave, prepared_runs, study, failures)
                        launch([run for run in wave if run not in failures])
                trained = len(list(store.root.glob("runs/*/result.json"))) - found
                _note_time(study, prepared - started, time.monotonic() - prepared, trained)
                # Runs with the same texts, seed and settings as another are that run: no training.
                for arm, seed in pending:
                    if (arm, seed) not in distinct and (arm, seed) not in failures:
                        run_jobs(study, store, [(arm, seed)])
        for run in wanted:
            if run not in failures and (not is_done(study, *run) or lacks_weights(plan, store, study, run)):
                failures[run] = failure_of(study, *run)
        return failures


def _builder(plan: Plan, store: Store, composed: DictConfig) -> CorpusBuilder:
    executor = make(composed.executor, "executor")
    return CorpusBuilder(plan.reference_arm, store, composed.workers, executor)


def _take_out_stale(
    plan: Plan,
    study: Path,
    store: Store,
    composed: DictConfig,
    wanted: Sequence[RunName],
    say: Say,
) -> None:
    """Take out records that the same plan would not give any more, as a file or a library is another one now."""
    done = [run for run in wanted if is_done(study, *run)]
    if not done or not store.root.exists():
        return
    with _builder(plan, store, composed) as builder:
        origins = Origins(plan, builder)
        try:
            for name, seed in done:
                arm, folder = plan.arms[name], run_folder(study, name, seed)
                prepared = builder.prepare(arm, seed)
                try:
                    run, why = read_record(folder).run, "its texts, tasks or libraries have changed since"
                except DataError as error:
                    run, why = "", str(error)
                if run != run_key(arm, prepared, store, seed, origins.of(arm, seed)):
                    say(f"{name}, seed {seed}: {why}; it is done again")
                    (folder / "record.json").unlink()
        except Exception as error:
            say(f"whether finished runs still hold could not be checked: {explain(error)}")


def _build_elsewhere(
    plan: Plan, study: Path, store: Store, wanted: Sequence[RunName], composed: DictConfig, say: Say
) -> None:
    """Have a job build what the wanted runs read, where jobs run elsewhere: the submitter then finds it, and so does the next.

    Raises:
        AblateError: when none comes to an end; the second one is the last.
    """
    if not is_chosen(composed) or not (detached := open_launcher(composed, study, store, say=say).detached):
        return
    detached.clear()
    built, problems = corpora_built(plan, store, wanted), []
    if not built.exists():
        say("a job builds the corpora")
        Rescue[RunName](
            start=lambda runs: detached.run(
                runs, Step.CORPORA, lambda some: [some], lambda _: built.exists()
            ),
            ended=lambda _: built.exists(),
            suspected=lambda run: detached.began(run, Step.CORPORA),
            lost=lambda _, problem: problems.append(problem),
            say=say,
            apart=False,
        ).run(wanted)
    if problems:
        raise AblateError(
            f"no job could build the corpora: {explain(problems[0])}. What was built is kept; logs of jobs are below "
            f"{store.root / 'jobs'}. Has it memory and time enough (hydra.launcher.mem_gb, hydra.launcher.timeout_min)?"
        )


def _note_time(study: Path, curate_s: float, runs_s: float, trained: int) -> None:
    """Add a line to what the report compares with the plan; never part of the report's own bytes."""
    line = {"curate_s": round(curate_s, 2), "runs_s": round(runs_s, 2), "trained": trained}
    try:
        with (study / SWEEPS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:  # what became of the runs is still to be said
        print(f"ablate: {study / SWEEPS} cannot be written: {error.strerror or error}", file=sys.stderr)


def _prepare(
    plan: Plan,
    builder: CorpusBuilder,
    study: Path,
    pending: list[tuple[str, int]],
    say: Say,
    failures: dict[tuple[str, int], str],
) -> Pending:
    """Build the corpus of each pending run, and say which runs differ from one another and what they come from."""
    distinct: dict[str, RunName] = {}
    trunks: dict[RunName, Trunk] = {}
    parents: dict[RunName, str] = {}
    origins = Origins(plan, builder)
    told: set[tuple[str, str]] = set()
    lost: dict[tuple[str, Draw, int | None], Exception] = {}
    for run in pending:
        name, seed = run
        arm = plan.arms[name]
        is_control = CONTROL in arm.config
        corpus = name, draw_of(arm, seed), seed if is_control else None
        try:
            if corpus in lost:  # most arms have the same under every seed
                raise lost[corpus]  # what took an hour to fail is not tried again
            prepared = builder.prepare(arm, seed)
            origin = origins.of(arm, seed)
            distinct.setdefault(run_key(arm, prepared, builder.store, seed, origin), run)
            if isinstance(origin, Trunk):
                trunks[run] = origin
            if parent := parent_key(arm, prepared, builder.store, seed, origin):
                parents[run] = parent
        except Exception as error:
            if name == plan.reference and not builder.tokenizers:
                raise
            lost[corpus] = error
            mark_failed(study, name, seed, error)
            failures[run] = said = explain(error)
            line = f"{_named(arm, seed)}: no corpus: {said}"
        else:
            info = prepared.info
            line = f"{_named(arm, seed)}: {info['documents']:,} documents, {info['unique_tokens']:,} tokens"
            line += _repeats(arm, prepared)
            if is_control and arm.budget.match == "tokens" and _meets_once(arm, prepared):
                line += "; it meets none twice, so its volume is nil by construction: train longer, or do without it"
        if (name, line) not in told:
            told.add((name, line))
            say(line)
    return Pending(distinct, trunks, parents)


@dataclass(frozen=True)
class Pending:
    """Runs that are to be done.

    Attributes:
        names: key -> run, of those that differ from one another.
        trunks: of the runs that branch off one.
        parents: of the runs of chains, the key of the run of the generation before.
    """

    names: Mapping[str, RunName]
    trunks: Mapping[RunName, Trunk]
    parents: Mapping[RunName, str]


def waves(plan: Plan, runs: Sequence[RunName]) -> list[list[RunName]]:
    """Runs by the generation of their chain, the first ones first; all in one wave where there are no chains."""
    found: dict[int, list[RunName]] = {}
    for arm, seed in runs:
        chain = Chain.of(plan.arms[arm].config)
        found.setdefault(chain.generation if chain else 0, []).append((arm, seed))
    return [found[generation] for generation in sorted(found)]


def _drop_orphans(
    wave: Sequence[RunName], pending: Pending, study: Path, failures: dict[RunName, str]
) -> None:
    """Take runs out whose generation before has just failed: it would fail again in each of them."""
    for run in wave:
        parent = pending.names.get(pending.parents.get(run, ""))
        if parent is None or (is_done(study, *parent) and parent not in failures):
            continue
        problem = AblateError(
            f"the generation before it failed ({parent[0]}, seed {parent[1]}): {failures.get(parent) or failure_of(study, *parent)}"
        )
        mark_failed(study, *run, problem)
        failures[run] = explain(problem)


def _meets_once(arm: Arm, prepared: Prepared) -> bool:
    return budget_tokens(arm, prepared) <= int(prepared.info["unique_tokens"])


def _named(arm: Arm, seed: int) -> str:
    draw = draw_of(arm, seed)
    return arm.name if draw == AS_CONFIGURED else f"{arm.name}, {draw}"


def _repeats(arm: Arm, prepared: Prepared) -> str:
    """What a budget of several epochs, and a mixture, are told with."""
    if prepared.division:
        read = prepared.division.read(budget_tokens(arm, prepared), arm.proxy.context)
        return f"; read as {', '.join(map(str, read))}"
    epochs = budget_tokens(arm, prepared) / prepared.info["unique_tokens"]
    if epochs <= 1:
        return ""
    return f", {epochs:.1f} epochs" + (
        f": more than {WARN_EPOCHS:g} repeats cost" if epochs > WARN_EPOCHS else ""
    )


def _train_trunks(
    trunks: Mapping[RunName, Trunk],
    launch: Callable[..., None],
    study: Path,
    say: Say,
    failures: dict[RunName, str],
) -> None:
    """Train what is missing of the trunks that runs branch off; runs whose trunk failed have failed with it."""
    missing = {trunk.key: run for run, trunk in trunks.items() if not trunk.there}
    for run in missing.values():
        discard(trunks[run].folder / FAILED)
    if missing:
        say(f"{len({trunk.key for trunk in trunks.values()})} trunks, {len(missing)} of them to be trained")
        launch(list(missing.values()), of_trunks={run: trunks[run] for run in missing.values()})
    for run, trunk in trunks.items():
        if trunk.key in missing and not trunk.there:
            mark_failed(study, *run, trunk.problem())
            failures[run] = explain(trunk.problem())


def _launcher(
    count: int,
    builder: CorpusBuilder,
    plan: Plan,
    study: Path,
    composed: DictConfig,
    say: Say,
) -> Callable[..., None]:
    """What launches runs, `count` of them in all, or the trunks of some, and waits for them."""
    config, store = plan.reference_arm.config, builder.store
    layout = Layout(stacked_runs=plan.reference_arm.train.stacked_runs or 1)
    if not is_chosen(composed):
        vocabulary = len(load_tokenizer(builder.tokenizer.folder))
        layout = choose_layout(study / "layout.json", config, vocabulary, count, say)
    launcher = open_launcher(
        composed, study, store, processes=layout.processes, threads=layout.threads, say=say
    )
    detached = launcher.detached

    def launch(runs: list[RunName], of_trunks: Mapping[RunName, Trunk] | None = None) -> None:
        if not runs:
            return
        trunks = of_trunks or {}
        step = Step.TRUNKS if trunks else Step.RUNS
        # Trunks are few: spread over all processes, however many would go in lockstep.
        stacked = (
            min(layout.stacked_runs, -(-len(runs) // layout.processes)) if trunks else layout.stacked_runs
        )

        def cut(some: list[RunName]) -> list[list[RunName]]:
            return _groups(some, plan, stacked)

        def start(some: list[RunName]) -> None:
            if detached:
                detached.run(some, step, cut, ended)
            else:
                launcher.launch(cut(some), step)

        # Runs that are done and are trained again for their weights; of the others the record says that they ended.
        lacking = {
            run
            for run in runs
            if not trunks and is_done(study, *run) and lacks_weights(plan, store, study, run)
        }

        def finished(run: RunName) -> bool:
            if trunks:
                return trunks[run].finished
            return is_done(study, *run) and not (run in lacking and lacks_weights(plan, store, study, run))

        def ended(run: RunName) -> bool:
            word = (trunks[run].folder if trunks else run_folder(study, *run)) / FAILED
            return finished(run) or word.exists()

        def suspected(run: RunName) -> bool:
            if detached:
                return detached.began(run, step)
            return abandoned(trunks[run].folder / ".lock" if trunks else lock_path(study, *run))

        def lost(run: RunName, problem: Exception) -> None:
            if detached:
                why = f"no job could do it: {explain(problem)}; logs of jobs are below {store.root / 'jobs'}"
            else:
                why = f"its process died, and again when nothing ran beside it ({type(problem).__name__})"
            error = AblateError(f"{why}: is the memory too small for it (proxy, train.micro_batch)?")
            if trunks:
                note_failure(trunks[run], error)
            else:
                mark_failed(study, *run, error)

        rescue = Rescue(
            start=start,
            ended=ended,
            suspected=suspected,
            lost=lost,
            say=say,
            apart=detached is None,
        )
        what = "trunk" if trunks else "run"
        with watch(lambda: sum(map(finished, runs)), len(runs), f"{what}s", what):
            rescue.run(runs)
        if detached:
            detached.clear()

    return launch


def _groups(runs: list[RunName], plan: Plan, stacked: int) -> list[list[RunName]]:
    """Runs cut into groups of one shape, `stacked` at most in each."""
    alike: dict[str, list[RunName]] = {}
    for arm, seed in runs:
        config = plan.arms[arm].config
        alike.setdefault(canonical_json([config["proxy"], config["train"]]), []).append((arm, seed))
    return [group[at : at + stacked] for group in alike.values() for at in range(0, len(group), stacked)]


def sweep_distributed(study: Path, store: Store, workers: int | None) -> dict[RunName, str]:
    """Do every run of a plan, one after another, each trained by all processes of a `torchrun`.

    Returns:
        As `sweep`.
    """
    import torch
    import torch.distributed as dist

    if any(Chain.of(arm.config) for arm in load_plan(study).arms.values()):
        raise ConfigError(
            "chains are not trained by torchrun; sweep without it, with a launcher for several machines"
        )
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    plan = load_plan(study)
    failures: dict[RunName, Exception] = {}
    builder = CorpusBuilder(plan.reference_arm, store, workers)
    try:
        for arm, seed in plan.runs:
            state: list[str | None] = [None]
            if dist.get_rank() == 0 and not is_done(study, arm, seed):
                clear_failure(study, arm, seed)
                with catch(failures, (arm, seed)):
                    builder.prepare(plan.arms[arm], seed)
                state = ["no corpus" if (arm, seed) in failures else "to do"]
            dist.broadcast_object_list(state)
            if state[0] == "to do":
                # Every process learns of a failure in training; the first one keeps the books.
                failures |= execute(plan, builder, study, [(arm, seed)])
                dist.barrier()
        if dist.get_rank() == 0:
            for (arm, seed), error in failures.items():
                mark_failed(study, arm, seed, error)
    finally:
        builder.close()
        dist.destroy_process_group()
    return {run: explain(error) for run, error in failures.items()}
