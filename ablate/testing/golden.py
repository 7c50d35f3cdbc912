"""`check_golden`: whether a step still returns what its version promised."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ablate.stages.base import Step
from ablate.testing.contract import ContractError, require
from ablate.testing.stage import slow_half

DIGITS = 4
"""Of scores: floating-point ones may differ in the last digits between builds."""


def check_golden(step: Step, texts: Sequence[str], path: Path, *, write: bool = False) -> None:
    """Compare what the slow half returns with a file that was written when its version was made.

    Args:
        path: a file whose name holds the version, such as `my_stage-v2.json`.
        write: write the file instead, where there is none.
    Raises:
        ContractError: when there is no file, or what it holds is not what comes out.
    """
    found = json.loads(json.dumps(_plain(slow_half(step, texts))))
    if write and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
        return
    what = type(step).__name__
    require(
        path.exists(), f"there is no golden file {path} for version {step.version} of {what}; write it once"
    )
    expected = json.loads(path.read_text(encoding="utf-8"))
    if not _near(found, expected):
        raise ContractError(
            f"{what} does not return what version {step.version} promised ({path}): raise its version, or the "
            "store gives back what the code before made"
        )


def _plain(output: object) -> object:
    if isinstance(output, dict):
        return {name: _plain(value) for name, value in output.items()}
    if isinstance(output, (list, tuple)):
        return [_plain(value) for value in output]
    if isinstance(output, np.ndarray):
        if output.dtype.kind == "f":
            return np.round(output, DIGITS).tolist()
        if output.dtype == np.uint64:
            return (
                [f"{value:016x}" for value in output.tolist()]
                if output.ndim == 1
                else [_plain(row) for row in output]
            )
        return output.tolist()
    return output


def _near(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_near(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_near, one, other))
    if isinstance(one, float) and isinstance(other, (int, float)):
        return bool(np.isclose(one, other, atol=2 * 10.0**-DIGITS, equal_nan=True))
    return bool(one == other)
