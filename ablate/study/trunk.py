"""What runs branch off: a trunk trained here, once per seed and shared through the store, or a checkpoint."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.config import identified, naming
from ablate.corpus.branch import BranchStream
from ablate.corpus.mixture import KEY
from ablate.corpus.tokenizer import load_tokenizer
from ablate.corpus.tokens import Tokenize, TokenStream
from ablate.errors import AblateError, ConfigError
from ablate.fingerprint import canonical_json, digest, library_versions
from ablate.provenance import provenance
from ablate.store import clear_parts, discard, lock, read_json, whole, write_json
from ablate.study.corpus_builder import CorpusBuilder, Prepared
from ablate.study.schema import Arm, Plan
from ablate.study.seeds import run_seeds
from ablate.train.config import TrainConfig, check_budget
from ablate.train.pretrained import Checkpoint, check_tokenizer, open_checkpoint
from ablate.train.schedule import warmup_steps

if TYPE_CHECKING:
    from ablate.train.checkpoint import State

TRUNK_FORMAT = 1
LIBRARIES = ("torch",)
NOT_OF_BRANCHES = ("schedule", "min_lr_ratio", "hold_fraction", "branch_from", "branch_at")
"""Settings that a branch has none of its own of, or that its origin stands for."""
NOT_OF_TRUNKS = (*NOT_OF_BRANCHES, "tokens", "evaluations", "warmup_fraction")
FAILED, LOG = "failed.json", "train.log"


class TrunkError(AblateError):
    """A run that has nothing to branch off."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.details = {"reason": "trunk"}


@dataclass(frozen=True, eq=False)
class Trunk:
    """The reference arm's text, with an arm's model and settings, under one seed, up to the branch.

    Attributes:
        key: names what it computes, in the store.
        folder: where its last checkpoint and `trunk.json` lie.
        arm: one that branches off it.
        settings: how it trains.
        seed, weights: of the run, and of its initial weights.
        stream: what it reads, and would read next.
        vocab_size: of the tokenizer.
    """

    key: str
    folder: Path
    arm: Arm = field(repr=False)
    settings: TrainConfig
    seed: int
    weights: int
    stream: TokenStream
    vocab_size: int

    @property
    def there(self) -> bool:
        """Whether it has been trained."""
        from ablate.train.checkpoint import NAME

        return all([whole(self.folder / name) for name in ("trunk.json", NAME)])

    @property
    def finished(self) -> bool:
        """Whether it says that it has been trained; asked often, so nothing is read."""
        return (self.folder / "trunk.json").exists()

    def before(self, own: TokenStream) -> BranchStream:
        """Return what a run reads that goes on from here with a stream of its own."""
        return BranchStream(self.stream, own, self.settings.tokens)

    def load(self) -> State:
        """Load the state at its end."""
        from ablate.train.checkpoint import load_any

        return load_any(self.folder)

    def record(self) -> dict[str, Any]:
        """Return what the records of its branches say of it."""
        about = read_json(self.folder / "trunk.json")
        kept = {name: about[name] for name in ("tokens", "epochs", "flops", "cost")}
        return {"run": self.key, "seed": self.seed, **kept}

    def problem(self) -> TrunkError:
        """Return why it is not there."""
        path = self.folder / FAILED
        why = (
            read_json(path)["error"]
            if path.exists()
            else "it ended without a word (killed, or no disk space)"
        )
        return TrunkError(f"its trunk was not trained (seed {self.seed}, log: {self.folder / LOG}): {why}")


Origin = Trunk | Checkpoint


@lru_cache(maxsize=64)
def _entries(tokenizer: Path) -> int:
    return len(load_tokenizer(tokenizer))


