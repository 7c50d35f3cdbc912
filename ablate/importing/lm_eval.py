"""Folders that lm-eval wrote: results_*.json, and samples_*.jsonl where they were logged."""

from __future__ import annotations

import glob
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ablate.errors import ConfigError, DataError
from ablate.evaluate.metrics import SMOOTH, bits_per_byte
from ablate.importing.gold import choices_of, right_choices
from ablate.importing.results import Results, Run, direction
from ablate.reading.records import PACKED, Place, read_rows, read_text
from ablate.study.record import TaskInfo

FIELDS = {"arm": r"(?P<arm>[^/]+?)", "seed": r"(?P<seed>\d+)", "tokens": r"(?P<tokens>\d+)"}
Found = tuple[Run, int | None, Path, list[Path], dict[str, str]]
"""A run, tokens seen, its folder, the results files in it, and its levels."""
PARTS = ("configs", "group_subtasks", "higher_is_better", "n-samples", "n-shot", "task_hashes", "versions")
DATED = re.compile(r"_\d{4}-\d\d-\d\dT[\d.+-]+$")
"""What lm-eval ends its file names with."""


def read_lm_eval(
    paths: Sequence[str],
    pattern: str,
    mapping: Path | None,
    tasks: Sequence[str] | None,
    better: Mapping[str, bool],
) -> Results:
    """Read folders of lm-eval's output (`--output_path`, with `--log_samples` for items).

    Args:
        paths: folders to search, or globs of them.
        pattern: how the folders between such a folder and its results name the run, e.g.
            `{arm}/seed-{seed}` or `{arm}-s{seed}/step-{tokens}`; deeper folders are not looked at.
        mapping: a CSV of folder, arm, seed, and if you like tokens and factors, in place of the pattern;
            folders are written as seen from that file.
        tasks: which tasks or groups to take; None for every task that is no group of others.
        better: metric -> whether higher is better, where the results do not say it.
    Returns:
        Scores as lm-eval aggregated them. Where samples were logged, also items, the chance level of
        multiple choice, and the smooth scores `prob` and `bpb`.
    Raises:
        DataError: for a folder without results, a file that is not lm-eval's, two results of one run
            that disagree, or tasks that differ between runs (items, few-shot examples, version).
        ConfigError: for a pattern without {arm} and {seed}.
    """
    found = Results()
    facts: dict[str, tuple[dict[str, Any], Path]] = {}
    for run, tokens, folder, files, levels in _runs(paths, pattern, mapping):
        found.set_levels(run[0], levels, str(folder))
        scores, items, lost = _read_run(files, tasks, better, facts)
        points = found.points.setdefault(run, {})
        if tokens in points:
            at = "" if tokens is None else f" at {tokens:,} tokens"
            raise DataError(f"{folder}: a second folder for arm {run[0]!r}, seed {run[1]}{at}")
        points[tokens] = scores
        if items is not None and tokens == max(points, key=lambda t: -1 if t is None else t):
            found.items[run] = items
        found.lost |= {(run, task, metric): said for (task, metric), said in lost.items()}
    if not found.points:
        raise DataError(f"results.lm_eval={list(paths)}: no results_*.json found there")
    found.tasks = {
        name: TaskInfo(
            chance=fact["chance"],
            n_items=fact["n_items"],
            digest=fact["digest"],
            higher_is_better=fact["better"],
        )
        for name, (fact, _) in facts.items()
    }
    found.sources = [f"lm-eval results in {', '.join(paths) if not mapping else mapping.name}"]
    return found


def _runs(paths: Sequence[str], pattern: str, mapping: Path | None) -> list[Found]:
    if mapping is not None:
        return _mapped(mapping)
    matcher = _matcher(pattern)
    groups: dict[tuple[Path, str], tuple[re.Match[str], list[Path]]] = {}
    for root in _folders(paths):
        for file in sorted(root.rglob("results_*.json")):
            inside = file.parent.relative_to(root).as_posix() + "/"
            match = matcher.match(inside)
            if not match:
                raise DataError(
                    f"{file}: {inside!r} does not begin like {pattern!r}; give results.pattern=... as the folders "
                    "are named, or a CSV of folder, arm, seed as results.mapping=..."
                )
            groups.setdefault((root, match[0]), (match, []))[1].append(file)
    runs: list[Found] = []
    for (root, inside), (match, files) in groups.items():
        tokens = match.groupdict().get("tokens")
        run = (match["arm"], int(match["seed"]))
        runs.append((run, None if tokens is None else int(tokens), root / inside, files, {}))
    return runs


def _matcher(pattern: str) -> re.Pattern[str]:
    for name in ("arm", "seed"):
        if pattern.count(f"{{{name}}}") != 1:
            raise ConfigError(f"results.pattern must hold {{arm}} and {{seed}} once each, got {pattern!r}")
    parts = re.split(r"\{(arm|seed|tokens)\}", pattern.strip("/"))
    return re.compile("".join(FIELDS[p] if n % 2 else re.escape(p) for n, p in enumerate(parts)) + "/")


