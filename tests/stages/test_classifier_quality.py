"""Classifier filter: threshold or share, ties, what names it, what is shipped to workers."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.classifier.linear import Linear
from ablate.classifier.student import load_student, train_student
from ablate.compose import compose
from ablate.config import make, make_stages, plain
from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.errors import ConfigError
from ablate.pool.source import Document
from ablate.stages.classifier_quality import ClassifierQuality
from ablate.study.plan import make_plan

GOOD = [f"Plants turn light into sugar, lesson {number}" for number in range(20)]
POOR = [f"Click here and win a prize, offer {number}" for number in range(20)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A student that knows good from poor."""
    folder = tmp_path_factory.mktemp("student")
    targets = np.repeat([1.0, 0.0], 20)
    train_student(Linear(buckets=1024), GOOD + POOR, targets, folder, binary=True, seed=0, recipe={})
    return str(folder)


def kept(scores: list[float], **parameters: Any) -> list[bool]:
    stage = ClassifierQuality(**{"keep_fraction": None, **parameters})
    verdict = stage.decide({"score": np.array(scores, dtype=float)})
    assert verdict.reasons == ("low_score",)
    return verdict.keep.tolist()


def test_a_score_at_the_threshold_is_kept() -> None:
    assert kept([2.9, 3.0, 3.1], threshold=3.0) == [False, True, True]


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.25, [0, 0, 0, 1]),
        (0.26, [0, 0, 1, 1]),
        (0.5, [0, 0, 1, 1]),
        (1.0, [1, 1, 1, 1]),
        (0.01, [0, 0, 0, 1]),
    ],
)
def test_the_best_share_is_kept_rounded_up(fraction: float, expected: list[int]) -> None:
    assert kept([0.1, 0.2, 0.3, 0.4], keep_fraction=fraction) == [bool(value) for value in expected]


def test_a_tenth_of_thirty_is_three() -> None:
    assert sum(kept([float(value) for value in range(30)], keep_fraction=0.1)) == 3


def test_documents_tied_with_the_last_one_are_all_kept() -> None:
    assert kept([1, 2, 2, 2, 0], keep_fraction=0.4) == [False, True, True, True, False]


@given(st.lists(st.integers(0, 9), max_size=60), st.floats(0.01, 1.0), st.randoms(use_true_random=False))
def test_the_share_law(scores: list[int], fraction: float, random: Any) -> None:
    """At least the share, no more than ties force, and the same documents in any order."""
    keep = kept([float(score) for score in scores], keep_fraction=fraction)
    if not scores:
        assert keep == []
        return
    chosen = [score for score, is_kept in zip(scores, keep, strict=True) if is_kept]
    dropped = [score for score, is_kept in zip(scores, keep, strict=True) if not is_kept]
    assert len(chosen) >= fraction * len(scores) - 1e-6
    assert len([score for score in chosen if score > min(chosen)]) < fraction * len(scores)
    assert max(dropped, default=-1) < min(chosen)
    order = list(range(len(scores)))
    random.shuffle(order)
    again = kept([float(scores[row]) for row in order], keep_fraction=fraction)
    assert again == [keep[row] for row in order]


def test_an_enabled_stage_without_a_student_is_refused_before_anything_runs() -> None:
    for recipe in ("fineweb_edu", "dclm"):
        with pytest.raises(ConfigError, match=r"no student is given.*ablate train_classifier.*enabled=false"):
            make_plan(compose(["study=demo", f"recipe={recipe}"]))
        off = make_plan(
            compose(["study=demo", f"recipe={recipe}", "stages.classifier_quality.enabled=false"])
        )
        assert "classifier_quality" not in off.arms


def test_it_measures_what_the_student_says(model: str) -> None:
    texts = [GOOD[0], POOR[0], ""]
    measured = ClassifierQuality(model=model).measure_many(texts)["score"]
    np.testing.assert_array_equal(measured, load_student(model)(texts))
    assert measured[0] > measured[1]


def test_identity_is_the_student_not_its_path(model: str, tmp_path: Path) -> None:
    copy = str(shutil.copytree(model, tmp_path / "copy"))
    one, two = ClassifierQuality(model=model), ClassifierQuality(model=copy)
    assert one.identity() == two.identity() and one.slow_identity() == two.slow_identity()
    assert model not in json.dumps(one.identity())
    targets = np.repeat([0.0, 1.0], 20)
    train_student(Linear(buckets=1024), GOOD + POOR, targets, Path(copy), binary=True, seed=0, recipe={})
    assert ClassifierQuality(model=copy).slow_identity() != one.slow_identity()