class Origins:
    """Where the runs of a plan start from.

    Args:
        plan: with the reference arm, whose corpus trunks are trained on.
        builder: of its arms.
    """

    def __init__(self, plan: Plan, builder: CorpusBuilder) -> None:
        self._plan, self._builder = plan, builder
        self._checkpoints: dict[str, Checkpoint] = {}
        self._references: dict[tuple[str, int], Prepared] = {}
        self._streams: dict[tuple[str, int, int], TokenStream] = {}

    def _reference(self, arm: Arm, seed: int) -> Prepared:
        """The reference arm's corpus, in the tokens and of the shard that an arm has under a seed."""
        randomness = arm.config.get("randomness")
        drawn = (canonical_json(randomness), seed)
        if drawn not in self._references:
            same = self._plan.reference_arm.having(randomness=randomness)
            self._references[drawn] = self._builder.prepare(same, seed)
        return self._references[drawn]

    def vocab_size(self, origin: Origin | None, tokenizer: Tokenize) -> int:
        """Return rows of the embeddings of a run with this origin and tokenizer."""
        return origin.vocab_size if origin else _entries(tokenizer.folder)

    def of(self, arm: Arm, seed: int) -> Origin | None:
        """Return what a run of an arm branches off; None from scratch.

        Raises:
            ConfigError: for a checkpoint that does not fit the study.
        """
        settings = arm.train
        if settings.branch_from is None:
            return None
        if settings.from_trunk:
            return self._trunk(arm, seed)
        place = canonical_json([settings.branch_from, arm.config["proxy"]])
        if place not in self._checkpoints:
            checkpoint = open_checkpoint(settings.branch_from, arm.proxy)
            check_tokenizer(settings.branch_from, checkpoint, self._builder.tokenizer.folder)
            self._checkpoints[place] = checkpoint
        return self._checkpoints[place]

    def _trunk(self, arm: Arm, seed: int) -> Trunk:
        weights, order, _ = run_seeds(arm, seed)
        settings, context = arm.train, arm.proxy.context
        steps = check_budget(settings.tokens, settings, context)
        of_trunk, reference = settings.of_trunk(steps), self._reference(arm, seed)
        recipe = {name: v for name, v in identified(arm.config["train"]).items() if name not in NOT_OF_TRUNKS}
        key = digest(
            {
                "trunk": TRUNK_FORMAT,
                "content": reference.info["content"],
                "tokenizer": reference.tokenizer.digest,
                "libraries": library_versions(LIBRARIES),
                "proxy": identified(arm.config["proxy"]),
                "train": recipe,
                "steps": settings.trunk_steps(steps),
                "warmup": warmup_steps(steps, settings.warmup_fraction),
                "seed": weights if weights == order else [weights, order],
            }
        )
        place = (reference.key, order, context)
        if place not in self._streams:
            self._streams[place] = self._builder.stream(reference, seed=order, context=context)
        return Trunk(
            key,
            self._builder.store.root / "trunks" / key,
            arm,
            of_trunk,
            seed,
            weights,
            self._streams[place],
            _entries(reference.tokenizer.folder),
        )


def train_trunks(trunks: Sequence[Trunk], threads: int | None = None) -> dict[str, Exception]:
    """Train the trunks that are not there, those of one shape in lockstep; another process's are waited for.

    Args:
        trunks: the same one may be named several times.
        threads: CPU threads, where `train.threads` leaves them open.
    Returns:
        Key -> why it is still not there.
    """
    missing = {trunk.key: trunk for trunk in trunks if not trunk.there}
    with ExitStack() as stack:
        alike: dict[str, list[Trunk]] = {}
        for key in sorted(missing):  # in one order, so that no two processes wait for one another
            trunk = missing[key]
            stack.enter_context(
                lock(trunk.folder / ".lock", f"training the trunk of seed {trunk.seed}", wait=True)
            )
            if not trunk.there:
                clear_parts(trunk.folder)
                discard(trunk.folder / FAILED)
                shape = canonical_json(
                    [trunk.arm.config["proxy"], trunk.arm.config["train"], trunk.vocab_size]
                )
                alike.setdefault(shape, []).append(trunk)
        for group in alike.values():
            _train(group, threads)
    return {key: trunk.problem() for key, trunk in missing.items() if not trunk.there}


