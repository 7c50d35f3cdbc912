"""Designs: which arms, which contrasts; laws that hold for every design found in the folder."""

import ast
import sys
from itertools import combinations, pairwise, permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ablate.config import make
from ablate.design import base
from ablate.design.add_one_in import AddOneIn
from ablate.design.base import Design, Factor, arm_name
from ablate.design.cumulative import Cumulative
from ablate.design.dose import Dose
from ablate.design.fractional_factorial import FractionalFactorial
from ablate.design.full_factorial import FullFactorial
from ablate.design.leave_one_out import LeaveOneOut
from ablate.design.mixed import Mixed
from ablate.design.mixtures import Mixtures
from ablate.design.order import Order
from ablate.design.plackett_burman import PlackettBurman
from ablate.design.random_subset import RandomSubset
from ablate.design.shapley import Shapley
from ablate.design.single import Single
from ablate.estimand.aliases import aliases
from ablate.estimand.base import load_estimand

ROOT = Path(__file__).parents[2]
ENTRIES = sorted((ROOT / "conf" / "design").glob("*.yaml"))
LANGUAGE = Factor("language", ("on", "off"))
EXTRACTION = Factor("extraction", ("trafilatura", "resiliparse", "raw"))
DEDUP = Factor("minhash_dedup", ("on", "off"))
THRESHOLD = Factor("threshold", ("0.65", "0.5", "1e-1", "0.8"))
ONE_FACTOR = ("order", "aa")
ALL = [EXTRACTION, LANGUAGE, DEDUP]
SWITCHES = [Factor(name, ("on", "off")) for name in "abcdefg"]
DESIGNS = [LeaveOneOut(), AddOneIn(), Cumulative(), Single()]
TWO_LEVEL = [
    FullFactorial(),
    FractionalFactorial(3),
    FractionalFactorial(4),
    FractionalFactorial(5),
    PlackettBurman(),
    PlackettBurman(foldover=True),
    Shapley(),
    Shapley(pairs=2, exact_up_to=0),
    RandomSubset(n_arms=8),
    Mixed(),
]


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


def test_cumulative_builds_the_recipe_up_in_order():
    design = Cumulative()
    assert list(design.arms(ALL).items()) == [
        ("bare", {"extraction": "raw", "language": "off", "minhash_dedup": "off"}),
        ("+extraction", {"extraction": "trafilatura", "language": "off", "minhash_dedup": "off"}),
        ("+language", {"extraction": "trafilatura", "language": "on", "minhash_dedup": "off"}),
        ("full", {"extraction": "trafilatura", "language": "on", "minhash_dedup": "on"}),
    ]


def test_single_runs_the_recipe_and_compares_nothing():
    assert Single().arms(ALL) == {
        "arm": {"extraction": "trafilatura", "language": "on", "minhash_dedup": "on"}
    }
    assert Single().arms([]) == {"arm": {}}
    assert Single().estimands == ()


def test_a_dose_is_one_parameter_at_a_time_and_reported_in_ascending_order():
    bands = Factor("bands", ("14", "9"))
    arms = Dose().arms([THRESHOLD, bands])
    assert [(arm["threshold"], arm["bands"]) for arm in arms.values()] == [
        ("0.65", "14"),
        ("0.5", "14"),
        ("1e-1", "14"),
        ("0.8", "14"),
        ("0.65", "9"),
    ]
    assert next(iter(arms)) == "threshold=0.65" and list(arms)[-1] == "bands=9"
    contrasts = load_estimand("dose").contrasts(arms, [THRESHOLD, bands])
    assert [(c.factor, c.level, c.versus) for c in contrasts] == [
        ("threshold", "1e-1", "0.65"),
        ("threshold", "0.5", "0.65"),
        ("threshold", "0.8", "0.65"),
        ("bands", "9", "14"),
    ]
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