def _folders(paths: Sequence[str]) -> list[Path]:
    folders = []
    for path in paths:
        matches = [Path(name) for name in sorted(glob.glob(path)) if Path(name).is_dir()]
        if not matches:
            raise DataError(f"results.lm_eval: no folder matches {path!r}")
        folders += matches
    return folders


def _mapped(mapping: Path) -> list[Found]:
    runs: list[Found] = []
    for place, row in read_rows(mapping, "results.mapping", otherwise=".csv"):
        cells = {name: "" if cell is None else str(cell).strip() for name, cell in row.items()}
        if lacking := [name for name in ("folder", "arm", "seed") if name not in cells]:
            raise DataError(f"{place}: no column {', '.join(lacking)}; there: {', '.join(cells)}")
        folder = mapping.parent / cells["folder"]
        files = sorted(folder.rglob("results_*.json"))
        if not files:
            raise DataError(f"{place}: no results_*.json in {folder}")
        for name in ("seed", "tokens"):
            if cells.get(name) and not (cells[name].isascii() and cells[name].isdigit()):
                raise DataError(f"{place}: {name} must be a whole number, got {cells[name]!r}")
        if not cells["arm"] or not cells["seed"]:
            raise DataError(f"{place}: arm and seed must be given")
        levels = {
            name: cell for name, cell in cells.items() if name not in ("folder", "arm", "seed", "tokens")
        }
        tokens = int(cells["tokens"]) if cells.get("tokens") else None
        runs.append(((cells["arm"], int(cells["seed"])), tokens, folder, files, levels))
    return runs


def _read_run(
    files: Sequence[Path],
    tasks: Sequence[str] | None,
    better: Mapping[str, bool],
    facts: dict[str, tuple[dict[str, Any], Path]],
) -> tuple[dict[str, dict[str, float]], pa.Table | None, dict[tuple[str, str], str]]:
    """Scores and items of one run, and why scores are none; adds to, and checks against, what other runs say."""
    scores: dict[str, dict[str, float]] = {}
    lost: dict[tuple[str, str], str] = {}
    columns: dict[str, list[Any]] = {"task": [], "item": [], "metric": [], "value": []}
    for file in files:
        content = _content(file)
        for task in _wanted(content, tasks):
            values, bad = _values(content["results"][task])
            effective = content["n-samples"].get(task, {}).get("effective")
            samples = _samples(file, task, effective)
            scored = _smooth(samples, content["configs"].get(task) or {}, file)
            fact, smooth = _facts(content, task, [*values, *bad], scored, better)
            bad |= {name: value for name, value in smooth.items() if not math.isfinite(value)}
            values |= {name: value for name, value in smooth.items() if math.isfinite(value)}
            lost |= {
                (task, metric): f"{file} has {value!r}, which is no finite number"
                for metric, value in bad.items()
            }
            if scores.get(task, values) != values:
                raise DataError(
                    f"{file}: {task} was scored before for this run, with other results; keep one"
                )
            if task in scores:
                continue
            scores[task] = values
            known, where = facts.setdefault(task, (fact, file))
            for key, value in fact.items():
                if isinstance(value, dict):  # by metric, which a run may lack
                    known[key] |= {metric: one for metric, one in value.items() if metric not in known[key]}
                    value = known[key] | value
                if known[key] != value:
                    raise DataError(
                        f"task {task!r} is not the same everywhere: {key} is {value} in {file}, {known[key]} in {where}"
                    )
            for item, metric, value in _items(samples, scored):
                for column, entry in zip(columns.values(), (task, item, metric, value), strict=True):
                    column.append(entry)
    if tasks and (lacking := [task for task in tasks if task not in scores]):
        raise DataError(f"{files[0].parent}: no result for {', '.join(lacking)}; there: {', '.join(scores)}")
    return scores, pa.table(columns) if columns["task"] else None, lost


def _wanted(content: Mapping[str, Any], tasks: Sequence[str] | None) -> list[str]:
    results = content["results"]
    if tasks is not None:
        return [task for task in tasks if task in results]
    groups = {name for name, members in content.get("group_subtasks", {}).items() if members}
    return [task for task in results if task not in groups]


