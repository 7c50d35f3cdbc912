"""Checkpoints: the last one of a run, whole or not there at all, refused by another run."""

from __future__ import annotations

from pathlib import Path
from typing import NotRequired, TypedDict

import torch

from ablate.errors import ConfigError, DataError
from ablate.store import atomic, check, discard, whole

NAME = "checkpoint.pt"


class State(TypedDict):
    """What a run goes on from.

    Attributes:
        identity: of the run that saved it; absent before it is saved, and in what starts a run.
        step, began: steps made, and those of them that another run made.
        losses: of each step, nats per token.
        trained_s: seconds of training so far.
        weights: the run's rows of both arrays of `Weights`, fp32.
        moments: for each of those the two moments of AdamW; None before the first step.
    """

    identity: NotRequired[str]
    step: int
    began: NotRequired[int]
    losses: list[float]
    trained_s: float
    weights: list[torch.Tensor]
    moments: list[list[torch.Tensor]] | None


def save(folder: Path, identity: str, state: State) -> None:
    """Replace the run's checkpoint.

    Raises:
        DataError: when it cannot be written; the one before it is still there.
    """
    with atomic(folder / NAME, seal=True) as part:
        try:
            torch.save({"identity": identity, **state}, part)
        except RuntimeError as error:  # torch's own writer says so when the disk is full
            raise OSError(str(error)) from error


def load(folder: Path, identity: str) -> State | None:
    """The run's checkpoint; None when there is none, or when it is damaged, which is said.

    Raises:
        ConfigError: when it belongs to another configuration.
    """
    path = folder / NAME
    if not whole(path):
        return None
    state = _read(path)
    if state["identity"] != identity:
        raise ConfigError(
            f"{path} belongs to a run of another configuration; delete it to start this one, "
            "or go back to the configuration it was made with"
        )
    return state


def load_any(folder: Path) -> State:
    """A checkpoint that another run is to start from.

    Raises:
        DataError: when it is gone or damaged.
    """
    check(folder / NAME)
    if not (folder / NAME).exists():
        raise DataError(f"{folder / NAME} does not exist; run the same command again, which trains it")
    return _read(folder / NAME)


def _read(path: Path) -> State:
    state: State = torch.load(path, map_location="cpu", weights_only=True)
    return state


def remove(folder: Path) -> None:
    """Delete it once the run is done."""
    discard(folder / NAME)
