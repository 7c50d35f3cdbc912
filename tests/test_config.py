"""Configuration: composed by Hydra, checked by type, built by `_target_`."""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from omegaconf import DictConfig

import ablate
from ablate.cli import main
from ablate.commands.generate import RUN
from ablate.compose import compose, open_hydra
from ablate.config import CONF, RESERVED, identified, locate, make, make_stages, plain, renamed
from ablate.design.base import Factor
from ablate.errors import ConfigError
from ablate.fingerprint import was
from ablate.settings import Config, check_places, check_settings
from ablate.stages.base import Stage
from ablate.study.plan import make_plan, resolve_factors
from ablate.typed import typed


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
    for folder in sorted(CONF.iterdir())
    if folder.is_dir() and folder.name not in ("stages", "study")
    for path in sorted(folder.glob("*.yaml"))
]


def student_of(config: DictConfig, folder: str) -> list[str]:
    """The override that gives the recipe's classifier, if it has one, its student."""
    return [f"stages.{name}.model={folder}" for name, stage in config.stages.items() if "model" in stage]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes_and_builds(recipe: str, student_folder: str) -> None:
    overrides = ["study=demo", f"recipe={recipe}"]
    overrides += ["stages.edition.keep=[all]"] if recipe in ("repetition", "taught") else []
    config = compose([*overrides, *student_of(compose(overrides), student_folder)])
    stages = make_stages({key: plain(config[key]) for key in ("stages", "recipe")})
    assert stages and all(isinstance(stage, Stage) for stage in stages)
    on = [name for name, node in config.stages.items() if node.enabled or node.get("without")]
    assert [stage.name for stage in stages] == on
    assert list(make_plan(config).stages) == list(config.stages)


@pytest.mark.parametrize("choice", GROUPS)
def test_every_choice_of_every_group_can_be_planned(choice: str, student_folder: str) -> None:
    group, name = choice.split("=")
    overrides = ["study=demo", choice]
    if choice == "pool=hf":
        overrides.append("pool.path=some/dataset")
    elif choice in ("pool=warc", "pool=files"):
        overrides.append("pool.paths=[x]")
    elif choice == "pool=synthetic":
        overrides.append("pool.path=x")
    if choice == "pool=repeated":
        overrides += [
            "+pool.of._target_=ablate.pool.files.Files",
            "+pool.of.paths=[x]",
            "+pool.editions.all.once=5",
        ]
        overrides += ["+pool.editions.all._target_=ablate.pool.repeated.Edition"]
    if choice == "pool=taught":
        overrides += ["+pool.parts.real.editions.all.once=5"]
        overrides += ["+pool.parts.real.editions.all._target_=ablate.pool.repeated.Edition"]
    if choice in ("recipe=repetition", "recipe=taught"):
        overrides.append("stages.edition.keep=[all]")
    if choice == "design=chains":
        overrides += [
            "+chain.generation=0",
            "design.factors={kind: {chain.kind: [replace, anchored]}, generation: {chain.generation: [0, 1]}}",
        ]
    if choice == "pool=sampled":
        overrides += ["pool.of.paths=[x]", "pool.rate=0.1"]
    if choice == "pool=crawl_index":
        overrides += ["pool.paths=[x]", "pool.root=x", "pool.rate=0.1"]
    if choice == "pool=mixed":
        overrides += ["pool.parts.pages.paths=[x]", "~pool.parts.texts"]
    if group == "pool" and name != "testbed":
        overrides += ["evaluate=smooth"]
    if choice == "design=dose":
        overrides.append("design.factors={language: {threshold: [0.65, 0.5]}}")
    if choice == "design=mixtures":
        overrides += [
            "mixture={real: 0.5}",
            "design.factors={real: {mixture.real: {from: 0, to: 1, points: 21}}}",
        ]
    if choice == "design=crossed":
        overrides.append("design.factors={stages: null, lr: {train.lr: [0.006, 0.0006]}}")
    if choice == "evaluate=default":
        overrides += ["evaluate.tasks=[facts]", "evaluate.primary=acc", "evaluate.snapshot=x"]
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
    assert plan.arms


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
    config = compose(
        [
            "study=demo",
            "design.factors={extraction: {method: [raw, resiliparse, trafilatura]}, "
            "language: {threshold: [0.5, 0.65, 0.8]}, lr: {train.lr: [0.006, 0.001]}, pii: null}",
        ]
    )
    levels = resolve_factors({key: plain(config[key]) for key in config if key != "hydra"})
    assert [entry.factor for entry in levels] == [
        Factor("extraction", ("resiliparse", "raw", "trafilatura")),
        Factor("language", ("0.65", "0.5", "0.8")),
        Factor("lr", ("0.006", "0.001")),
        Factor("pii", ("on", "off")),
    ]
    plan = make_plan(config)
    assert len(plan.arms) == 1 + 2 + 2 + 1 + 1
    slow = next(arm for arm in plan.arms.values() if arm.levels["lr"] == "0.001")
    assert slow.train.lr == 0.001


