"""A study small enough to run in seconds: 160 pages, a 10,000-parameter proxy, a few hundred tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.cli import main

TINY = (
    "study=demo", "pool.world.pages=160", "pool.world.towns=4", "pool.world.values=5", "pool.world.islands=4",
    "pool.world.clusters=4", "tokenizer.vocab_size=300", "proxy.hidden_size=16", "proxy.layers=1", "proxy.heads=2",
    "proxy.intermediate_size=32", "proxy.context=32", "train.tokens=2048", "train.batch_tokens=256",
    "train.evaluations=[0.5,1.0]", "seeds=[0,1]", "workers=1", "plan.probe=false",
    "design.factors=[language,minhash_dedup,fineweb_quality]",
)  # fmt: skip


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Overrides of the small study."""
    return TINY


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ablate(here: Path) -> Callable[..., int]:
    """Run a command line in the working directory; returns its exit status."""
    return lambda *arguments: main(list(arguments))
