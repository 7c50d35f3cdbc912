"""The plan: arms, seeds and resolved configurations, frozen before anything runs."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any
from unicodedata import normalize

from ablate.config import (
    RESERVED,
    called_now,
    make,
    make_pool,
    naming,
    plain,
    stage_names,
    stage_order,
)
from ablate.corpus.mixture import KEY, Mixture
from ablate.design.base import Assignment, ContrastSpec, Design, Factor
from ablate.design.controls import CONTROL, PARTS, controlled_factor, controls
from ablate.errors import AblateError, ConfigError, DataError, nearest
from ablate.estimand.base import contrasts_of, load_estimand, splitting
from ablate.fingerprint import digest
from ablate.pool.spike.defects import KINDS
from ablate.secrets import secret_in
from ablate.settings import Config
from ablate.store import read_json, write_json
from ablate.study.chain import KEY as CHAIN
from ablate.study.chain import Chain, completed
from ablate.study.chance import OF_DOCUMENTS, draw_of
from ablate.study.interim_looks import check_looks
from ablate.study.journal import note_plan, seeds_seen
from ablate.study.pairing import choose_pairing, own_seeds, shares_seeds
from ablate.study.schema import Arm, Headline, Plan, counting, other_format
from ablate.study.tokenizer_text import with_text

MOST_PERMUTED = 6
"""Stages in all their orders: 720."""
PLAIN = re.compile(r"[a-z0-9_+=@(][a-z0-9_.,+=@()-]*(?<!\.)")
"""Names of arms that are folders as they stand, on every file system: two of them differ in more than case,
which some file systems do not tell apart, or the form of an accent."""
UNSAFE = re.compile(r"[^\w.,+=@()-]|^[.-]|\.$")
LONGEST = 100
"""Characters of a name in a folder's; a file system takes 255 bytes."""
ARM_KEYS = (
    "pool",
    "recipe",
    "stages",
    "tokenizer",
    "proxy",
    "train",
    "budget",
    "evaluate",
    "randomness",
    KEY,
    CHAIN,
)
"""What an arm's configuration consists of; the rest of the configuration concerns the study."""


@dataclass(frozen=True)
class Levels:
    """A factor and what each of its levels changes in the configuration.

    Attributes:
        name: of the factor.
        changes: level -> dotted path -> value; the first level changes nothing.
    """

    name: str
    changes: dict[str, dict[str, Any]]

    @property
    def stage(self) -> str | None:
        """The stage that is absent at the last level, where that is all that it changes."""
        match list(list(self.changes.values())[-1].items()):
            case [(path, False)] if path.startswith("stages.") and path.endswith(".enabled"):
                return path.split(".")[1]
        return None

    @property
    def is_chance(self) -> bool:
        """Whether the levels are draws of chance (seeds), not treatments."""
        paths = {path for changed in self.changes.values() for path in changed}
        return bool(paths) and all(p.startswith("randomness.") or p.endswith(".seed") for p in paths)

    @property
    def factor(self) -> Factor:
        """As the designs know it."""
        return Factor(self.name, tuple(self.changes))


def resolve_factors(config: Mapping[str, Any]) -> list[Levels]:
    """Resolve what `design.factors` asks for.

    null: every enabled stage, on against off, which a mapping says as {stages: null}. A list: these stages. A mapping: name ->
    null (on/off), or {parameter: [values]} where the parameter is the stage's of that name, or a
    dotted path from the top of the configuration (`recipe.order`, `train.lr`); among the values of a stage's
    parameter `off` stands for the arm without the stage; values may be a range,
    {from: 0, to: 0.6, points: 13}, closer at its low end with `spacing: log`. {permute: [stages]} is every order of these stages, the others
    staying where they are.

    Raises:
        ConfigError: for an unknown stage or parameter, or a factor without two levels.
    """
    stages = {name: config["stages"][name] for name in stage_order(config)}
    asked = config["design"].get("factors")
    if asked == "???":
        raise ConfigError(
            "design.factors is not set; this design needs to be told what to vary, e.g. "
            "'design.factors={language: {threshold: [0.65, 0.5, 0.8]}}'"
        )
    if not isinstance(asked, Mapping):
        asked = dict.fromkeys(["stages"] if asked is None else asked)
    if "stages" in asked:
        enabled = [name for name, node in stages.items() if node.get("enabled", True)]
        if not enabled:
            raise ConfigError("design.factors: no stage of the recipe is enabled, so nothing can be varied")
        asked = dict.fromkeys(enabled) | {name: spec for name, spec in asked.items() if name != "stages"}
    return [_levels(str(name), spec, stages, config) for name, spec in asked.items()]


