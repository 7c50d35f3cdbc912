"""Builds what runs read, or finds it; text of a chain that is not there yet is written first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ablate.corpus.mixture import Division, MixtureStream
from ablate.corpus.tokens import Tokenize, TokenStream
from ablate.corpus.written import WrittenText
from ablate.errors import AblateError, DataError
from ablate.shape import to_json
from ablate.stages.base import Stage
from ablate.store import lock
from ablate.study.chain import KEY as CHAIN
from ablate.study.chain import Chain, gate_of, read, text_at, write
from ablate.study.corpus_builder import CorpusBuilder, Prepared
from ablate.study.open_run import OpenRun, Reading
from ablate.study.plan import run_folder
from ablate.study.run_key import budget_tokens, namer, run_key
from ablate.study.run_state import RunName, explain
from ablate.study.schema import Arm, Plan
from ablate.study.seeds import run_seeds
from ablate.study.training import train_runs
from ablate.study.trunk import Origin, Origins, Trunk
from ablate.tracking.guard import Guard
from ablate.tracking.tracker import NoTracker
from ablate.train.kept import Kept, is_kept


@dataclass(frozen=True, eq=False)
class Opener:
    """Opens the runs of a plan, so that they can be trained.

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

    def open(self, name: RunName, arm: Arm | None = None) -> OpenRun:
        """Build the run's corpus, or find it, and say what the run reads of it and where its result and record go.

        Args:
            name: arm and seed.
            arm: at an earlier generation of its chain; None for the arm as planned.
        """
        arm, seed = arm or self.plan.arms[name[0]], name[1]
        prepared = self.builder.prepare(arm, seed)
        seeds, tokens = run_seeds(arm, seed), budget_tokens(arm, prepared)
        subset = None if seeds.subset is None else (seeds.subset, tokens)
        context = arm.proxy.context
        own: Reading = self.builder.mixed_stream(prepared, seed=seeds.order, context=context, subset=subset)
        origin = self.origins.of(arm, seed)
        result = self._result(arm, prepared, seed, origin)
        chain = Chain.of(arm.config)
        if chain and isinstance(own, TokenStream):
            own, division = self._chained(name, arm, chain, prepared, own, origin)
            prepared = replace(prepared, division=division)
        # A mixture with a trunk is refused, see `check_branches`.
        stream = origin.before(own) if isinstance(origin, Trunk) and isinstance(own, TokenStream) else own
        return OpenRun(name, arm, prepared, stream, origin, run_folder(self.study, *name), result)

    def _result(self, arm: Arm, prepared: Prepared, seed: int, origin: Origin | None) -> Path:
        store = self.builder.store
        return store.root / "runs" / run_key(arm, prepared, store, seed, origin)

    def _chained(
        self,
        name: RunName,
        arm: Arm,
        chain: Chain,
        prepared: Prepared,
        real: TokenStream,
        origin: Origin | None,
    ) -> tuple[TokenStream | MixtureStream, Division]:
        """What a generation reads, written first where it is not there."""
        documents, store = int(prepared.info["documents"]), self.builder.store
        gate = gate_of(prepared.stages)
        keys = chain.text_keys(namer(arm, prepared, store, name[1], origin), documents, gate)
        texts = {
            generation: text_at(store, keys[generation])
            for generation in chain.shares
            if isinstance(generation, int)
        }
        for generation, text in texts.items():
            if not text.there:
                at = {CHAIN: to_json(chain.at(generation))} if generation else {}
                earlier = arm.without(CHAIN).having(**at)
                run = self._with_weights(name, earlier, prepared, origin, generation)
                write(chain, text, run, prepared.tokenizer, documents=documents, generation=generation)
        order = run_seeds(arm, name[1]).order
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
        arm = self.builder.arm.having(pool=text.pool())
        with CorpusBuilder(arm, self.builder.store, self.builder.workers, self.builder.executor) as builder:
            try:
                return builder.stream(builder.curated(gate, tokenizer), seed=seed, context=context)
            except DataError as error:
                raise DataError(f"generation {generation} of its chain: {error}") from error

    def _with_weights(
        self,
        name: RunName,
        arm: Arm,
        prepared: Prepared,
        origin: Origin | None,
        generation: int,
    ) -> Kept:
        """The run of an earlier generation; where its weights are lost, or it was never done, it is trained now."""
        result = self._result(arm, prepared, name[1], origin)
        if not is_kept(result):
            run = self.open(name, arm)
            what = f"generation {generation} of the chain of run {name[0]}, seed {name[1]}"
            with lock(result / ".lock", what, wait=True):
                if not is_kept(result):
                    run.clear()
                    silent = Guard(NoTracker)
                    failed = train_runs(self.plan, self.builder, self.origins, [run], self.threads, silent)
                    if run.name in failed:
                        raise ChainError(generation, explain(failed[run.name])) from failed[run.name]
        return Kept.at(result)


class ChainError(AblateError):
    """A generation that has nothing to read, since one before it failed."""

    def __init__(self, generation: int, why: str) -> None:
        super().__init__(f"generation {generation} of its chain failed: {why}")
        self.details = {"reason": "chain"}