def _content(file: Path) -> dict[str, Any]:
    """What a results file says, each of its parts being there and of its kind."""
    try:
        content = json.loads(read_text(file, "results.lm_eval"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
        raise DataError(f"{file} is not a result of lm-eval: no mapping `results` in it")
    for part in PARTS:
        content[part] = _mapping(content.get(part) or {}, file, part)
    for part in ("results", "configs", "higher_is_better", "n-samples"):
        for task, said in content[part].items():
            content[part][task] = _mapping(said or {}, file, f"{part}.{task}")
    return content


def _mapping(value: Any, file: Path, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{file} is not a result of lm-eval: `{name}` is {value!r}, not a mapping")
    return value


def _values(entries: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    """Metric -> value, and of those whose value is no finite number; "acc,none" is `acc`.

    Another filter stays part of the name.
    """
    named = {
        name.removesuffix(",none"): value
        for name, value in entries.items()
        if "," in name and "_stderr," not in name and not name.startswith("alias")
    }
    values = {name: float(value) for name, value in named.items() if _is_finite(value)}
    return values, {name: value for name, value in named.items() if name not in values}


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:  # a whole number beyond what a float holds
        return False


def _facts(
    content: Mapping[str, Any],
    task: str,
    metrics: Sequence[str],
    scored: Sequence[dict[str, float]],
    better: Mapping[str, bool],
) -> tuple[dict[str, Any], dict[str, float]]:
    """What must hold for every run of a task, and smooth scores when the samples allow them."""
    said = {**content.get("higher_is_better", {}).get(task, {})}
    ways = {
        metric: direction(metric, {**{k: v for k, v in said.items() if isinstance(v, bool)}, **better})
        for metric in metrics
    }
    smooth: dict[str, float] = {}
    chance: dict[str, float] = {}
    if scored:
        smooth = {name: float(np.mean([entry[name] for entry in scored])) for name in SMOOTH}
        guess = float(np.mean([1 / entry["choices"] for entry in scored]))
        chance = {name: guess for name in ("acc", "acc_norm", "prob") if name in metrics or name in smooth}
        ways |= SMOOTH
    effective = content.get("n-samples", {}).get(task, {}).get("effective")
    hashes = content.get("task_hashes", {}).get(task, "")
    fact = {
        "chance": chance,
        "n_items": effective,
        "digest": str(hashes)[:12],
        "better": ways,
        "version": content.get("versions", {}).get(task),
        "few-shot": content.get("n-shot", {}).get(task),
    }
    return fact, smooth


def _samples(file: Path, task: str, effective: Any) -> list[dict[str, Any]]:
    """The samples logged together with a results file, of all its `effective` items; none when they were not."""
    date = DATED.search(file.stem)
    name = f"samples_{task}{date[0] if date else ''}.jsonl"
    logged = [path for packing in ("", *PACKED) if (path := file.with_name(name + packing)).exists()]
    if len(logged) > 1:
        raise DataError(
            f"{file.parent}: {' and '.join(path.name for path in logged)} are the same samples; keep one"
        )
    samples = []
    seen: dict[tuple[str, int], Place] = {}
    for place, row in read_rows(logged[0], "results.lm_eval") if logged else ():
        sample: dict[str, Any] = dict(row)
        if (
            not isinstance(sample.get("doc_id"), int)
            or not isinstance(sample.get("metrics"), list)
            or not isinstance(sample.get("filter"), str)
        ):
            raise DataError(f"{place}: expected a sample of lm-eval, with doc_id, metrics and filter")
        first = seen.setdefault((sample["filter"], sample["doc_id"]), place)
        if first is not place:
            raise DataError(
                f"{place} repeats {first.unit} {first.number}: doc {sample['doc_id']}, filter {sample['filter']}. "
                "Keep one"
            )
        samples.append(sample)
    items = len({doc for _, doc in seen})
    if logged and isinstance(effective, int) and items != effective:
        raise DataError(
            f"{logged[0]} has samples of {items} items, and {file.name} scores of {effective}: smooth scores would be "
            "of other items. Log the samples again, or take the file away"
        )
    return sorted(samples, key=lambda sample: (sample["filter"], sample["doc_id"]))


def _items(
    samples: Sequence[Mapping[str, Any]], scored: Sequence[Mapping[str, float]]
) -> list[tuple[str, str, float]]:
    width = len(str(max((sample["doc_id"] for sample in samples), default=0)))
    items = []
    for number, sample in enumerate(samples):
        suffix = "" if sample["filter"] == "none" else f",{sample['filter']}"
        values = {f"{name}{suffix}": sample.get(name) for name in map(str, sample["metrics"])}
        values |= {name: scored[number][name] for name in SMOOTH} if scored else {}
        for metric, value in values.items():
            if _is_finite(value):
                items.append((f"{sample['doc_id']:0{width}d}", metric, float(value or 0)))
    return items


def _smooth(
    samples: Sequence[Mapping[str, Any]], config: Mapping[str, Any], where: Path
) -> list[dict[str, float]]:
    """`prob` and `bpb` of each sample's right choice, as `evaluate` defines them; none for other kinds of task."""
    choices = [found for sample in samples if (found := choices_of(sample, config))]
    if not choices or len(choices) < len(samples):
        return []
    golds = right_choices(samples, choices, config, where)
    scored = []
    for one, gold in zip(choices, golds or [], strict=False):
        shifted = np.exp(one.lls - one.lls.max())
        scored.append(
            {
                "prob": float(shifted[gold] / shifted.sum()),
                "bpb": bits_per_byte(float(one.lls[gold]), one.endings[gold]),
                "choices": float(one.lls.size),
            }
        )
    return scored