def test_a_range_of_values_holds_both_ends_and_the_recipe_s_own() -> None:
    config = compose(
        [
            "study=demo",
            "design=dose",
            "design.factors={fineweb_quality: {min_punctuated_lines: {from: 0, to: 0.3, points: 4}}}",
        ]
    )
    (levels,) = resolve_factors({key: plain(config[key]) for key in config if key != "hydra"})
    path = "stages.fineweb_quality.min_punctuated_lines"
    assert [change[path] for change in levels.changes.values()] == [0.12, 0.0, 0.1, 0.2, 0.3]
    assert list(levels.changes) == ["0.12", "0.0", "0.1", "0.2", "0.3"]


def test_a_range_may_be_closer_at_its_low_end() -> None:
    config = compose(
        [
            "study=demo",
            "design=dose",
            "design.factors={fineweb_quality: {min_punctuated_lines: {from: 0.01, to: 1, points: 5, spacing: log}}}",
        ]
    )
    (levels,) = resolve_factors({key: plain(config[key]) for key in config if key != "hydra"})
    path = "stages.fineweb_quality.min_punctuated_lines"
    # Each 10 ** 0.5 times the one before.
    assert [change[path] for change in levels.changes.values()] == [0.12, 0.01, 0.0316, 0.1, 0.316, 1]


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ("{language: {threshold: {from: 0.1, to: 0.5}}}", "expected a range such as"),
        ("{language: {threshold: {from: 0.5, to: 0.5, points: 3}}}", "two ends and two points or more"),
        ("{language: {threshold: {from: 0.5, to: 0.9, points: 1}}}", "two ends and two points or more"),
        ("{language: {threshold: {from: low, to: 0.9, points: 3}}}", "expected a range such as"),
        ("{language: {threshold: {from: 0, to: 0.9, points: 3, spacing: log}}}", "two ends above zero"),
        (
            "{language: {threshold: {from: 0.1, to: 0.9, points: 3, spacing: logs}}}",
            "even or log, got 'logs'",
        ),
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
    arms = make_plan(config).arms
    stages = {name: arm.config["stages"] for name, arm in arms.items()}
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


def wrong_for(hint: Any) -> list[Any]:
    """Values that no reading of the type takes: of another type, and the likely mistake."""
    options = typing.get_args(hint) if type(None) in typing.get_args(hint) else (hint,)
    if Any in options:
        return []
    wrong: list[Any] = (
        []
        if any(typing.get_origin(o) in (dict, Mapping) or o is Mapping for o in options)
        else [{"a": {"b": 1}}]
    )
    if str not in options and not any(
        typing.get_origin(o) is Sequence for o in options
    ):  # one path is no list
        wrong.append("many words")
    if not {bool} & set(options):
        wrong.append(True)
    if {float, int} & set(options):
        wrong += [math.nan, math.inf, -math.inf]
    for option in options:
        if typing.get_args(option)[:1] == (str,) and typing.get_origin(option) not in (dict, Mapping):
            wrong.append(["en", False])
        if typing.get_args(option)[:1] in ((int,), (float,)):
            wrong.append([1, "two"])
    return wrong


