"""A checkpoint with any bit changed is not gone on from."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from ablate.train import checkpoint


def test_no_changed_bit_goes_unnoticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dice = random.Random(1)
    state = {"step": 7, "losses": [5.0] * 9, "weights": [torch.arange(500.0)]}
    checkpoint.save(tmp_path, "run", state)
    loaded = checkpoint.load(tmp_path, "run")
    assert loaded is not None and torch.equal(loaded["weights"][0], state["weights"][0])
    path = tmp_path / checkpoint.NAME
    raw = path.read_bytes()
    for at in {0, len(raw) - 1, *(dice.randrange(len(raw)) for _ in range(200))}:
        changed = bytearray(raw)
        changed[at] ^= 1 << dice.randrange(8)
        path.write_bytes(changed)
        assert checkpoint.load(tmp_path, "run") is None
    assert f"damaged: {path}" in capsys.readouterr().err
    checkpoint.save(tmp_path, "run", state)
    assert checkpoint.load(tmp_path, "run") is not None
    checkpoint.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []
