"""Chains: generation g of an arm, under a seed, trains on text that the generations before it in its own chain wrote.

Generation 0 is an ordinary run on the arm's real text, so chains of one study share it, and an ordinary study of the same
arm does too. What a generation reads names it: the texts by the runs that wrote them and how they were drawn, with their
shares. So a longer chain has a shorter one's runs among its own, arms that read the same are one run, and all names are
known before anything is trained.

What a generation wrote goes through the arm's own stages before another reads it: those that deal with synthetic text. So a
gate between generations is switched, re-parametrised and varied as any stage is, and one with `only: synthetic` leaves
generation 0 as it was.

Sources: Shumailov et al. 2024 (Nature 631, 755: replace, and real text kept), Gerstgrasser et al. 2024 (arXiv 2404.01413:
accumulate), Kazdan et al. 2024 (arXiv 2410.16713: accumulate at a fixed budget, which is ours).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ablate.config import build
from ablate.corpus.mixture import EXACT, Division, MixtureStream, Part
from ablate.corpus.mixture import KEY as MIXTURE
from ablate.corpus.tokens import Tokenize, TokenStream
from ablate.corpus.view import corpus_key
from ablate.corpus.written import FIELDS, Writing, WrittenText
from ablate.design.controls import CONTROL
from ablate.errors import ConfigError, FieldError
from ablate.fingerprint import digest
from ablate.plain import Plain
from ablate.stages.base import Stage, Transform
from ablate.store import Store
from ablate.train.kept import Kept

if TYPE_CHECKING:
    from ablate.study.schema import Plan

KEY = "chain"
"""Of an arm's configuration."""
REAL, RESAMPLED = "real", "resampled"
TEXTS = "texts"
"""Kind of artefact in the store."""
TEXT_FORMAT = 1
"""Raise it when the same run and settings write another text."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Which generation of which kind of chain an arm is.

    Attributes:
        kind: what a generation after the first reads. replace: the text of the one before it. accumulate: real text and
            the texts of all generations before it, each with the same share of the budget. anchored: real text with
            share `real`, and the text of the one before it. resample: real text alone, as many documents as a generation
            writes, drawn anew with replacement: what a finite sample costs without any model.
        generation: from 0, which reads real text as the arm has it.
        real: share of real text in an anchored chain, in [0, 1].
        temperature, top_k, top_p: how the text is drawn, see `ablate.evaluate.sampler.Decoding`; null for none.
        documents: that a generation writes; null for as many as the arm's corpus has.
        max_tokens: of a document; null for all that the model reads.
    """

    kind: Literal["replace", "accumulate", "anchored", "resample"] = "replace"
    generation: int = 0
    real: float = 0.5
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    documents: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.generation < 0:
            raise ValueError(f"generation must be 0 or more, got {self.generation}")
        if not 0 <= self.real <= 1:
            raise ValueError(f"real must be a share in [0, 1], got {self.real}")
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature must be 0 or more, got {self.temperature}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], got {self.top_p}")
        for name in ("top_k", "documents", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Chain | None:
        """Return the chain of an arm's configuration; None for an arm that is in none, or is generation 0 of all.

        Raises:
            ConfigError: for a key or value that cannot be.
        """
        given = config.get(KEY)
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise ConfigError(
                f"{KEY} must be a mapping such as {{kind: replace, generation: 0}}, got {given!r}"
            )
        chain = build(cls, given, KEY)
        return chain if chain.generation else None

    @property
    def shares(self) -> dict[str | int, int]:
        """What the generation reads: real text, resampled real text, or the number of a generation -> share, of `EXACT`."""
        before = self.generation - 1
        if self.kind == "resample":
            return {RESAMPLED: EXACT}
        if self.kind == "replace":
            return {before: EXACT}
        if self.kind == "anchored":
            real = round(self.real * EXACT)
            found: dict[str | int, int] = {REAL: real, before: EXACT - real}
        else:
            each = EXACT // (self.generation + 1)
            found = {REAL: EXACT - each * self.generation} | dict.fromkeys(range(self.generation), each)
        return {name: share for name, share in found.items() if share}

    def at(self, generation: int) -> Chain:
        """Return the same chain at another generation."""
        return Chain(**{**asdict(self), "generation": generation})

    def text_key(self, run: str, documents: int) -> str:
        """Return what names the text that a run writes in this chain.

        Args:
            run: its key.
            documents: of the arm's corpus.
        """
        from ablate.evaluate.sampler import SAMPLER

        drawn: dict[str, Plain] = {
            name: getattr(self, name) for name in ("temperature", "top_k", "top_p", "max_tokens")
        }
        return digest(
            {
                "format": TEXT_FORMAT,
                "sampler": SAMPLER,
                "run": run,
                "documents": self.documents or documents,
                **drawn,
            }
        )

    def reads(self, name: Callable[[Plain], str], documents: int, gate: Sequence[Stage] = ()) -> Plain:
        """Return what names what this generation reads: sources and shares; texts by their keys, and by what they went through.

        Args:
            name: gives the key of the run of this arm that reads what is given; None for generation 0.
            documents: of the arm's corpus.
            gate: stages that each text goes through, see `gate_of`.
        """
        keys = self.text_keys(name, documents, gate)
        return self._reads(keys, documents, gate)

    def parent(self, name: Callable[[Plain], str], documents: int, gate: Sequence[Stage] = ()) -> str | None:
        """Return the key of the run of the generation before; None where its text is not read. Arguments as for `reads`."""
        before = self.generation - 1
        if before not in self.shares:
            return None
        return name(self.at(before).reads(name, documents, gate) if before else None)

    def text_keys(
        self, name: Callable[[Plain], str], documents: int, gate: Sequence[Stage] = ()
    ) -> list[str]:
        """Return the key of the text of each generation before this one, as it was written; arguments as for `reads`."""
        keys: list[str] = []
        for generation in range(self.generation):
            reads = self.at(generation)._reads(keys, documents, gate) if generation else None
            keys.append(self.text_key(name(reads), documents))
        return keys

    def _reads(self, keys: Sequence[str], documents: int, gate: Sequence[Stage]) -> Plain:
        again: list[Plain] = [RESAMPLED, self.generation, self.documents or documents]
        # Without a gate the key of what is left of a text is its own.
        named: dict[str | int, Plain] = {REAL: REAL, RESAMPLED: again}
        named |= {generation: corpus_key(key, gate) for generation, key in enumerate(keys)}
        return [[named[source], share] for source, share in self.shares.items()]


def gate_of(stages: Sequence[Stage]) -> list[Stage]:
    """Return those of an arm's stages that what a generation wrote goes through: all but those for real text, or for HTML, alone."""
    return [
        stage
        for stage in stages
        if stage.only != "real"
        and not all(isinstance(step, Transform) and "text" not in step.kinds for step in stage.steps())
    ]


def write(
    chain: Chain, text: WrittenText, run: Kept, tokenize: Tokenize, *, documents: int, generation: int
) -> None:
    """Let a run write its text, each document from end-of-text on, unless the text is there.

    Args:
        chain: says how it is drawn.
        text: where it goes.
        run: that writes.
        tokenize: of the study, which is that of the run.
        documents: of the arm's corpus.
        generation: that the run is.
    """
    from ablate.corpus.tokenizer import load_tokenizer
    from ablate.evaluate.sampler import Decoding, Sampler, row_seeds

    def make() -> Writing:
        sampler, tokenizer = Sampler(run.load()), load_tokenizer(tokenize.folder)
        count, end = chain.documents or documents, tokenizer.eos_token_id
        most = chain.max_tokens or sampler.context
        made = sampler.sample(
            [[end]] * count,
            row_seeds(int(run.run[:15], 16), range(count)),
            tokens=most,
            end=end,
            decoding=Decoding(temperature=chain.temperature, top_k=chain.top_k, top_p=chain.top_p),
        )
        texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in made]
        return Writing(texts, [len(ids) == most for ids in made], run.run, generation)

    text.keep(make, tokenize)