def targets() -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each `_target_` of conf/ stands in the configuration, and its node."""
    for path in sorted(CONF.glob("*/*.yaml")):
        group = path.parent.name
        if group in ("recipe", "study"):
            continue
        node = yaml.safe_load(path.read_text(encoding="utf-8"))
        node.pop("defaults", None)
        where = f"stages.{path.stem}" if group == "stages" else group
        todo = [(where, node)]
        while todo:
            where, node = todo.pop()
            if "_target_" in node:
                yield where, node
            todo += [(f"{where}.{key}", inner) for key, inner in node.items() if isinstance(inner, dict)]


@pytest.mark.parametrize(
    ("where", "node"),
    [pytest.param(where, node, id=f"{where}-{node['_target_'].split('.')[-1]}") for where, node in targets()],
)
def test_a_wrong_type_is_refused_by_the_key_that_was_typed(where: str, node: dict[str, Any]) -> None:
    """A contract of every class that a file of conf/ names, field by field."""
    cls = locate(node["_target_"], where)
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        for wrong in wrong_for(hints[field.name]) if field.init else []:
            given = {
                key: value for key, value in node.items() if not isinstance(value, str) or "$" not in value
            }
            with pytest.raises(ConfigError) as caught:
                make(
                    {**given, field.name: wrong},
                    where,
                    leave_out=(*RESERVED, *(RUN if where == "generate" else ())),
                )
            assert str(caught.value).removeprefix("a key of ").startswith(f"{where}.{field.name}"), wrong


def settings(schema: type = Config, where: str = "") -> Iterator[tuple[str, Any]]:
    """Keys of the configuration that no `_target_` builds, and their types."""
    for name, hint in typing.get_type_hints(schema).items():
        if dataclasses.is_dataclass(hint):
            yield from settings(typing.cast(type, hint), f"{where}{name}.")
        elif hint is not Any and name != "stages":
            yield f"{where}{name}", hint


@pytest.fixture(scope="module")
def composed() -> DictConfig:
    return compose(["study=demo"])


@pytest.mark.parametrize(("key", "hint"), [pytest.param(*entry, id=entry[0]) for entry in settings()])
def test_a_wrong_type_of_a_setting_is_refused_by_its_key(composed: DictConfig, key: str, hint: Any) -> None:
    for wrong in wrong_for(hint):
        config = composed.copy()
        parent: Any = config
        *parents, last = key.split(".")
        for name in parents:
            parent = parent[name]
        parent[last] = wrong
        with pytest.raises(ConfigError) as caught:
            check_settings(config)
        assert str(caught.value).removeprefix("a key of ").startswith(key), wrong


OWN_STUDY = "# @package _global_\ndefaults:\n  - override /pool: testbed\nstudy:\n  name: mine\n"


def own_study(folder: Path, more: bytes) -> DictConfig:
    """Compose a study file of the user's own: the lines above, then `more`."""
    (folder / "study").mkdir(exist_ok=True)
    (folder / "study" / "mine.yaml").write_bytes(OWN_STUDY.encode() + more)
    config = compose(["study=mine"], open_hydra(str(folder)))
    make_stages({key: plain(config[key]) for key in ("stages", "recipe", "evaluate")})
    return config


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("stages: {language: {languages: [en, no]}}", ["stages.language.languages[1]", "got false", "'no'"]),
        ("stages: {language: {languages: [on]}}", ["stages.language.languages[0]", "got true", "quotes"]),
        ("stages: {language: {languages: [~]}}", ["stages.language.languages[0]", "got null", "'null'"]),
        ("evaluate: {tasks: [1e3]}", ["evaluate.tasks[0]", "1000.0", "quotes"]),
        ("evaluate: {tasks: [1_000]}", ["evaluate.tasks[0]", "1000", "quotes"]),
        ("evaluate: {primary: off}", ["evaluate.primary", "got false", "'no'"]),
        ("evaluate: {chance: {no: 0.5}}", ["a key of evaluate.chance", "got false", "'no'"]),
        ("evaluate: {chance: {yes_no: half}}", ["evaluate.chance.yes_no", "'half'"]),
        ("design: {factors: [language, off]}", ["design.factors[1]", "got false", "'no'"]),
        (
            "design: {factors: {on: {threshold: [0.5, 0.6]}}}",
            ["a key of design.factors", "got true", "'yes'"],
        ),
        ("seeds: [0, 010]", ["mine.yaml, line 6: 010 is an octal number"]),
        ("seeds: [1:30]", ["mine.yaml, line 6: 1:30 is a number of base 60"]),
        ("results: {chance: {yes: 0.5}}", ["a key of results.chance", "got true"]),
        ("stages: {language: {threshold: '0.5'}}", ["stages.language.threshold", "without quotes"]),
        ("stages: {language: {threshold: .nan}}", ["stages.language.threshold", "nan"]),
        ("stages: {gopher_repetition: {top_n_grams: [[2, 0.2], [3, x]]}}", ["top_n_grams[1][1]", "'x'"]),
        ("stages: {pii: {emails: 1}}", ["stages.pii.emails must be true or false"]),
        ("study: {titel: x}", ["mine.yaml", "study stands twice"]),
        ("plam: {noise: 1}", ["plam does not exist: did you mean 'plan'?"]),
        ("\ttitle: x", ["mine.yaml, line 6: a tab"]),
        ("  title: A: B", ["mine.yaml, line 6: a colon in a text without quotes", '"A: B"']),
        ('  title: "A', ["mine.yaml", "a quote is opened here or above and never closed"]),
        ("seeds: [1, 2", ["mine.yaml, line 7"]),
        ("evaluate: {limit: ${evaluate.limit}}", ["evaluate.limit"]),
    ],
)
def test_what_a_study_file_says_without_quotes(tmp_path: Path, more: str, said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        own_study(tmp_path, more.encode() + b"\n")
    assert all(part in str(caught.value) for part in said), str(caught.value)
    assert "\n" not in str(caught.value).strip()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (b"  title: Caf\xe9\n", "mine.yaml, line 6: byte 0xe9 is not UTF-8"),
        (b"  title: a\x01b\n", "mine.yaml, line 6: the character '\\x01'"),
    ],
)
def test_a_study_file_in_another_encoding(tmp_path: Path, more: bytes, said: str) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "another.yaml").write_bytes(
        b"\xff"
    )  # a file that is not asked for is not looked at
    with pytest.raises(ConfigError) as caught:
        own_study(tmp_path, more)
    assert said in str(caught.value)


