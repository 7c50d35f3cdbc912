"""Designs: which arms, which contrasts; laws that hold for every design found in the folder."""

import ast
import importlib
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ablate.design import base
from ablate.design.add_one_in import AddOneIn
from ablate.design.base import ContrastSpec, Factor
from ablate.design.cumulative import Cumulative
from ablate.design.dose import Dose
from ablate.design.leave_one_out import LeaveOneOut
from ablate.design.single import Single

ROOT = Path(__file__).parents[2]
ENTRIES = sorted((ROOT / "conf" / "design").glob("*.yaml"))
LANGUAGE = Factor("language", ("on", "off"))
EXTRACTION = Factor("extraction", ("trafilatura", "resiliparse", "raw"))
DEDUP = Factor("minhash_dedup", ("on", "off"))
THRESHOLD = Factor("threshold", ("0.65", "0.5", "1e-1", "0.8"))
ALL = [EXTRACTION, LANGUAGE, DEDUP]
DESIGNS = [LeaveOneOut(), AddOneIn(), Cumulative(), Single()]


@st.composite
def factors(draw):
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True))
    levels = st.one_of(
        st.just(("on", "off")),
        st.lists(st.sampled_from(["x", "y", "z", "0.5"]), min_size=2, max_size=4, unique=True).map(tuple),
    )
    return [Factor(name, draw(levels)) for name in names]


def test_leave_one_out_removes_one_thing_at_a_time():
    design = LeaveOneOut()
    full = {"extraction": "trafilatura", "language": "on", "minhash_dedup": "on"}
    assert list(design.arms(ALL).items()) == [
        ("full", full),
        ("extraction=resiliparse", full | {"extraction": "resiliparse"}),
        ("extraction=raw", full | {"extraction": "raw"}),
        ("without_language", full | {"language": "off"}),
        ("without_minhash_dedup", full | {"minhash_dedup": "off"}),
    ]
    assert design.contrasts(ALL)[1:3] == [
        ContrastSpec("extraction", "trafilatura", "raw", "leave_one_out", {"full": 1, "extraction=raw": -1}),
        ContrastSpec("language", "on", "off", "leave_one_out", {"full": 1, "without_language": -1}),
    ]


def test_add_one_in_adds_one_thing_at_a_time():
    design = AddOneIn()
    bare = {"extraction": "raw", "language": "off", "minhash_dedup": "off"}
    assert list(design.arms(ALL).items()) == [
        ("bare", bare),
        ("only_extraction=trafilatura", bare | {"extraction": "trafilatura"}),
        ("only_extraction=resiliparse", bare | {"extraction": "resiliparse"}),
        ("only_language", bare | {"language": "on"}),
        ("only_minhash_dedup", bare | {"minhash_dedup": "on"}),
    ]
    assert design.contrasts(ALL)[1:3] == [
        ContrastSpec(
            "extraction", "resiliparse", "raw", "add_one_in", {"only_extraction=resiliparse": 1, "bare": -1}
        ),
        ContrastSpec("language", "on", "off", "add_one_in", {"only_language": 1, "bare": -1}),
    ]


def test_cumulative_builds_the_recipe_up_in_order():
    design = Cumulative()
    assert list(design.arms(ALL).items()) == [
        ("bare", {"extraction": "raw", "language": "off", "minhash_dedup": "off"}),
        ("+extraction", {"extraction": "trafilatura", "language": "off", "minhash_dedup": "off"}),
        ("+language", {"extraction": "trafilatura", "language": "on", "minhash_dedup": "off"}),
        ("full", {"extraction": "trafilatura", "language": "on", "minhash_dedup": "on"}),
    ]
    assert [c.weights for c in design.contrasts(ALL)] == [
        {"+extraction": 1, "bare": -1},
        {"+language": 1, "+extraction": -1},
        {"full": 1, "+language": -1},
    ]
    assert design.contrasts(ALL)[0].versus == "raw"


def test_single_runs_the_recipe_and_compares_nothing():
    assert Single().arms(ALL) == {
        "arm": {"extraction": "trafilatura", "language": "on", "minhash_dedup": "on"}
    }
    assert Single().arms([]) == {"arm": {}}
    assert Single().contrasts(ALL) == []