def _levels(name: str, spec: Any, stages: Mapping[str, Any], config: Mapping[str, Any]) -> Levels:
    if not isinstance(spec, Mapping):
        if name not in stages:
            raise ConfigError(f"design.factors: unknown stage {name!r}: {nearest(name, stages)}")
        if not stages[name].get("enabled", True):
            raise ConfigError(f"design.factors: stage {name!r} is disabled; enable it to vary it")
        return Levels(name, _on_off(name, stages[name]))
    if len(spec) != 1:
        raise ConfigError(f"design.factors.{name}: expected one parameter with its values, got {dict(spec)}")
    (path, values), *_ = plain(spec).items()
    if path == "permute":
        return Levels(name, _orders(name, values, list(stages)))
    own = "." not in path
    path = f"stages.{name}.{path}" if own else path
    current = _get(config, path)
    if isinstance(values, Mapping):
        values = _range(values, f"design.factors.{name}.{path}")
        if isinstance(current, (int, float)) and current not in values:
            values = [current, *values]
    if not isinstance(values, list) or len(values) < 2:
        raise ConfigError(
            f"design.factors.{name}.{path}: expected a list of two values or more, got {values!r}"
        )
    ordered = [current, *[value for value in values if value != current]] if current in values else values
    changes = {}
    for value in ordered:
        off = own and (value == "off" or (value is False and not isinstance(current, bool)))  # YAML's off
        changes["off" if off else _label(value)] = {f"stages.{name}.enabled": False} if off else {path: value}
    if len(changes) != len(values):
        raise ConfigError(f"design.factors.{name}: the values {values} repeat")
    return Levels(name, changes)


def _orders(name: str, chosen: Any, order: list[str]) -> dict[str, dict[str, Any]]:
    where = f"design.factors.{name}.permute"
    if not isinstance(chosen, list) or not 2 <= len(set(chosen)) == len(chosen) <= MOST_PERMUTED:
        raise ConfigError(f"{where}: expected two to {MOST_PERMUTED} different stages, got {chosen!r}")
    for stage in chosen:
        if stage not in order:
            raise ConfigError(f"{where}: unknown stage {stage!r}: {nearest(stage, order)}")
    configured = [stage for stage in order if stage in chosen]
    changes = {}
    for permuted in permutations(configured):
        following = iter(permuted)
        changed = [next(following) if stage in chosen else stage for stage in order]
        changes[_label(list(permuted))] = {"recipe.order": changed} if changed != order else {}
    return changes


def _range(spec: Mapping[str, Any], where: str) -> list[float]:
    """Values of `{from: 0, to: 0.6, points: 13}`, both ends included: evenly spaced, or their logarithms with `spacing: log`."""
    spec = dict(spec)
    spacing = spec.pop("spacing", "even")
    if spacing not in ("even", "log"):
        raise ConfigError(f"{where}.spacing must be even or log, got {spacing!r}")
    numbers = [spec.get(key) for key in ("from", "to", "points")]
    if set(spec) != {"from", "to", "points"} or any(
        isinstance(n, bool) or not isinstance(n, (int, float)) for n in numbers
    ):
        raise ConfigError(
            f"{where}: expected a range such as {{from: 0, to: 0.6, points: 13}}, got {dict(spec)}"
        )
    first, last, points = spec["from"], spec["to"], spec["points"]
    if points < 2 or points != int(points) or first == last:
        raise ConfigError(f"{where}: a range needs two ends and two points or more, got {dict(spec)}")
    if spacing == "log" and not min(first, last) > 0:
        raise ConfigError(f"{where}: spacing: log needs two ends above zero, got {spec}")
    shares = [i / (points - 1) for i in range(int(points))]
    if spacing == "log":  # between its ends, which stay as they are, no value needs more than three digits
        inner = [float(f"{first * (last / first) ** share:.3g}") for share in shares[1:-1]]
        return [first, *inner, last]
    # Twelve digits, so that 0.1 + 0.2 is the 0.3 of the recipe.
    return [float(f"{first + (last - first) * share:.12g}") for share in shares]