def test_what_a_study_file_may_say(tmp_path: Path) -> None:
    """A mark before the text, numbers with exponents, YAML's own booleans where one is meant."""
    config = own_study(
        tmp_path,
        "  title: Größe – naïve\ntrain: {lr: 1e-3, tokens: 1e6}\nworkers: 2.0\nlabel: {max_cost: 5}\n"
        "stages: {pii: {enabled: off}, language: {languages: [en, 'no']}}\n".encode(),
    )
    arm = make_plan(config).arms["full"].config
    assert make(arm["train"], "train").lr == 0.001 and make(arm["train"], "train").tokens == 1_000_000
    assert config.workers == 2 and type(config.workers) is int
    assert config.label.max_cost == 5.0 and type(config.label.max_cost) is float
    assert "pii" not in [stage.name for stage in make_stages(arm)]
    assert list(config.stages.language.languages) == ["en", "no"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("evaluate: {~: 3}\n", "a key of evaluate must be text, got null; write it in quotes"),
        (
            "stages: {language: no}\n",
            "stages.language must be a mapping, got false; a stage is switched off by ",
        ),
        (
            "stages: {language: ~}\n",
            "stages.language must be a mapping, got null; a stage is switched off by ",
        ),
    ],
)
def test_a_mapping_that_is_none_is_refused_by_its_key(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        own_study(tmp_path, more.encode())
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("group", ["evaluate", "proxy", "design", "recipe"])
def test_a_group_set_to_null_is_told_its_options(group: str) -> None:
    with pytest.raises(ConfigError, match=f"^{group}=null: expected the name of one of its options"):
        compose(["study=demo", f"{group}=null"])


def test_the_command_line_reads_no_as_a_word() -> None:
    config = compose(["study=demo", "stages.language.languages=[en,no]", "study.name=off"])
    assert list(config.stages.language.languages) == ["en", "no"] and config.study.name == "off"
    with pytest.raises(ConfigError, match=r"study.name must be text, got the number 1000.0.*quotes"):
        compose(["study=demo", "study.name=1e3"])
    assert compose(["study=demo", "study.name='1e3'"]).study.name == "1e3"


@pytest.mark.parametrize(
    ("value", "hint", "right"),
    [
        (1, float, 1.0),
        (1e3, int, 1000),
        ("a.jsonl", Sequence[str], ("a.jsonl",)),
        ([1, [2, 3]], tuple[int, tuple[int, int]], (1, (2, 3))),
        ({"a": [1]}, Mapping[str, tuple[float, ...]], {"a": (1.0,)}),
        (["a"], str | tuple[str, ...] | None, ("a",)),
        ("fast", Literal["fast", "slow"], "fast"),
        (True, bool | str, True),
        (3, int | float, 3),
        (None, float | str | None, None),
    ],
)
def test_values_that_fit(value: Any, hint: Any, right: Any) -> None:
    found = typed(value, hint, "x")
    assert found == right and type(found) is type(right)


@pytest.mark.parametrize(
    ("value", "hint", "said"),
    [
        (10**400, float, "x must be a number"),
        (1.5, int, "x must be a whole number, got the number 1.5"),
        (True, float, "x must be a number, got true"),
        ("quick", Literal["fast", "slow"], "x must be one of fast, slow, got the text 'quick'"),
        ([1, 2, 3], tuple[int, int], "x must be a list of a whole number, a whole number, got 3 values"),
        ({"a": ["b"]}, Mapping[str, tuple[float, ...]], "x.a[0] must be a number"),
        ("facts", tuple[str, ...], "x must be a list, of text each, got the text 'facts'; e.g. x=[facts]"),
        ("\udcff", str, "x must be text in UTF-8"),
        (5, str | tuple[str, ...], "x must be text or a list, of text each, got the number 5"),
        ([5], str | tuple[str, ...], "x[0] must be text, got the number 5"),
    ],
)
def test_values_that_do_not(value: Any, hint: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        typed(value, hint, "x")
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("where", "change", "said"),
    [
        ("train", {"lr": 0}, "train.lr must be above 0"),
        ("train", {"evaluations": [2.0]}, "train.evaluations must lie in (0, 1]"),
        ("proxy", {"heads": 0}, "proxy.heads must be above 0"),
        ("proxy", {"hidden_size": 97}, "proxy.hidden_size must be a multiple"),
        ("tokenizer", {"vocab_size": 10**9}, "tokenizer.vocab_size must be at least 257"),
        ("budget", {"match": "words"}, "budget.match must be tokens or source"),
        ("evaluate", {"limit": 0}, "evaluate.limit must be 1 or more"),
        ("evaluate", {"aggregate": "some"}, "evaluate.aggregate must be"),
        (
            "pool.parts.pages",
            {"_target_": "ablate.pool.files.Files", "paths": ["x"], "every": 0},
            "pool.parts.pages.every must be",
        ),
        (
            "pool.parts.pages",
            {"_target_": "ablate.pool.warc.Warc", "paths": ["x"], "limit": -1},
            "pool.parts.pages.limit must be",
        ),
        ("stages.minhash_dedup", {"bands": 0}, "stages.minhash_dedup.bands must be"),
        (
            "stages.gopher_quality",
            {"min_words": 9, "max_words": 3},
            "stages.gopher_quality.min_words must be",
        ),
        ("tracker", {"_target_": "ablate.tracking.tracker.Wandb", "mode": "of"}, "tracker.mode must be"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_key_that_was_typed(
    composed: DictConfig, where: str, change: dict[str, Any], said: str
) -> None:
    node: Any = {} if "_target_" in change else composed
    for name in where.split(".") if "_target_" not in change else ():
        node = node[name]
    node = plain(node)
    with pytest.raises(ConfigError) as caught:
        make({**node, **change}, where, leave_out=RESERVED)
    assert str(caught.value).startswith(said)


def test_paths_of_a_part_of_a_pool_are_named_where_they_were_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status = main(
        [
            "inspect",
            "study.name=x",
            "pool=mixed",
            "pool.parts.pages.paths=[no.warc]",
            "~pool.parts.texts",
            "recipe=gopher",
            "evaluate=heldout",
            "evaluate.heldout=x.txt",
            "workers=1",
        ]
    )
    assert status == 2
    assert "pool.parts.pages.paths: nothing matches 'no.warc'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["study.name=../../x"], "study.name must be the name of one folder"),
        (["study.name=a/b"], "study.name must be the name of one folder"),
        (["study.name=.."], "study.name must be the name of one folder"),
        (["study.name="], "study.name must be the name of one folder"),
        ([f"study.name={'x' * 300}"], "study.name must have 200 bytes at most, got 300"),
        (["store=file"], "store=file: file is a file"),
        (["store=file/below"], "store=file/below: file is a file"),
        (["study.dir=file"], "study.dir=file: file is a file"),
        ([f"study.dir={'x' * 300}"], "File name too long"),
    ],
)
def test_places_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as caught:
        check_places(compose(["study=demo", *overrides]))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["plan"],
            "pool is not set; choose one: pool=crawl_index|files|hf|mixed|repeated|sampled|synthetic|taught|testbed|warc",
        ),
        (["inspect", "tasks", "evaluate=testbed"], "pool"),
        (["report", "study.name=x"], "plan.json"),
        (["verify", "study.name=x", "evaluate=testbed"], "nothing to verify"),
        (["compare", "study.name=x", "pool=warc"], "compare.to=studies/<name>"),
        (["import", "study.name=x"], "results.csv=<file>"),
        (["snapshot"], "evaluate.snapshot=<folder>"),
    ],
)
def test_a_command_asks_for_what_it_reads_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_hydras_inner_parts_are_known_to_two_files() -> None:
    sources = (Path(ablate.__file__).parent).rglob("*.py")
    assert sorted(p.name for p in sources if "hydra._internal" in p.read_text(encoding="utf-8")) == [
        "compose.py",
        "launch.py",
    ]