def _train(group: list[Trunk], threads: int | None) -> None:
    from ablate.train.loop import Run, train_stacked

    started = time.monotonic()
    first = group[0]
    settings = replace(first.settings, threads=first.settings.threads or threads)
    with ExitStack() as stack:
        logs = [stack.enter_context((trunk.folder / LOG).open("a", encoding="utf-8")) for trunk in group]
        try:
            outcomes: Sequence[Any] = train_stacked(
                [
                    Run(
                        stream=trunk.stream,
                        seed=trunk.weights,
                        folder=trunk.folder,
                        evaluate=lambda *_: None,
                        log=lambda entry, log=log: print(json.dumps(entry), file=log, flush=True),  # type: ignore[misc]
                        resume_key=trunk.key,
                    )
                    for trunk, log in zip(group, logs, strict=True)
                ],
                proxy=first.arm.proxy,
                config=settings,
                vocab_size=first.vocab_size,
                tokens=settings.tokens,
            )
        except Exception as error:
            outcomes = [error] * len(group)
        run_s = (time.monotonic() - started) / len(group)
        for trunk, outcome, log in zip(group, outcomes, logs, strict=True):
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                write_json(
                    trunk.folder / "trunk.json",
                    {
                        "tokens": outcome.tokens,
                        "steps": outcome.steps,
                        "epochs": outcome.tokens / trunk.stream.unique_tokens,
                        "flops": outcome.flops,
                        "final_loss": outcome.final_loss,
                        "losses": outcome.losses,
                        "cost": {**outcome.cost, "run_s": run_s},
                        "provenance": provenance(),
                    },
                    seal=True,
                )
            except Exception as error:
                log.write("".join(traceback.format_exception(error)))
                note_failure(trunk, error)


def note_failure(trunk: Trunk, error: Exception) -> None:
    """Leave word of why a trunk is not there."""
    message = str(error) if isinstance(error, AblateError) else f"{type(error).__name__}: {error}"
    try:
        write_json(trunk.folder / FAILED, {"error": message, **getattr(error, "details", {})}, seal=True)
    except (AblateError, OSError):
        return  # the disk may be what failed; that there is no trunk says the same


def check_branches(plan: Plan) -> None:
    """Refuse what cannot branch, before anything is curated.

    Raises:
        ConfigError: names the key.
    """
    for arm in plan.arms.values():
        settings = arm.train
        if settings.branch_from is None:
            continue
        if settings.from_trunk:
            steps = check_budget(settings.tokens, settings, arm.proxy.context)
            with naming("train", vars(settings)):
                settings.of_trunk(steps)
            points = sum(share > settings.trunk_share for share in {*settings.evaluations, 1.0})
            if arm.evaluate.average_last > points:
                raise ConfigError(
                    f"evaluate.average_last={arm.evaluate.average_last} needs as many points on the branch, and of "
                    f"train.evaluations only {points} lie behind {settings.trunk_share}; add some, e.g. "
                    f"{round((settings.trunk_share + 1) / 2, 3)}"
                )
            if KEY in arm.config:
                raise ConfigError(
                    f"{KEY} is not for train.branch_from=reference: a trunk stops at one place in one order of documents, and a "
                    "mixture has an order for each source; train from scratch (train.branch_from=null)"
                )
            if arm.budget.match != "tokens":
                raise ConfigError(
                    "train.branch_from=reference needs budget=tokens: with budget.match=source each arm trains for as long as "
                    "its own text lasts, and one trunk cannot be the first part of all of them"
                )
            if arm.randomness.get("subset") is not None:
                raise ConfigError(
                    "randomness.subset is not for train.branch_from=reference: which documents the budget reaches is "
                    "decided by where the trunk stops"
                )
            continue
        if not arm.config["tokenizer"]["pretrained"]:
            raise ConfigError(
                f"train.branch_from={settings.branch_from}: a checkpoint goes with its own tokenizer; give "
                f"tokenizer=pretrained tokenizer.pretrained={settings.branch_from.partition('@')[0]}"
            )
        open_checkpoint(settings.branch_from, arm.proxy)
