"""The law: the same comes out, whoever does the tasks, however many do, in whatever order, and however the pool is cut."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.executor.here import Here
from ablate.executor.task import Executor
from ablate.pool.pool import build_pool
from ablate.pool.source import Document
from ablate.stages.c4_quality import C4Quality
from ablate.stages.fineweb_quality import FineWebQuality
from ablate.stages.line_dedup import LineDedup
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.stages.pii import Pii
from ablate.store import Store
from tests.clusters import ray_cluster, slurm_cluster
from tests.conftest import InMemory
from tests.executor.curate import annotations_of
from tests.executor.noted import NotedExecutor, begun

PROSE = "The old man went to the market and bought some bread. Nobody was there to talk to him at all."
PAGES = [
    Document(f"Page {n % 17} of the book. {PROSE}\nWrite to anna{n % 5}@mail.org.\nLine {n} of it ends here.")
    for n in range(40)
]
SHARD = 7
STAGES = [Pii(), MinhashDedup(), C4Quality(min_sentences=1), LineDedup(), FineWebQuality()]


def curated(store: Store, shard: int, executor: Executor) -> dict[str, str]:
    """A digest for each thing that is made of the pages."""
    annotations = Annotations(build_pool(InMemory(tuple(PAGES)), store, shard), store, executor=executor)
    try:
        corpus = build_corpus(STAGES, annotations)
        texts = json.dumps(list(annotations.texts(corpus.version, corpus.rows)))
    finally:
        annotations.close()
    made = dict(annotations_of(store))
    if shard != SHARD:  # names say how the pool is cut; what is under them does not
        return {"texts": texts, "measured": json.dumps(sorted(made.values()))}
    return {"content": corpus.content, "texts": texts, "measured": json.dumps(sorted(made.values())), **made}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one process makes, one task after another."""
    return curated(Store(tmp_path_factory.mktemp("alone")), SHARD, Here(workers=1))


@pytest.mark.parametrize(("workers", "shard", "seed"), [(1, 40, None), (1, 1, 4), (2, SHARD, 5), (2, 3, 6)])
def test_on_this_machine(
    tmp_path: Path, alone: dict[str, str], workers: int, shard: int, seed: int | None
) -> None:
    notes = tmp_path / "notes"
    found = curated(Store(tmp_path / "other"), shard, NotedExecutor(Here(workers=workers), notes, seed))
    assert found == {name: alone[name] for name in found}
    assert len(found) == len(alone) > 8 or shard != SHARD
    assert set(begun(notes).values()) == {1}, "no task is done twice"


def curate(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a command of its own makes in a folder of its own."""
    folder.mkdir()
    command = [sys.executable, "-m", "tests.executor.curate", "--pages", "240", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one process makes, one task after another."""
    return curate(tmp_path_factory.mktemp("expected") / "one", "--shard", "40", "workers=1")


Check = Callable[..., None]


@pytest.fixture
def check(tmp_path: Path, expected: dict[str, str]) -> Check:
    """Curates once more and compares; no task is done twice."""

    def compare(*arguments: str, environment: Mapping[str, str] | None = None) -> None:
        folder = tmp_path / "other"
        assert curate(folder, "--shard", "40", *arguments, environment=environment) == expected
        assert set(begun(folder / "notes").values()) == {1}

    return compare


@pytest.mark.slow
def test_by_two_processes_in_another_order(check: Check) -> None:
    check("workers=2", "--seed", "1")


@pytest.mark.slow
def test_on_two_nodes_of_ray(check: Check) -> None:
    with ray_cluster() as cluster:
        check("executor=ray", f"executor.address={cluster.address}", "--seed", "2")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_on_two_nodes_of_slurm(tmp_path: Path, check: Check) -> None:
    folder = tmp_path / "slurm"
    folder.mkdir()
    with slurm_cluster(folder) as cluster:
        check("executor=slurm", "executor.jobs=2", environment=cluster.environment)
        assert cluster.ask("squeue", "-h", "-r", "-o", "%i") == []