def test_a_dose_is_one_parameter_at_a_time_and_reported_in_ascending_order():
    bands = Factor("bands", ("14", "9"))
    arms = Dose().arms([THRESHOLD, bands])
    assert [(arm["threshold"], arm["bands"]) for arm in arms.values()] == [
        ("0.65", "14"), ("0.5", "14"), ("1e-1", "14"), ("0.8", "14"), ("0.65", "9"),
    ]  # fmt: skip
    assert next(iter(arms)) == "threshold=0.65" and list(arms)[-1] == "bands=9"
    contrasts = Dose().contrasts([THRESHOLD, bands])
    assert [(c.factor, c.level, c.versus) for c in contrasts] == [
        ("threshold", "1e-1", "0.65"), ("threshold", "0.5", "0.65"), ("threshold", "0.8", "0.65"), ("bands", "9", "14"),
    ]  # fmt: skip
    assert contrasts[-1].weights == {"bands=9": 1, "threshold=0.65": -1}


def test_a_dose_needs_numbers():
    with pytest.raises(ValueError, match="'language' has the level 'on', which is no number"):
        Dose().arms([LANGUAGE])


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: type(d).__name__)
@settings(deadline=None, max_examples=40)
@given(varied=factors())
def test_laws_of_every_design(design, varied):
    arms, levels = design.arms(varied), {factor.name: factor.levels for factor in varied}
    assert len({tuple(arm.items()) for arm in arms.values()}) == len(arms)  # no run is bought twice
    for assignment in arms.values():
        assert list(assignment) == [factor.name for factor in varied]
        assert all(level in levels[name] for name, level in assignment.items())
    for contrast in design.contrasts(varied):
        assert sum(contrast.weights.values()) == 0
        (plus,) = (arm for arm, weight in contrast.weights.items() if weight == 1)
        (minus,) = (arm for arm, weight in contrast.weights.items() if weight == -1)
        changed = {name for name in levels if arms[plus][name] != arms[minus][name]}
        assert changed == {contrast.factor}  # one thing at a time, or the gain is not that factor's
        assert (arms[plus][contrast.factor], arms[minus][contrast.factor]) == (
            contrast.level,
            contrast.versus,
        )


@settings(deadline=None, max_examples=40)
@given(varied=factors())
def test_cost_in_arms(varied):
    other_levels = sum(len(factor.levels) - 1 for factor in varied)
    assert len(LeaveOneOut().arms(varied)) == len(AddOneIn().arms(varied)) == 1 + other_levels
    assert len(Cumulative().arms(varied)) == 1 + len(varied)


@settings(deadline=None, max_examples=40)
@given(varied=factors())
def test_cumulative_gains_add_up_to_full_minus_bare(varied):
    total: dict[str, float] = {}
    for contrast in Cumulative().contrasts(varied):
        for arm, weight in contrast.weights.items():
            total[arm] = total.get(arm, 0) + weight
    assert {arm: weight for arm, weight in total.items() if weight} == {"full": 1, "bare": -1}
    arms = list(Cumulative().arms(varied).values())
    assert all(sum(a[n] != b[n] for n in a) == 1 for a, b in pairwise(arms))


@pytest.mark.parametrize("levels", [(), ("on",), ("on", "on"), ("a", "b", "a")])
def test_a_factor_needs_different_levels(levels):
    with pytest.raises(ValueError, match="'pii' needs two or more different levels"):
        Factor("pii", levels)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: type(d).__name__)
def test_two_factors_of_one_name_are_refused(design):
    with pytest.raises(ValueError, match=r"repeated: \['language'\]"):
        design.arms([LANGUAGE, DEDUP, LANGUAGE])


@pytest.mark.parametrize("path", ENTRIES, ids=lambda p: p.stem)
def test_every_design_meets_the_contract(path):
    node = OmegaConf.load(path)
    assert set(node) == {"name", "factors", "method"} and node.name == path.stem
    module, _, name = node.method._target_.rpartition(".")
    assert module == f"ablate.design.{path.stem}"
    arguments = {key: value for key, value in node.method.items() if key != "_target_"}
    design = getattr(importlib.import_module(module), name)(**arguments)
    varied = [THRESHOLD] if OmegaConf.is_missing(node, "factors") else ALL
    arms = design.arms(varied)
    assert arms == design.arms(varied)
    assert {arm for contrast in design.contrasts(varied) for arm in contrast.weights} <= set(arms)
    assert path.read_text().startswith("# Question: ") and " Cost: " in path.read_text()


@pytest.mark.parametrize("path", sorted(Path(base.__file__).parent.glob("*.py")), ids=lambda p: p.stem)
def test_designs_import_nothing_of_the_rest(path):
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for module in modules:
            assert module.split(".")[0] in sys.stdlib_module_names or module == "ablate.design.base"