@settings(deadline=None, max_examples=40)
@given(varied=factors())
def test_cost_in_arms(varied):
    other_levels = sum(len(factor.levels) - 1 for factor in varied)
    assert len(LeaveOneOut().arms(varied)) == len(AddOneIn().arms(varied)) == 1 + other_levels
    assert len(Cumulative().arms(varied)) == 1 + len(varied)


@settings(deadline=None, max_examples=40)
@given(varied=factors())
def test_each_step_of_a_cumulative_design_changes_one_thing(varied):
    arms = list(Cumulative().arms(varied).values())
    assert all(sum(a[n] != b[n] for n in a) == 1 for a, b in pairwise(arms))


@settings(deadline=None, max_examples=60)
@given(varied=factors(), data=st.data())
def test_an_arm_has_one_name_and_a_name_one_arm(varied, data):
    levels = [
        data.draw(st.fixed_dictionaries({f.name: st.sampled_from(f.levels) for f in varied})) for _ in "12"
    ]
    one, other = (arm_name(assignment, varied) for assignment in levels)
    assert (one == other) == (levels[0] == levels[1])


@pytest.mark.parametrize("levels", [(), ("on",), ("on", "on"), ("a", "b", "a")])
def test_a_factor_needs_different_levels(levels):
    with pytest.raises(ValueError, match="'pii' needs two or more different levels"):
        Factor("pii", levels)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: type(d).__name__)
def test_two_factors_of_one_name_are_refused(design):
    with pytest.raises(ValueError, match=r"repeated: \['language'\]"):
        design.arms([LANGUAGE, DEDUP, LANGUAGE])


def signs(arms, varied):
    return np.array([[1 if arm[f.name] == f.full else -1 for f in varied] for arm in arms.values()])


@pytest.mark.parametrize("design", TWO_LEVEL, ids=repr)
@pytest.mark.parametrize("k", [3, 5, 7])
def test_laws_of_the_many_factor_designs(design, k):
    varied = SWITCHES[:k]
    arms = design.arms(varied)
    assert next(iter(arms)) == "full"  # the reference
    assert arms == design.arms(varied)
    assert len({tuple(arm.items()) for arm in arms.values()}) == len(arms)
    assert all(arm_name(arm, varied) == name for name, arm in arms.items())
    with pytest.raises(ValueError, match="repeated"):
        design.arms([*varied, varied[0]])


@pytest.mark.parametrize(
    ("resolution", "counts"), [(3, {3: 4, 5: 8, 7: 8, 11: 16}), (4, {4: 8, 7: 16}), (5, {5: 16, 7: 64})]
)
def test_a_fraction_has_its_resolution_in_as_few_arms_as_the_textbook_says(resolution, counts):
    """Counts: Box, Hunter & Hunter (2005), table 6.22. A word of the defining relation is a constant product."""
    for k, count in counts.items():
        varied = [Factor(f"f{i}", ("on", "off")) for i in range(k)]
        x = signs(FractionalFactorial(resolution).arms(varied), varied)
        assert len(x) == count
        for length in range(1, resolution):
            for word in combinations(range(k), length):
                assert abs(x[:, word].prod(axis=1).sum()) < len(x)