def test_thresholds_and_shares_score_each_document_once(
    model: str, store: Any, make_pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep decides again and scores nothing again, in this process and in a later one."""
    texts = ["light " * number + "prize " * (40 - number) for number in range(40)]
    levels = np.sort(load_student(model)(texts))[[0, 10, 20, 39]].tolist()
    cuts = [{"threshold": level, "keep_fraction": None} for level in levels]
    cuts += [{"threshold": None, "keep_fraction": share} for share in (0.05, 0.1, 0.5, 1.0)]
    scored: list[str] = []
    measure = ClassifierQuality.measure_many

    def counted(self: ClassifierQuality, texts: Any) -> Any:
        scored.extend(texts)
        return measure(self, texts)

    monkeypatch.setattr(ClassifierQuality, "measure_many", counted)
    pool = make_pool(store, [Document(text) for text in texts])
    kept = []
    for _ in range(2):
        measured = Annotations(pool, store, workers=1)
        for parameters in cuts:
            kept.append(build_corpus([ClassifierQuality(model=model, **parameters)], measured).rows.size)
    assert sorted(scored) == sorted(texts)
    assert kept == [40, 30, 20, 1, 2, 4, 20, 40] * 2


def test_its_parameters_can_be_a_studys_factors(model: str) -> None:
    factors = (
        "{model: {stages.classifier_quality.model: [%s]}, classifier_quality: {keep_fraction: [0.1, 0.5]}}"
    )
    overrides = ["study=demo", "recipe=dclm", "design=leave_one_out"]
    plan = make_plan(
        compose(
            [*overrides, f"stages.classifier_quality.model={model}", "design.factors=[classifier_quality]"]
        )
    )
    nodes = [arm.config["stages"]["classifier_quality"] for arm in plan.arms.values()]
    assert sorted(node["enabled"] for node in nodes) == [False, True]
    copy = str(shutil.copytree(model, Path(model).parent / "another"))
    plan = make_plan(compose([*overrides, "design.factors=" + factors % f"{model}, {copy}"]))
    nodes = [arm.config["stages"]["classifier_quality"] for arm in plan.arms.values()]
    assert {(node["model"], node["keep_fraction"]) for node in nodes} == {
        (model, 0.1),
        (copy, 0.1),
        (model, 0.5),
    }


def test_it_ships_small_and_scores_the_same_in_another_process(model: str) -> None:
    stage = ClassifierQuality(model=model)
    before = stage.measure_many(GOOD)["score"]
    raw = pickle.dumps(stage)  # after scoring: nothing that was loaded goes along
    assert len(raw) < 1000
    code = (
        "import pickle, sys; stage = pickle.loads(sys.stdin.buffer.read()); "
        f"print(stage.measure_many({GOOD!r})['score'].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], input=raw, capture_output=True, check=True)
    assert json.loads(done.stdout) == before.tolist()


def test_it_keeps_a_share_of_what_reaches_it(model: str, store: Any, make_pool: Any) -> None:
    """Behind another filter the share is of that filter's survivors, as if it ran on them alone."""
    from ablate.stages.exact_dedup import ExactDedup

    pool = make_pool(store, [Document(text) for text in [*GOOD, *POOR, *POOR]])
    annotations = Annotations(pool, store, workers=1)
    stage = ClassifierQuality(model=model, keep_fraction=0.5)
    corpus = build_corpus([ExactDedup(), stage], annotations)
    assert corpus.rows.tolist() == list(range(20))
    assert corpus.decisions[-1].rows.size == 40


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"threshold": 3.0}, "exactly one of threshold and keep_fraction"),
        ({"keep_fraction": None}, "exactly one of threshold and keep_fraction"),
        ({"keep_fraction": 0.0}, r"keep_fraction must be in \(0, 1\]"),
        ({"keep_fraction": 1.5}, r"keep_fraction must be in \(0, 1\]"),
        ({"model": "nowhere"}, r"no student\.json in nowhere; ablate train_classifier writes"),
    ],
)
def test_parameters_that_cannot_be(parameters: dict[str, Any], said: str) -> None:
    node = {"_target_": "ablate.stages.classifier_quality.ClassifierQuality", **parameters}
    with pytest.raises(ConfigError, match=said):
        make(node, "stages.classifier_quality")


ADDED = "+stages@stages.classifier_quality=classifier_quality"


def test_any_recipe_gets_it_on_the_command_line(model: str) -> None:
    overrides = ["study=demo", "recipe=c4", ADDED, f"stages.classifier_quality.model={model}"]
    config = compose(overrides)
    stages = make_stages({key: plain(config[key]) for key in ("stages", "recipe")})
    assert stages[-1] == ClassifierQuality(model=model)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "stages.classifier_quality.treshold=3",
            "stages.classifier_quality.treshold does not exist: did you mean 'threshold'",
        ),
        ("stages.pii.enabled=false", "unknown stage 'pii'"),
    ],
)
def test_a_misspelt_key_beside_it_is_named(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(["study=demo", "recipe=c4", ADDED, override])
    assert said in str(caught.value)