def _label(value: Any) -> str:
    return ">".join(map(str, value)) if isinstance(value, list) else str(value)


def _on_off(name: str, node: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    off = node.get("without")
    labels = ("on", "off")
    if off is not None and len(off) == 1:
        (parameter, without), *_ = off.items()
        if node[parameter] == without:
            raise ConfigError(
                f"design.factors: stages.{name}.{parameter}={without} is its own absence; nothing to vary"
            )
        labels = (str(node[parameter]), str(without))
    return {labels[0]: {}, labels[1]: {f"stages.{name}.enabled": False}}


def _get(config: Mapping[str, Any], path: str) -> Any:
    node: Any = config
    for key in path.split("."):
        if not isinstance(node, Mapping) or key not in node:
            if now := called_now(Config, path):
                raise ConfigError(f"design.factors: {path} is called {now} now")
            raise ConfigError(f"design.factors: {path} does not exist: {nearest(key, node)}")
        node = node[key]
    return node


def _set(config: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        config = config[key]
    config[last] = value


def make_plan(composed: Any) -> Plan:
    """Resolve a composed configuration into a plan.

    Everything an arm describes is built once, so that a wrong parameter in any arm is found now.

    Raises:
        ConfigError: for anything that could not run.
    """
    composed = (
        {key: value for key, value in composed.items() if key != "hydra"}
        if isinstance(composed, Mapping)
        else {key: composed[key] for key in composed if key != "hydra"}
    )
    config = {key: plain(value) for key, value in composed.items()}
    config[CHAIN] = completed(config.get(CHAIN))
    seeds: list[int] = config["seeds"]
    if not seeds or len(set(seeds)) != len(seeds):
        raise ConfigError(f"seeds must name each seed once, at least one, got {seeds}")
    levels = {entry.name: entry for entry in resolve_factors(config)}
    design: Design = make(config["design"]["method"], "design.method")
    factors = [entry.factor for entry in levels.values()]
    with naming("design.method", vars(design), otherwise=f"design={config['design']['name']}"):
        assignments = design.arms(factors)
    arms: dict[str, Arm] = {}
    controlled = _controlled(config, assignments, list(levels.values()), design)
    assignments = assignments | controlled
    config = {**with_text(config), "randomness": _randomness(config, folder_of(config))}
    chance = [name for name, entry in levels.items() if entry.is_chance]
    own = bool(config["design"]["own_seeds"]) and not chance
    offsets = own_seeds(assignments, factors) if own else {}
    _check_repeats(assignments, own, str(config["design"]["name"]))
    for name, assignment in assignments.items():
        arm = copy.deepcopy({key: config[key] for key in ARM_KEYS})
        replaced = controlled_factor(assignment)
        for factor, level in assignment.items():
            if factor == replaced:
                arm[CONTROL] = levels[factor].stage
                continue
            for path, value in levels[factor].changes[level].items():
                _set(arm, path, value)
        arm["randomness"]["seed_offset"] += offsets.get(name, 0)
        for key in OF_DOCUMENTS:
            if arm["randomness"].get(key) != config["randomness"].get(key):
                raise ConfigError(
                    f"design.factors: randomness.{key} cannot be varied within a study, the arms of a seed share what it "
                    "draws; give each of its settings a study of its own"
                )
        if arm[KEY] is None:
            del arm[KEY]  # an arm without one is what it was before there were any
        Mixture.of(arm)
        if Chain.of(arm) is None:
            del arm[CHAIN]  # generation 0 is an ordinary run
        arms[name] = Arm(name=name, levels=assignment, config=arm)
        arms[name].check(dict.fromkeys(draw_of(arms[name], seed).stages for seed in seeds))
        for shared in ("pool", "tokenizer"):
            if _without_rates(arm[shared]) != _without_rates(config[shared]):
                raise ConfigError(
                    f"design.factors: {shared}.* cannot be varied within a study, all arms share the {shared}; "
                    "give each of its settings a study of its own (the rates of pool.spike can be varied)"
                )
    _plant_most([arm.config["pool"] for arm in arms.values()])
    study, evaluate = config["study"], config["evaluate"]
    # Draws of chance are no treatments: nothing is gained by one of them, what counts is their spread.
    natural = () if len(chance) == len(levels) > 1 else design.estimands
    estimands = list(natural if config["estimands"] is None else config["estimands"])
    if controlled:
        estimands += [name for name in PARTS if name not in estimands]
    contrasts = contrasts_of(estimands, assignments, factors)
    aggregate = evaluate.get("aggregate")
    order, asked = stage_order(config), config.get("sequential")
    plan = Plan(
        study=study["name"],
        title=study["title"] or study["name"],
        question=study["question"],
        prediction=study["prediction"],
        dropped_texts=study["dropped_texts"],
        sections=tuple(study["sections"]),
        design=config["design"]["name"],
        arms=arms,
        reference=next(iter(arms)),
        factors=tuple(factors),
        chance=tuple(chance),
        seeds=tuple(seeds),
        contrasts=tuple(contrasts),
        metrics=Headline(
            primary=evaluate["primary"],
            aggregate=tuple(aggregate) if isinstance(aggregate, list) else aggregate,
            average_last=evaluate.get("average_last", 1),
            claims=_claims(evaluate, contrasts, order),
        ),
        stages=tuple(order),
        store=str(config["store"]),
        tracker=config["tracker"],
        sequential=None if asked is None else check_looks(asked, seeds),
    )
    pairing = choose_pairing(
        config["design"]["pairing"],
        own=not shares_seeds(plan),
        contrasts=contrasts,
        rounds=plan.sequential is not None,
    )
    return replace(plan, pairing=pairing)


def _claims(
    evaluate: Mapping[str, Any], contrasts: Sequence[ContrastSpec], order: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Gains on single tasks that are claims: task -> stages, without stages that the design does not vary or the recipe lacks.

    Raises:
        ConfigError: for what is no stage and has no planned gain; names the nearest.
    """
    gains = {contrast.factor for contrast in contrasts}
    known = gains | {*order, *stage_names()}
    claims = {
        str(task): list(dict.fromkeys(stages)) for task, stages in (evaluate.get("claims") or {}).items()
    }
    for task, stages in claims.items():
        for stage in stages:
            if stage not in known:
                raise ConfigError(f"evaluate.claims.{task}: unknown stage {stage!r}: {nearest(stage, known)}")
    varied = {task: tuple(stage for stage in stages if stage in gains) for task, stages in claims.items()}
    return {task: stages for task, stages in varied.items() if stages}


def planned_tests(plan: Plan) -> int:
    """Count the gains that Holm's correction is over: those on the aggregate, and those that are claimed on single tasks."""
    named = [stage for stages in plan.metrics.claims.values() for stage in stages]
    factors = [contrast.factor for contrast in plan.contrasts]
    return len(factors) + sum(factors.count(stage) for stage in named)


def _check_repeats(assignments: Mapping[str, Mapping[str, str]], own: bool, design: str) -> None:
    """Refuse arms that would be the same runs."""
    met: dict[tuple[str, ...], str] = {}
    for name, levels in assignments.items():
        twin = met.setdefault(tuple(levels.values()), name)
        if twin != name and not own:
            raise ConfigError(
                f"design={design}: arms {twin} and {name} differ in their seeds alone, so they need seeds of their own "
                "(design.own_seeds=true), and no factor that is a draw of chance"
            )


def _controlled(
    config: Mapping[str, Any], arms: Mapping[str, Assignment], levels: Sequence[Levels], design: Design
) -> dict[str, Assignment]:
    """The arms that `design.controls` asks for.

    Raises:
        ConfigError: for a design or factors that have none.
    """
    asked = config["design"].get("controls", "none")
    if asked == "none":
        return {}
    name = f"design.controls={asked}"
    if not design.estimands or not all(load_estimand(one).splits for one in design.estimands):
        raise ConfigError(
            f"{name} splits gains that are a difference of two arms, with and without a stage; those of "
            f"design={config['design']['name']} are not. Use one of {', '.join(splitting())}"
        )
    removing = {
        entry.name
        for entry in levels
        if entry.stage
        and make(
            config["stages"][entry.stage], f"stages.{entry.stage}", leave_out=RESERVED
        ).removes_documents()
    }
    if not removing:
        raise ConfigError(
            f"{name}: no factor of this study is a stage that removes documents, on against off "
            f"({', '.join(entry.name for entry in levels)}); stages that only rewrite text, and parameters, have no control"
        )
    try:
        return controls(arms, [entry.factor for entry in levels], removing)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error


def _without_rates(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """A pool without the rates of its planted defects, which arms may have different ones of."""
    if not isinstance(spike := node.get("spike"), Mapping):
        return node
    return {**node, "spike": {key: value for key, value in spike.items() if key not in KINDS}}


def _plant_most(pools: Sequence[dict[str, Any]]) -> None:
    """Tell every arm's pool the highest rate of each defect that is varied: one pool then serves all arms.

    Raises:
        ConfigError: when those rates together are more than a pool can carry.
    """
    spikes = [pool["spike"] for pool in pools if pool.get("spike")]
    most = {
        kind: max(rates) for kind in KINDS if len(set(rates := [one.get(kind, 0.0) for one in spikes])) > 1
    }
    if most:
        for pool in pools:
            pool["spike"]["most"] = most
            make_pool(pool)


def _randomness(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What decides about documents, checked; keys at their defaults are left out, and the number of shards is fixed."""
    given = dict(config["randomness"])
    if given["pool"] == "fixed" and given["shards"] is not None:
        raise ConfigError("randomness.shards is only for randomness.pool=shard, and that is fixed")
    if given["pool"] == "shard":
        planned = _planned_shards(folder) if given["shards"] is None else given["shards"]
        given["shards"] = len(config["seeds"]) if planned is None else planned
        if given["shards"] < 1:
            raise ConfigError(f"randomness.shards must be 1 or more, got {given['shards']}")
    return {
        key: value for key, value in given.items() if key not in OF_DOCUMENTS or value != OF_DOCUMENTS[key]
    }


def _planned_shards(folder: Path) -> int | None:
    """How many shards the plan in a folder has, so that seeds can be added to it; None where there is none."""
    try:
        plan = load_plan(folder)
    except (AblateError, OSError):
        return None
    return plan.reference_arm.randomness.get("shards")


def freeze(plan: Plan, folder: Path, replan: bool = False) -> Plan:
    """Write `plan.json`, or find the same plan there.

    What changes no result is taken from the newer of the two. What a plan predicts, in words and in
    figures, is no part of its identity either: it is replaced as long as no run has been done, and stays
    as it was frozen from then on.

    Raises:
        AblateError: when the folder holds another plan; says what differs and what to do.
    """
    if name := secret_in(json.dumps(plan.to_json(), ensure_ascii=False)):
        raise ConfigError(
            f"the configuration holds the value of the environment variable {name}, which a plan would keep in a file: "
            f"take ${{oc.env:{name}}} out of it; teachers and trackers read their keys from the environment themselves"
        )
    seen = seeds_seen(folder)
    frozen = _freeze(plan, folder, replan)
    note_plan(frozen, folder, seen)
    return frozen


def write_plan(plan: Plan, folder: Path) -> None:
    """Write a study's `plan.json`, whatever stands there; `freeze` asks first."""
    write_json(folder / "plan.json", plan.to_json())


def _freeze(plan: Plan, folder: Path, replan: bool) -> Plan:
    path = folder / "plan.json"
    if not path.exists():
        write_plan(plan, folder)
        return plan
    data = read_json(path)
    frozen, other = None, other_format(data)
    if not other:
        try:
            frozen = Plan.from_json(data, path)
        except DataError:
            if not replan:
                raise
            if data.get("digest") != plan.digest:
                _forget(folder, None, plan)
            write_plan(plan, folder)
            return plan
    if frozen is None or frozen.digest != plan.digest:
        if not replan:
            differs = (
                f"it was planned by another version of ablate: {other}"
                if frozen is None
                else _difference(counting(frozen.to_json()), counting(plan.to_json()))
            )
            raise AblateError(
                f"{path} holds another plan than this command describes ({differs}). "
                "Give this one a name of its own (study.name=...), or replace the plan with "
                "study.replan=true; what finished runs computed is kept in the store and reused either way"
            )
        _forget(folder, frozen, plan)
        write_plan(plan, folder)
        return plan
    if any(folder.glob("runs/*/*/record.json")):
        if frozen.prediction != plan.prediction and not replan:
            raise AblateError(
                f"study.prediction differs from the one in {path} ({frozen.prediction!r}), and runs have been "
                "done: a prediction is frozen before them. Leave it as it was, or replace it with study.replan=true"
            )
        plan = replace(plan, predicted=None)
    plan = replace(plan, predicted=plan.predicted or frozen.predicted)
    if plan != frozen:
        write_plan(plan, folder)
    return plan


def _forget(folder: Path, frozen: Plan | None, plan: Plan) -> None:
    """Take out the records of arms that the new plan configures otherwise; the store still has their results."""
    before, now = (counting(one.to_json())["arms"] if one else {} for one in (frozen, plan))
    kept = {run_folder(folder, arm, 0).parent for arm, entry in now.items() if before.get(arm) == entry}
    for record in folder.glob("runs/*/*/record.json"):
        if record.parent.parent not in kept:
            record.unlink()


def contrasts_asked(plan: Plan, estimands: Sequence[str], without: Sequence[str] = ()) -> list[ContrastSpec]:
    """Return the contrasts of estimands that a plan did not freeze, from the arms that it has.

    Args:
        plan: with arms and factors.
        estimands: names.
        without: arms to do without.

    Raises:
        ConfigError: for an unknown estimand.
        NotIdentified: when the plan's arms do not determine it; names the arms that are missing.
    """
    arms = {name: levels for name, levels in plan.levels.items() if name not in without}
    return contrasts_of(estimands, arms, plan.factors)


def load_plan(folder: Path) -> Plan:
    """Read the frozen plan of a study folder.

    Raises:
        DataError: when there is none, or it is of another format or not as it was frozen.
    """
    path = folder / "plan.json"
    return Plan.from_json(read_json(path), path)


def run_folder(study: Path, arm: str, seed: int) -> Path:
    """Return where a run's record lies in a study's folder.

    An arm's name that is no folder's name everywhere, or differs from another's in case or in the form of an
    accent alone, is made one with a part of its digest.
    """
    name = arm
    if len(arm) > LONGEST or not PLAIN.fullmatch(arm):
        readable = UNSAFE.sub("-", normalize("NFC", arm).lower()[:LONGEST]).encode()[: 2 * LONGEST]
        name = f"{readable.decode(errors='ignore')}~{digest(arm)[:8]}"
    return study / "runs" / name / f"seed-{seed}"


def _difference(old: Any, new: Any, path: str = "") -> str:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new} - {"digest"}):
            if old.get(key) != new.get(key):
                return _difference(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    return f"{path}: there {str(old)[:80]}, here {str(new)[:80]}"


def folder_of(composed: Any) -> Path:
    """Return the study's folder."""
    return Path(composed["study"]["dir"])
