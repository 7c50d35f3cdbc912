"""Configuration: composed by Hydra, checked by type, built by `_target_`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ablate.config import CONF, compose, make, make_stages, open_hydra, plain
from ablate.design.base import Factor
from ablate.errors import ConfigError
from ablate.stages.base import Stage
from ablate.study.plan import make_plan, resolve_factors


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int = 1


@dataclass(frozen=True, kw_only=True)
class Thing:
    count: int
    share: float = 0.5
    name: str | None = None
    flags: tuple[str, ...] = ()
    inner: Inner | None = None

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ValueError(f"share must be at most 1, got {self.share}")


def thing(**values: object) -> dict[str, object]:
    return {"_target_": f"{__name__}.Thing", **values}


def test_make_builds_nested_dataclasses() -> None:
    node = thing(count=3, share=1, flags=["a"], inner={"_target_": f"{__name__}.Inner", "size": 2})
    assert make(node, "x") == Thing(count=3, share=1.0, flags=("a",), inner=Inner(size=2))


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (thing(count=1, shore=1), "x.shore does not exist: did you mean 'share'?"),
        (thing(), "x.count is not set; give it as x.count=..."),
        (thing(count="many"), "x.count must be a whole number, got the text 'many'"),
        (thing(count=True), "x.count must be a whole number, got true"),
        (thing(count=1, share=3), "x.share must be at most 1, got 3.0"),
        (thing(count=1, name=4), "x.name must be text, got the number 4"),
        ({"count": 1}, "x must be a mapping with _target_"),
        ({"_target_": "no.such.Class"}, "x._target_: cannot import 'no.such.Class'"),
    ],
)
def test_make_says_what_is_wrong_and_where(node: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(node, "x")
    assert said in str(caught.value)


def test_a_factors_values_may_come_as_hydra_holds_them() -> None:
    config = compose(
        ["study=demo", "design=dose", "design.factors={language: {threshold: [0.3, 0.65, 0.9]}}"]
    )
    as_plain = {key: plain(config[key]) for key in ("stages", "recipe", "design")}
    assert resolve_factors(config) == resolve_factors(as_plain)
    assert resolve_factors(config)[0].factor.levels == ("0.65", "0.3", "0.9")


RECIPES = sorted(path.stem for path in (CONF / "recipe").glob("*.yaml"))
GROUPS = [
    f"{folder.name}={path.stem}"
    for folder in sorted(CONF.iterdir()) if folder.is_dir() and folder.name not in ("stages", "study")
    for path in sorted(folder.glob("*.yaml"))
]  # fmt: skip


def student_of(config: DictConfig, folder: str) -> list[str]:
    """The override that gives the recipe's classifier, if it has one, its student."""
    return [f"stages.{name}.model={folder}" for name, stage in config.stages.items() if "model" in stage]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes_and_builds(recipe: str, student_folder: str) -> None:
    overrides = ["study=demo", f"recipe={recipe}"]
    config = compose([*overrides, *student_of(compose(overrides), student_folder)])
    stages = make_stages({key: plain(config[key]) for key in ("stages", "recipe")})
    assert stages and all(isinstance(stage, Stage) for stage in stages)
    assert [stage.name for stage in stages] == list(config.stages)
    assert make_plan(config)["stages"] == list(config.stages)


@pytest.mark.parametrize("choice", GROUPS)
def test_every_choice_of_every_group_can_be_planned(choice: str, student_folder: str) -> None:
    group, name = choice.split("=")
    overrides = ["study=demo", choice]
    if choice == "pool=hf":
        overrides.append("pool.path=some/dataset")
    elif choice in ("pool=warc", "pool=files"):
        overrides.append("pool.paths=[x]")
    if group == "pool" and name != "testbed":
        overrides += ["evaluate=smooth"]
    if choice == "design=dose":
        overrides.append("design.factors={language: {threshold: [0.65, 0.5]}}")
    if choice == "design=crossed":
        overrides.append("design.factors={stages: null, lr: {train.lr: [0.006, 0.0006]}}")
    if choice == "evaluate=heldout":
        overrides.append("evaluate.heldout=x.txt")
    if choice == "tokenizer=pretrained":
        overrides.append("tokenizer.pretrained=gpt2")
    if choice == "design=full_factorial":
        overrides.append("design.factors=[language,pii]")
    if choice == "design=order":
        overrides.append("design.factors.order.permute=[minhash_dedup,c4_quality]")
    overrides += student_of(compose(overrides), student_folder)
    plan = make_plan(compose(overrides))
    assert plan["arms"]


def test_fineweb_code_runs_minhash_last() -> None:
    paper, code = (
        list(compose(["study=demo", f"recipe={name}"]).stages) for name in ("fineweb", "fineweb_code")
    )
    assert set(paper) == set(code)
    assert paper.index("minhash_dedup") < paper.index("c4_quality")
    assert code.index("minhash_dedup") > code.index("fineweb_quality")


def test_order_is_data() -> None:
    order = ["pii", "language", "extraction", "gopher_repetition", "gopher_quality", "exact_dedup",
             "minhash_dedup", "c4_quality", "fineweb_quality", "decontamination"]  # fmt: skip
    config = compose(["study=demo", f"recipe.order=[{','.join(order)}]"])
    stages = make_stages({key: plain(config[key]) for key in ("stages", "recipe")})
    assert [stage.name for stage in stages] == order


