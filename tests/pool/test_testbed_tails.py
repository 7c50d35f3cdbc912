"""The testbed's tails: popular and rare towns, a dialect that alone tells of some, towns that no page tells of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

from ablate.benchmarks.snapshot import read_snapshot
from ablate.errors import ConfigError
from ablate.fingerprint import digest
from ablate.pool.testbed import prose
from ablate.pool.testbed.dialect import FORMS, in_dialect
from ablate.pool.testbed.pages import Page, generate
from ablate.pool.testbed.pages import TestbedConfig as Config
from ablate.pool.testbed.source import Testbed as GeneratedWeb
from ablate.pool.testbed.world import PHRASINGS, World
from ablate.teacher.testbed import PlantedDefects

TAILS = Config(seed=3, pages=1200, towns=20, popularity=1.0, dialect=0.1, dialect_towns=4, untold_towns=3)


@pytest.fixture(scope="module")
def pages() -> list[Page]:
    return list(generate(TAILS))


def told(text: str, world: World) -> set[str]:
    return {town for town in world.facts if f" {town}" in f" {text}"}


def test_without_tails_nothing_is_named_or_generated_otherwise(tmp_path: Path) -> None:
    """The digests are of the pages before tails came, the first 300 of two seeds."""
    before = {(0, 0.0): "ce3fa20bd679fafa7e8cd7db5ac0a9d1", (7, 0.1): "cf963281f751a0effc8346005d7863bf"}
    for (seed, wrong), expected in before.items():
        pages = generate(Config(seed=seed, pages=300, contradicting=wrong))
        assert digest([(page.url, page.html, page.truth) for page in pages]) == expected
    names = GeneratedWeb(folder=str(tmp_path / "t"), world=Config(pages=5)).request()
    assert not {"popularity", "dialect", "dialect_towns", "untold_towns"} & set(names)
    assert sorted(path.name for path in (tmp_path / "t" / "tasks").iterdir()) == ["facts", "leaked"]
    assert "misbelieved" not in PlantedDefects().identity()
    assert PlantedDefects(misbelieved=0.1).identity()["misbelieved"] == 0.1


def test_groups_by_hand() -> None:
    """60 towns: a sixth, a third, a half; of 20 towns 4 and 3 are apart, which leaves 2 + 5 + 6 of 13."""
    assert [len(towns) for towns in World(0, 60, 16, 40, popularity=1.0).rarity.values()] == [10, 20, 30]
    world = TAILS.world
    assert [len(towns) for towns in world.rarity.values()] == [2, 5, 6]
    assert (len(world.majority), len(world.minority)) == (13, 4)
    tasks = world.tasks()
    assert {name: len(items) for name, items in tasks.items()} == {
        "facts": 4 * 17,
        "facts_head": 8,
        "facts_mid": 20,
        "facts_tail": 24,
        "facts_minority": 16,
        "facts_untold": 12,
        "leaked": 40,
    }
    parts = [tasks[f"facts_{name}"] for name in ("head", "mid", "tail", "minority")]
    assert [item for part in parts for item in part] == tasks["facts"]
    assert World(3, 20, 16, 40).facts == world.facts, (
        "a teacher that knows the plain world knows the same facts"
    )


def test_towns_are_told_of_as_often_as_zipf_says(pages: list[Page]) -> None:
    """Against the exact chances of a pair that is drawn without putting back."""
    world = TAILS.world
    weights = np.arange(1, 14) ** -1.0
    first = weights / weights.sum()
    second = np.array(
        [
            sum(first[i] * weights[j] / (weights.sum() - weights[i]) for i in range(13) if i != j)
            for j in range(13)
        ]
    )
    clean = [page for page in pages if page.truth["kind"] == "clean"]
    counts = Counter(town for page in clean for town in told(page.text, world))
    assert sum(counts.values()) == 2 * len(clean) and set(counts) <= set(world.majority)
    for rank, chance in enumerate(first + second):
        assert stats.binomtest(counts[world.majority[rank]], len(clean), chance).pvalue > 1e-4


def test_the_dialect_alone_tells_of_its_towns(pages: list[Page]) -> None:
    world = TAILS.world
    spoken = [page for page in pages if page.truth["kind"] == "dialect"]
    assert stats.binomtest(len(spoken), len(pages), 0.1).pvalue > 1e-4
    for page in pages:
        assert bool(told(page.text, world) & set(world.minority)) == (page.truth["kind"] == "dialect")
        assert not told(page.text, world) & set(list(world.facts)[-3:]), "no page tells of these"
    assert all(" tha " in page.text and " the " not in page.text for page in spoken)


def test_in_dialect_by_hand() -> None:
    assert in_dialect("The river of Thedon is the Ofvik.") == "Tha river o' Thedon be tha Ofvik."
    plain = " ".join(" ".join(prose.article(Random(str(n)), World(0, 30, 16, 40))) for n in range(200))
    assert not set(FORMS.values()) & set(plain.replace(".", " ").replace(",", " ").lower().split())
    assert len(set(FORMS)) == len(FORMS) and all(form != word for word, form in FORMS.items())
    for ways in PHRASINGS.values():
        assert all(
            in_dialect(way) != way and "{e}" in in_dialect(way) and "{v}" in in_dialect(way) for way in ways
        )


def test_minority_questions_are_asked_in_the_dialect() -> None:
    tasks = TAILS.world.tasks()
    for name, first in (("facts_minority", "Tha "), ("facts_head", "The "), ("facts_untold", "The ")):
        assert all(str(item["query"]).startswith(first) for item in tasks[name])


def test_tasks_stand_in_the_snapshot(tmp_path: Path) -> None:
    source = GeneratedWeb(folder=str(tmp_path / "t"), world=TAILS)
    assert source.request()["dialect_towns"] == 4
    names = list(TAILS.world.tasks())
    assert sorted(path.name for path in (tmp_path / "t" / "tasks").iterdir()) == sorted(names)
    assert [len(task.items) for task in read_snapshot(tmp_path / "t" / "tasks", names)] == [
        68,
        8,
        20,
        24,
        16,
        12,
        40,
    ]
    kinds = Counter(pq.read_table(tmp_path / "t" / "truth.parquet")["kind"].to_pylist())
    assert kinds["dialect"] > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"popularity": -1.0}, "popularity must be 0 or more, got -1"),
        ({"popularity": float("nan")}, "popularity must be 0 or more"),
        ({"dialect": 0.1}, "dialect_towns must be 2 or more"),
        ({"untold_towns": -1}, "must be 0 or more"),
        ({"towns": 10, "dialect_towns": 5, "untold_towns": 4}, "towns must leave 2 or more"),
        ({"towns": 10, "popularity": 1.0, "untold_towns": 5}, "towns must leave 6 or more"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(**settings)  # type: ignore[arg-type]


def test_a_teacher_has_a_share_of_the_facts_wrong_always_in_the_same_way() -> None:
    """30 towns with 4 facts each: a fifth of 120 is 24."""
    world = World(0, 30, 16, 40)
    teacher = PlantedDefects(towns=30, misbelieved=0.2)
    believed = teacher.world
    differ = [
        (t, a) for t, values in world.facts.items() for a, v in values.items() if believed.facts[t][a] != v
    ]
    assert len(differ) == 24 and believed == world and world.facts != believed.facts
    assert PlantedDefects(towns=30, misbelieved=0.2).world.facts == believed.facts
    with pytest.raises(ValueError, match="misbelieved must be in"):
        PlantedDefects(misbelieved=1.5)
