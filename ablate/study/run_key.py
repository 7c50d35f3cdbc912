"""What names a run's result: the same texts, model, settings, tasks, seed and origin give the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from ablate.config import identified, make, renamed
from ablate.corpus.mixture import Mixture
from ablate.corpus.tokenizer import load_tokenizer
from ablate.corpus.tokens import Tokenize
from ablate.fingerprint import canonical_json, digest, library_versions
from ablate.plain import Plain
from ablate.store import Store
from ablate.study.chain import Chain, gate_of
from ablate.study.corpus_builder import Prepared
from ablate.study.schema import Arm
from ablate.study.seeds import run_seeds
from ablate.study.trunk import NOT_OF_BRANCHES, Origin

RUN_FORMAT = 2
LIBRARIES = ("torch",)
"""Distributions whose version may change what a run computes; stages, tokenizer and tasks name theirs themselves."""


def run_key(arm: Arm, prepared: Prepared, store: Store, seed: int, origin: Origin | None = None) -> str:
    """Return what names a run's result: the same texts, model, settings, tasks, seed and origin give the same.

    Args:
        arm: of the run.
        prepared: its corpus.
        store: where tasks that are fetched once lie.
        seed: the run's.
        origin: what it branches off; None from scratch.
    """
    name, chain = namer(arm, prepared, store, seed, origin), Chain.of(arm.config)
    documents, gate = int(prepared.info["documents"]), gate_of(prepared.stages)
    return name(chain.reads(name, documents, gate) if chain else None)


def parent_key(
    arm: Arm, prepared: Prepared, store: Store, seed: int, origin: Origin | None = None
) -> str | None:
    """Return what names the run that wrote the last text which a run of a chain reads; None where there is none.

    Args:
        arm, prepared, store, seed, origin: as for `run_key`.
    """
    chain = Chain.of(arm.config)
    if chain is None:
        return None
    documents, gate = int(prepared.info["documents"]), gate_of(prepared.stages)
    return chain.parent(namer(arm, prepared, store, seed, origin), documents, gate)


def namer(
    arm: Arm, prepared: Prepared, store: Store, seed: int, origin: Origin | None
) -> Callable[[Plain], str]:
    """Return what names the run of each generation of an arm's chain, by what it reads; None: the arm's own text."""
    without = ("tokens", *(NOT_OF_BRANCHES if origin else ()))
    train = {name: value for name, value in identified(arm.config["train"]).items() if name not in without}
    weights, order, subset = run_seeds(arm, seed)
    same = {
        "format": RUN_FORMAT,
        "content": prepared.info["content"],
        "tokenizer": prepared.tokenizer.digest,
        "libraries": library_versions(LIBRARIES),
        "proxy": identified(arm.config["proxy"]),
        "train": train,
        "primary": arm.config["evaluate"]["primary"],
        "seed": weights if weights == order else [weights, order],
        **({} if subset is None else {"subset": subset}),
        **({"origin": origin.key} if origin else {}),
        "tokens": budget_tokens(arm, prepared),
        **({"mixture": mixture.weights} if (mixture := Mixture.of(arm.config)) else {}),
        "evaluate": evaluator_of(arm, prepared.tokenizer, store).digest,
    }
    return lambda reads: digest({**same, **({} if reads is None else {"chain": reads})})


def budget_tokens(arm: Arm, prepared: Prepared) -> int:
    """Return how many tokens an arm trains on.

    Args:
        arm: its `budget.match` says whether it is the plan's number of tokens or one pass over its corpus.
        prepared: that corpus.
    """
    return arm.train.tokens if arm.budget.match == "tokens" else prepared.one_pass


@lru_cache(maxsize=16)
def _evaluator(evaluate: str, tokenizer: Path, context: int, store: Path) -> Any:
    from ablate.evaluate.evaluator import Evaluator

    return Evaluator(make(json.loads(evaluate), "evaluate"), load_tokenizer(tokenizer), context, Store(store))


def evaluator_of(arm: Arm, tokenizer: Tokenize, store: Store) -> Any:
    """Return the evaluator of an arm's runs with this tokenizer; it is built once per process."""
    return _evaluator(
        canonical_json(renamed(identified(arm.config["evaluate"]))),
        tokenizer.folder,
        arm.proxy.context,
        store.root,
    )