def test_factors_with_several_levels_and_dotted_paths() -> None:
    config = compose([
        "study=demo",
        "design.factors={extraction: {method: [raw, resiliparse, trafilatura]}, "
        "language: {threshold: [0.5, 0.65, 0.8]}, lr: {train.lr: [0.006, 0.001]}, pii: null}",
    ])  # fmt: skip
    levels = resolve_factors({key: plain(config[key]) for key in config if key != "hydra"})
    assert [entry.factor for entry in levels] == [
        Factor("extraction", ("resiliparse", "raw", "trafilatura")),
        Factor("language", ("0.65", "0.5", "0.8")),
        Factor("lr", ("0.006", "0.001")),
        Factor("pii", ("on", "off")),
    ]
    plan = make_plan(config)
    assert len(plan["arms"]) == 1 + 2 + 2 + 1 + 1
    slow = next(arm for arm in plan["arms"].values() if arm["levels"]["lr"] == "0.001")
    assert slow["config"]["train"]["lr"] == 0.001


def test_a_range_of_values_holds_both_ends_and_the_recipe_s_own() -> None:
    config = compose([
        "study=demo", "design=dose",
        "design.factors={fineweb_quality: {min_punctuated_lines: {from: 0, to: 0.3, points: 4}}}",
    ])  # fmt: skip
    (levels,) = resolve_factors({key: plain(config[key]) for key in config if key != "hydra"})
    path = "stages.fineweb_quality.min_punctuated_lines"
    assert [change[path] for change in levels.changes.values()] == [0.12, 0.0, 0.1, 0.2, 0.3]
    assert list(levels.changes) == ["0.12", "0.0", "0.1", "0.2", "0.3"]


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ("{language: {threshold: {from: 0.1, to: 0.5}}}", "expected a range such as"),
        ("{language: {threshold: {from: 0.5, to: 0.5, points: 3}}}", "two ends and two points or more"),
        ("{language: {threshold: {from: 0.5, to: 0.9, points: 1}}}", "two ends and two points or more"),
        ("{language: {threshold: {from: low, to: 0.9, points: 3}}}", "expected a range such as"),
        ("{extraction: {method: [raw, resiliparse]}}", "which is no number"),
        (None, "design.factors is not set"),
    ],
)
def test_a_dose_that_cannot_be(factors: str | None, said: str) -> None:
    overrides = ["study=demo", "design=dose", *([f"design.factors={factors}"] if factors else [])]
    with pytest.raises(ConfigError, match=said):
        make_plan(compose(overrides))


def test_a_disabled_stage_leaves_no_trace_in_an_arm(tmp_path: Path) -> None:
    from ablate.corpus.view import corpus_key

    def key(*overrides: str) -> str:
        config = compose(["study=demo", "stages.decontamination.enabled=false", *overrides])
        return corpus_key("pool", make_stages({k: plain(config[k]) for k in ("stages", "recipe")}))

    off = key("stages.language.enabled=false")
    assert off == key("stages.language.enabled=false", "stages.language.threshold=0.9")
    assert off != key()


def test_own_stage_from_own_folder_needs_no_registry(tmp_path: Path) -> None:
    """One Python file and one YAML: a stage of the user's own, in a recipe of the user's own."""
    (tmp_path / "stages").mkdir()
    (tmp_path / "recipe").mkdir()
    (tmp_path / "stages" / "shout.yaml").write_text(
        "_target_: ablate.stages.pii.Pii\nenabled: true\nips: false\n"
    )
    (tmp_path / "recipe" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - /stages@stages.shout: shout\nrecipe:\n  name: mine\n  order: null\n"
    )
    config = compose(["study=demo", "recipe=mine"], open_hydra(str(tmp_path)))
    (stage,) = make_stages({key: plain(config[key]) for key in ("stages", "recipe")})
    assert stage.ips is False


@pytest.mark.parametrize("off", ["off", False], ids=["command-line", "yaml"])
def test_the_three_treatments_of_near_duplicates_are_levels_of_one_factor(off: object) -> None:
    """Unverified, verified, and exact only: MinHash off while exact_dedup stays."""
    config = compose(["study=demo"])
    config.design.factors = {"minhash_dedup": {"verify": ["none", "jaccard", "edit", off]}}
    arms = make_plan(config)["arms"]
    stages = {name: arm["config"]["stages"] for name, arm in arms.items()}
    assert [name for name in stages] == [
        "full",
        *(f"minhash_dedup={level}" for level in ("jaccard", "edit", "off")),
    ]
    assert [some["minhash_dedup"]["verify"] for some in stages.values()] == [
        "none",
        "jaccard",
        "edit",
        "none",
    ]
    assert [some["minhash_dedup"]["enabled"] for some in stages.values()] == [True, True, True, False]
    assert all(some["exact_dedup"]["enabled"] for some in stages.values())


def test_a_study_file_has_the_last_word_over_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /pool: testbed\n  - override /recipe: testbed\n"
        "study:\n  name: mine\nseeds: [7, 8]\nworkers: 1\n"
    )
    config = compose(["study=mine"], open_hydra(str(tmp_path)))
    assert list(config.seeds) == [7, 8] and config.workers == 1 and config.study.name == "mine"
    assert list(compose(["study=mine", "seeds=[1]"], open_hydra(str(tmp_path))).seeds) == [1]
    assert list(compose(["study=demo"], open_hydra()).seeds) == [0, 1, 2, 3, 4]