@pytest.mark.parametrize("k", [3, 7, 8, 11, 15, 19])
def test_plackett_burman_is_orthogonal_in_the_next_multiple_of_four(k):
    varied = [Factor(f"f{i}", ("on", "off")) for i in range(k)]
    x = signs(PlackettBurman().arms(varied), varied)
    assert len(x) == 4 * (k // 4 + 1)
    np.testing.assert_array_equal(x.T @ x, len(x) * np.eye(k))
    folded = signs(PlackettBurman(foldover=True).arms(varied), varied)
    pairs = np.array([folded[:, a] * folded[:, b] for a, b in combinations(range(k), 2)])
    assert not (pairs @ folded).any()  # main effects are free of every interaction of two


def test_shapley_runs_whole_orders_with_their_reverses_and_grows_without_repeating():
    small, large = (Shapley(pairs=pairs).arms(SWITCHES) for pairs in (1, 3))
    assert len(small) == 2 * 6 + 2 and set(small) <= set(large)
    assert all(large[name] == arm for name, arm in small.items())
    sizes = sorted(sum(level == "on" for level in arm.values()) for arm in small.values())
    assert sizes == [0, *sorted([1, 2, 3, 4, 5, 6] * 2), 7]
    for arm in small.values():  # an order read backwards leaves what the order has not yet taken
        assert {name: "off" if level == "on" else "on" for name, level in arm.items()} in small.values()
    assert len(Shapley(exact_up_to=7).arms(SWITCHES)) == 128


def test_random_subset_and_order_grow_without_repeating():
    small, large = (RandomSubset(n_arms=n).arms(ALL) for n in (4, 9))
    assert set(small) <= set(large) and len(large) == 9 and "bare" in small
    order = [Factor("order", tuple(">".join(p) for p in permutations("abcd")))]
    few, more = (Order(max_arms=n).arms(order) for n in (5, 12))
    assert set(few) <= set(more) and len(few) == 5 and len(Order().arms(order)) == 24
    assert next(iter(few.values())) == {"order": "a>b>c>d"}


def test_mixed_spreads_the_levels_evenly():
    varied = [EXTRACTION, *SWITCHES[:4]]
    arms = Mixed(reduction=2).arms(varied)
    assert len(arms) == 24
    for factor in varied[1:]:
        assert sum(arm[factor.name] == "on" for arm in arms.values()) == 12
    assert len(Mixed(reduction=1).arms(varied)) == 48


@pytest.mark.parametrize(
    ("design", "factors_of", "message"),
    [
        (FullFactorial(max_arms=64), SWITCHES, "128 arms"),
        (FractionalFactorial(), ALL, "extraction has more"),
        (PlackettBurman(), SWITCHES[:1], "2 factors or more"),
        (Shapley(), ALL, "design=mixed"),
        (RandomSubset(n_arms=1), SWITCHES[:3], "n_arms must be 2 or more, got 1"),
        (Order(), SWITCHES[:2], "permute"),
        (Mixed(reduction=5), ALL, "at most the largest number of levels"),
    ],
)
def test_what_a_design_cannot_take_is_named(design, factors_of, message):
    with pytest.raises(ValueError, match=message):
        design.arms(factors_of)


@pytest.mark.parametrize(
    "call", [lambda: FractionalFactorial(2), lambda: Shapley(pairs=0), lambda: Mixed(reduction=0)]
)
def test_parameters_out_of_range_are_refused(call):
    with pytest.raises(ValueError, match="must be"):
        call()


TENTHS = ["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]
SHARES = [
    Factor(name, (own, *(share for share in TENTHS if share != own)))
    for name, own in (("web", "0.5"), ("books", "0.2"))
]


def test_random_mixtures_add_up_and_more_arms_keep_those_of_fewer() -> None:
    arms = Mixtures(n_arms=40, seed=3).arms(SHARES)
    assert len(arms) == 40 and arms["mixture"] == {"web": "0.5", "books": "0.2"}
    drawn = np.array([[float(arm[name]) for name in ("web", "books")] for arm in list(arms.values())[1:]])
    assert (drawn.sum(axis=1) <= 1 + 1e-9).all(), "the rest, 0.3 in the recipe, has what is left"
    assert len({tuple(arm.values()) for arm in arms.values()}) == 40
    assert list(Mixtures(n_arms=9, seed=3).arms(SHARES).items()) == list(arms.items())[:9]
    assert list(Mixtures(n_arms=9, seed=4).arms(SHARES).items())[1:] != list(arms.items())[1:9]
    # Without a rest every draw adds up to 1.
    whole = [
        Factor("web", ("0.5", *TENTHS[:5], *TENTHS[6:])),
        Factor("books", ("0.5", *TENTHS[:5], *TENTHS[6:])),
    ]
    for arm in Mixtures(n_arms=8).arms(whole).values():
        assert float(arm["web"]) + float(arm["books"]) == pytest.approx(1)


def test_random_mixtures_lie_around_the_recipes_own() -> None:
    """The mean of a Dirichlet distribution is its centre; 200 draws of standard deviation sqrt(p (1 - p) / 9)."""
    fine = [
        Factor(
            name, (own, *(s for s in map(str, np.round(np.arange(201) / 200, 3)) if float(s) != float(own)))
        )
        for name, own in (("web", "0.5"), ("books", "0.2"))
    ]
    arms = list(Mixtures(n_arms=201, concentration=8.0).arms(fine).values())[1:]
    for name, share in (("web", 0.5), ("books", 0.2)):
        error = np.sqrt(share * (1 - share) / 9 / 200)
        assert abs(np.mean([float(arm[name]) for arm in arms]) - share) < 4 * error


@pytest.mark.parametrize(
    ("design", "varied", "message"),
    [
        (Mixtures(), [Factor("web", ("0.5", "0.3"))], "equal steps from 0"),
        (
            Mixtures(),
            [Factor("web", ("0.6", "0", "0.2")), Factor("books", ("0.6", "0", "0.2"))],
            "add up to 1.2",
        ),
        (Mixtures(n_arms=1), SHARES, "n_arms must be 2 or more"),
        (Mixtures(concentration=0), SHARES, "concentration must be above 0"),
        (Mixtures(n_arms=9), [Factor("web", ("0.5", "0", "1"))], "fewer than 9 different mixtures"),
    ],
)
def test_what_random_mixtures_cannot_take_is_named(
    design: Mixtures, varied: list[Factor], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        design.arms(varied)


@pytest.mark.parametrize("path", ENTRIES, ids=lambda p: p.stem)
def test_every_design_meets_the_contract(path):
    node = OmegaConf.load(path)
    assert set(node) - {"own_seeds", "controls"} == {"name", "factors", "method"} and node.name == path.stem
    module, _, _ = node.method._target_.rpartition(".")
    assert module == f"ablate.design.{path.stem}"
    design = make(OmegaConf.to_container(node.method), "design.method")
    orders = [Factor("order", ("a>b>c", "b>a>c", "a>c>b", "c>a>b", "b>c>a", "c>b>a"))]
    varied = orders if path.stem in ONE_FACTOR else [THRESHOLD] if path.stem == "dose" else SWITCHES[:5]
    varied = [*varied, Factor("lr", ("0.01", "0.001"))] if path.stem == "crossed" else varied
    varied = SHARES if path.stem == "mixtures" else varied
    varied = [SWITCHES[0], Factor("generation", ("0", "1", "2"))] if path.stem == "chains" else varied
    arms = design.arms(varied)
    assert arms == design.arms(varied)
    for estimand in design.estimands:  # what a design is for, its arms identify
        specs = load_estimand(estimand).contrasts(arms, varied)
        assert specs and {arm for spec in specs for arm in spec.weights} <= set(arms)
        assert all(abs(sum(spec.weights.values())) < 1e-9 for spec in specs)
    assert path.read_text().startswith("# Question: ") and " Cost: " in path.read_text()


@pytest.mark.parametrize("path", sorted(Path(base.__file__).parent.glob("*.py")), ids=lambda p: p.stem)
def test_designs_import_nothing_of_the_rest(path):
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for module in modules:
            known = module.split(".")[0] in (*sys.stdlib_module_names, "numpy", "pydoe")
            assert known or module.startswith("ablate.design.")


def test_an_arm_without_its_only_factor_is_named_after_it():
    assert list(LeaveOneOut().arms([LANGUAGE])) == ["full", "without_language"]


@pytest.mark.parametrize(
    "design",
    [
        FractionalFactorial(3),
        FractionalFactorial(4),
        FractionalFactorial(5),
        FullFactorial(),
        PlackettBurman(),
    ],
    ids=repr,
)
def test_a_design_of_main_effects_says_whether_interactions_of_two_are_mixed_into_them(
    design: Design,
) -> None:
    mixed = any(aliases(design.arms(SWITCHES), SWITCHES).main.values())
    assert getattr(design, "clear", False) == (not mixed)
