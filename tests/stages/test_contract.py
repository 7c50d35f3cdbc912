"""What every stage in `conf/stages` promises, found by folder: no list of stages to keep."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ablate.config import CONF, RESERVED, make
from ablate.fingerprint import NOT_IDENTITY, canonical_json
from ablate.stages.base import Filter, Relation, SpanRelation, Stage, Transform
from ablate.testing.contract import as_read
from ablate.text.lines import plain_lines
from tests.stages.needed import NEEDED

OUTSIDE: dict[str, Any] = {"snapshot": None, "tasks": []}
"""What a stage takes from outside its file: the tasks in use and, for tests that run it, a model."""
NAMES = sorted(path.stem for path in (CONF / "stages").glob("*.yaml"))
TEXTS = st.lists(
    st.one_of(
        st.text(max_size=200),
        st.lists(
            st.sampled_from(
                [
                    "the",
                    "rain",
                    "fell",
                    "on",
                    "a",
                    "small",
                    "town",
                    "and",
                    ".",
                    "!",
                    "?",
                    "\n",
                    "\n\n",
                    "#",
                    "...",
                    "-",
                    "8.8.8.8",
                    "a@b.org",
                    "{",
                ]
            ),
            max_size=60,
        ).map(" ".join),
    ),
    max_size=5,
)


def node(name: str) -> dict[str, Any]:
    config = OmegaConf.to_container(OmegaConf.load(CONF / "stages" / f"{name}.yaml"), resolve=False)
    assert isinstance(config, dict)
    return {key: OUTSIDE.get(key, value) for key, value in config.items()}


def stage_of(name: str, model: str | None = None) -> Stage:
    given = node(name)
    if "model" in given:
        given["model"] = model
    if model is not None:
        given |= NEEDED.get(name, {})
    stage = make(given, f"stages.{name}", leave_out=RESERVED)
    assert isinstance(stage, Stage)
    return stage


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stage(name: str, student_folder: str) -> Stage:
    """The stage, one for all texts of a test: what it remembered of one would show in the next."""
    return stage_of(name, student_folder)


def test_it_is_named_like_its_files(name: str) -> None:
    stage = stage_of(name)
    assert stage.name == name
    assert type(stage).__module__ == f"ablate.stages.{name}"
    assert (Path(__file__).parent.parent.parent / "ablate" / "stages" / f"{name}.py").exists()


def test_its_yaml_shows_every_parameter_at_its_default(name: str) -> None:
    shown = {key: value for key, value in node(name).items() if key not in RESERVED}
    stage = stage_of(name)
    fields = {field.name: getattr(stage, field.name) for field in dataclasses.fields(stage)}
    assert set(shown) == set(fields)
    cls = type(stage)
    assert stage == cls(), "the published constants stand in the code and in the YAML alike"


def test_it_is_small_to_ship_and_comes_back_the_same(name: str, student_folder: str) -> None:
    stage = stage_of(name, student_folder)
    again = pickle.loads(pickle.dumps(stage))
    assert again == stage
    assert canonical_json(again.identity()) == canonical_json(stage.identity())
    assert len(pickle.dumps(stage)) < 100_000, "models are loaded in the worker, not sent to it"


def test_identity_follows_every_parameter(name: str, student_folder: str) -> None:
    stage = stage_of(name, student_folder)
    identities = {canonical_json(stage.identity())}
    for field in dataclasses.fields(stage):
        if (
            field.name in OUTSIDE
            or field.name in ("function", "class_path")
            or field.metadata == NOT_IDENTITY
        ):
            continue
        value = getattr(stage, field.name)
        for other in _others(value):
            try:
                changed = dataclasses.replace(stage, **{field.name: other})
            except (ValueError, TypeError):
                continue
            identity = canonical_json(changed.identity())
            assert identity not in identities, field.name
            identities.add(identity)
            break


def _others(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value + 0.01, value - 0.01]
    if isinstance(value, str):
        return [
            other
            for other in (
                f"{value}x",
                "jaccard",
                "drop",
                "cut",
                "first",
                "longest",
                "raw",
                "resiliparse",
                "none",
                "paragraph",
            )
            if other != value
        ]
    return [] if value in ((), {}) else [()]


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(texts=TEXTS)
def test_its_slow_half_depends_on_the_text_alone(stage: Stage, texts: list[str]) -> None:
    """The same per document whatever it is batched with; nothing random, nothing remembered."""
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    for step in stage.steps():
        if isinstance(step, Filter):
            texts = as_read(step, texts)
            together = step.measure_many(texts)
            for number, text in enumerate(texts):
                alone = step.measure_many([text])
                assert set(alone) == set(together)
                for column, values in alone.items():
                    np.testing.assert_array_equal(values[0], together[column][number])
            verdict = step.decide(step.measure_many([*texts, *as_read(step, [""])]))
            assert verdict.code.shape == (len(texts) + 1,) and verdict.code.max() <= len(verdict.reasons)
        elif isinstance(step, Transform):
            rewritten = step.transform_many(texts)
            assert rewritten == [step.transform_many([text])[0] for text in texts]
            texts = rewritten
        elif isinstance(step, SpanRelation):
            together = step.sketch_many(texts)
            for text, sketch in zip(texts, together, strict=True):
                np.testing.assert_array_equal(step.sketch_many([text])[0], sketch)
                spans = step.pieces(text)
                assert sketch.dtype == np.uint64 and sketch.shape == (len(spans),)
                assert all(text[begin:end].strip() for begin, end in spans)
                pieces = "".join(text[begin:end] for begin, end in spans)
                assert "".join(pieces.split()) == "".join(text.split())
        else:
            assert isinstance(step, Relation)
            sketches = step.sketch_many([*texts, "a"])
            assert sketches.dtype == np.uint64 and sketches.shape[0] == len(texts) + 1
            for number, text in enumerate(texts):
                np.testing.assert_array_equal(step.sketch_many([text, "a"])[0], sketches[number])


VARIANTS: dict[str, Any] = {
    **{
        f"lines end in {end!r}": lambda text, end=end: text.replace("\n", end)
        for end in ("\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029")
    },
    **{
        f"{blank!r} at the ends": lambda text, blank=blank: text.replace("\n", f"{blank}\n") + blank
        for blank in (" ", "\t \u00a0", "\u3000")
    },
}
"""What must make no difference: how lines end, and blanks at their ends, blank lines included."""
BYTES = {"exact_dedup"}
"""Stages that compare texts byte for byte, as their name says."""
LINES = st.lists(
    st.lists(
        st.sampled_from(
            [
                "the",
                "rain",
                "fell",
                "and",
                "Rain fell.",
                "- on a town",
                "#",
                "...",
                "…",
                "word!",
                "{",
                "8.8.8.8",
                "a@b.org",
                "é",
                "雨が降った。",
                '"',
                "</s>",
            ]
        ),
        max_size=8,
    ).map(" ".join),
    max_size=30,
).map("\n".join)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=LINES)
def test_line_ends_and_trailing_blanks_are_no_content(stage: Stage, text: str) -> None:
    """A stage that reads texts finds the same in them, and rewrites the same, however their lines end."""
    texts = [text, *(change(text) for change in VARIANTS.values())]
    kinds = ["as it is", *VARIANTS]
    for step in stage.steps():
        if isinstance(step, Filter):
            if step.reads == "text":
                for column, values in step.measure_many(texts).items():
                    for kind, value in zip(kinds, values, strict=True):
                        np.testing.assert_array_equal(values[0], value, f"{column}, {kind}")
        elif isinstance(step, Transform):
            texts = step.transform_many(texts)
            for kind, rewritten in zip(kinds, texts, strict=True):
                assert plain_lines(texts[0]) == plain_lines(rewritten), kind
        elif stage.name not in BYTES:
            sketches = step.sketch_many(texts)
            for kind, sketch in zip(kinds, sketches, strict=True):
                np.testing.assert_array_equal(sketches[0], sketch, kind)
            if isinstance(step, SpanRelation) and (size := sketches[0].size):
                begin, end = np.array([size // 2]), np.array([size // 2 + 1])
                cuts = [plain_lines(step.cut(each, begin, end)) for each in texts]
                for kind, cut in zip(kinds, cuts, strict=True):
                    assert cut == cuts[0], kind