@dataclass(frozen=True)
class Deep:
    """Types inside types, as the classes of stages and pools have them."""

    weights: Mapping[str, Mapping[str, tuple[float, float]]] = dataclasses.field(default_factory=dict)
    rows: Sequence[Mapping[str, int | None]] = ()
    parts: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"weights": {"a": {"b": [1, "x"]}}}, "x.weights.a.b[1] must be a number, got the text 'x'"),
        ({"weights": {"a": {"b": [1]}}}, "x.weights.a.b must be a list of a number, a number, got 1 values"),
        ({"weights": {"a": [1]}}, "x.weights.a must be a mapping"),
        ({"rows": [{"n": 1}, {"n": 1.5}]}, "x.rows[1].n must be a whole number"),
        (
            {"parts": [{"_target_": f"{__name__}.Inner", "size": "big"}]},
            "x.parts[0].size must be a whole number",
        ),
        ({"parts": [{"size": 1}]}, "x.parts[0] must be a mapping with _target_"),
    ],
)
def test_types_are_checked_however_deep(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make({"_target_": f"{__name__}.Deep", **values}, "x")
    assert str(caught.value).startswith(said)


def test_lists_of_nodes_are_built() -> None:
    node = {"_target_": f"{__name__}.Deep", "parts": [{"_target_": f"{__name__}.Inner", "size": 2}]}
    assert make(node, "x") == Deep(parts=(Inner(size=2),))


def test_an_error_that_nobody_foresaw_is_one_line_with_the_file_of_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ablate.commands import report

    def fail(*_: object) -> int:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(report, "main", fail)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["report", "study.name=x"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ablate: not expected: ZeroDivisionError: two lines")
    (trace,) = tmp_path.glob("ablate-*.trace.txt")
    assert line.endswith(str(trace)) and "in fail" in trace.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Renamed:
    """A class with a field that was called `together`."""

    stacked: int | None = dataclasses.field(default=None, metadata=was("together"))


def test_a_key_that_was_renamed_is_refused_with_its_new_name(composed: DictConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^x.together is called x.stacked now$"):
        make({"_target_": f"{__name__}.Renamed", "together": 1}, "x")
    with pytest.raises(ConfigError, match=r"^train.together is called train.stacked_runs now$"):
        compose(["study=demo", "train.together=2"])
    with pytest.raises(ConfigError, match=r"^train.together is called train.stacked_runs now$"):
        make_plan(own_study(tmp_path, b"train: {together: 2}\n"))


def test_a_setting_that_was_renamed_is_refused_with_its_new_name(
    composed: DictConfig, tmp_path: Path
) -> None:
    for given, said in {
        "randomness.shift=1": "randomness.shift is called randomness.seed_offset now",
        "sequential.rounds=[2,5]": "sequential.rounds is called sequential.looks now",
    }.items():
        with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
            compose(["study=demo", given])
    with pytest.raises(ConfigError, match=r"sequential.rounds is called sequential.looks now$"):
        own_study(tmp_path, b"sequential: {rounds: [2, 5]}\n")
    with pytest.raises(
        ConfigError, match=r"^design.factors: randomness.shift is called randomness.seed_offset now$"
    ):
        make_plan(compose(["study=demo", "design.factors={again: {randomness.shift: [0, 1]}}"]))


def test_a_renamed_key_names_results_as_before() -> None:
    """A plan that an earlier version wrote has the digest that it had, and is read under the new names."""
    target = "ablate.evaluate.evaluator.EvaluateConfig"
    before = {"_target_": target, "tasks": ["a"], "stands_in": ["em"]}
    now = {"_target_": target, "tasks": ["a"], "fallback_metrics": ["em"]}
    assert identified(now) == identified(before) == before
    assert renamed({"evaluate": before, "list": [before]}) == {"evaluate": now, "list": [now]}
    assert renamed({"_target_": "own.Class", "stands_in": 1}) == {"_target_": "own.Class", "stands_in": 1}


def test_a_renamed_setting_names_results_as_before() -> None:
    """Settings have no `_target_`: their class is that of the field that they stand in."""
    other = {"_target_": "own.Class", "shift": 1}
    before, now = (
        {"randomness": {"shift": 3}, "pool": other},
        {"randomness": {"seed_offset": 3}, "pool": other},
    )
    assert identified(now, Config) == identified(before, Config) == before
    assert renamed(before, Config) == renamed(now, Config) == now


def test_a_study_that_lies_in_studies_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "studies" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigError, match=r"study=mine does not exist: .*; the study in studies/mine is study\.name=mine"
    ):
        compose(["study=mine"])
