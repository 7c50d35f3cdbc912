"""Sequential sweeps: seeds in rounds, to the arms of contrasts that are still open."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from ablate.errors import ConfigError
from ablate.store import Store
from ablate.study.interim_looks import OPEN
from ablate.study.plan import load_plan
from ablate.study.results import current, load_study
from ablate.study.sweep import Say, sweep


def sequential_sweep(study: Path, store: Store, composed: DictConfig, say: Say) -> dict[tuple[str, int], str]:
    """Round after round, run what open contrasts need; the same command goes on after an interruption.

    Returns:
        (arm, seed) -> error of every run that was wanted and has no record.
    """
    plan = load_plan(study)
    if plan.sequential is None:
        raise ConfigError(f"{study}: its plan has no rounds of seeds (sequential.looks)")
    failures: dict[tuple[str, int], str] = {}
    needed, rounds = list(plan.arms), plan.sequential.looks
    for number, look in enumerate(rounds, start=1):
        say(f"round {number} of {len(rounds)}: {len(needed)} arms, {look} seeds each")
        wanted = [(arm, seed) for arm in needed for seed in plan.seeds[:look]]
        failures |= sweep(study, store, composed, say, wanted)
        found = current(load_study(study), number)
        for state in found:
            if state.status != OPEN and state.round == number:
                say(f"  {state.name}: {state.status} after {state.seeds} seeds")
        still = {arm for state in found if state.status == OPEN for arm in state.arms}
        needed = [arm for arm in plan.arms if arm in still]
        if not needed:
            break
    say(f"{len(load_study(study).records)} of at most {len(plan.runs)} runs were needed")
    return failures