def read(
    chain: Chain, real: TokenStream, texts: Mapping[int, TokenStream], *, seed: int, documents: int
) -> tuple[TokenStream | MixtureStream, Division]:
    """Return what a generation reads, and how it is divided among its sources.

    Args:
        chain: of the generation.
        real: the arm's own text in the order of the seed.
        texts: of the generations that it reads, in the order of the seed.
        seed: of the order.
        documents: of the arm's corpus.
    """
    parts: list[Part] = []
    streams: list[TokenStream] = []
    for source, share in chain.shares.items():
        if isinstance(source, int):
            stream, name = texts[source], f"generation {source}"
        elif source == RESAMPLED:
            drawn = np.random.default_rng([seed % 2**63, chain.generation])
            stream, name = real.resampled(drawn, chain.documents or documents), RESAMPLED
        else:
            stream, name = real, REAL
        streams.append(stream)
        parts.append(Part(name, share, np.arange(stream.documents), stream.unique_tokens))
    division = Division(tuple(parts))
    only = streams[0] if len(streams) == 1 else None
    return only or MixtureStream(streams, division, real.context), division


def text_at(store: Store, key: str) -> WrittenText:
    """Return a text by its key."""
    return WrittenText(store.root / TEXTS / key, key)


def completed(given: Any) -> dict[str, Any] | None:
    """Complete a chain as a configuration gives it with all its keys, so that each can be varied; None for none."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ConfigError(f"{KEY} must be a mapping such as {{kind: replace, generation: 0}}, got {given!r}")
    return asdict(build(Chain, given, KEY))


def check_chains(plan: Plan) -> None:
    """Refuse chains that cannot be, before anything is curated.

    Raises:
        ConfigError: names the key.
    """
    for name, arm in plan.arms.items():
        chain = Chain.of(arm.config)
        if chain is None:
            continue
        where = f"arm {name}: {KEY}"
        if MIXTURE in arm.config:
            raise ConfigError(f"{where} and {MIXTURE} both say what a run reads; leave one of them null")
        if arm.budget.match != "tokens":
            raise ConfigError(f"{where} needs budget=tokens: its generations are compared at one budget")
        if arm.train.branch_from is not None:
            raise ConfigError(
                f"{where} is for runs from scratch; train.branch_from={arm.train.branch_from} is not"
            )
        if arm.randomness.get("subset") is not None:
            raise ConfigError(f"{where} is not for randomness.subset, which draws from one corpus")
        if not arm.train.keep_weights:
            raise ConfigError(
                f"{where}: a generation writes with its final weights; give train.keep_weights=true (they stay in the store, "
                "runs/<key>/model)"
            )
        if CONTROL in arm.config:
            raise ConfigError(
                f"{where} has no size-matched controls: what a stage leaves of a generation's text is not known before it is "
                "written; give design.controls=none"
            )
        for stage in gate_of(arm.stages()):
            try:
                stage.check_fields(FIELDS)
            except FieldError as error:
                raise ConfigError(
                    f"{where}: what a generation writes goes through the arm's stages, and stages.{stage.name} cannot judge "
                    f"it; give stages.{stage.name}.only=real. {error}"
                ) from error
        if chain.max_tokens is not None and chain.max_tokens > arm.proxy.context:
            raise ConfigError(
                f"{where}.max_tokens={chain.max_tokens} is more than the proxy.context={arm.proxy.context} that the model reads"
            )
