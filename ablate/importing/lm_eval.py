"""Folders that lm-eval wrote: results_*.json, and samples_*.jsonl where they were logged."""

from __future__ import annotations

import csv
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
from ablate.importing.results import Results, Run, Task, direction
from ablate.store import read_json

FIELDS = {"arm": r"(?P<arm>[^/]+?)", "seed": r"(?P<seed>\d+)", "tokens": r"(?P<tokens>\d+)"}
Found = tuple[Run, int | None, Path, list[Path], dict[str, str]]
"""A run, tokens seen, its folder, the results files in it, and its levels."""
DATED = re.compile(r"_\d{4}-\d\d-\d\dT[\d.+-]+$")
"""What lm-eval ends its file names with."""


def read_lm_eval(
    paths: Sequence[str], pattern: str, mapping: Path | None, tasks: Sequence[str] | None,
    better: Mapping[str, bool],
) -> Results:  # fmt: skip
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
        scores, items = _read_run(files, tasks, better, facts)
        points = found.points.setdefault(run, {})
        if tokens in points:
            at = "" if tokens is None else f" at {tokens:,} tokens"
            raise DataError(f"{folder}: a second folder for arm {run[0]!r}, seed {run[1]}{at}")
        points[tokens] = scores
        if items is not None and tokens == max(points, key=lambda t: -1 if t is None else t):
            found.items[run] = items
    if not found.points:
        raise DataError(f"results.lm_eval={list(paths)}: no results_*.json found there")
    found.tasks = {
        name: Task(fact["chance"], fact["n_items"], fact["digest"], fact["better"])
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
    if not mapping.is_file():
        raise DataError(f"results.mapping={mapping}: no such file")
    reader = csv.DictReader(mapping.read_text(encoding="utf-8-sig").splitlines())
    names = reader.fieldnames or []
    if lacking := [name for name in ("folder", "arm", "seed") if name not in names]:
        raise DataError(f"{mapping}: no column {', '.join(lacking)}; there: {', '.join(names)}")
    runs: list[Found] = []
    for row in reader:
        folder = mapping.parent / row["folder"]
        files = sorted(folder.rglob("results_*.json"))
        if not files:
            raise DataError(f"{mapping}, line {reader.line_num}: no results_*.json in {folder}")
        if not row["seed"].isdigit():
            raise DataError(f"{mapping}, line {reader.line_num}: seed must be a number, got {row['seed']!r}")
        levels = {name: row[name] for name in names if name not in ("folder", "arm", "seed", "tokens")}
        tokens = int(row["tokens"]) if row.get("tokens") else None
        runs.append(((row["arm"], int(row["seed"])), tokens, folder, files, levels))
    return runs


def _read_run(
    files: Sequence[Path], tasks: Sequence[str] | None, better: Mapping[str, bool],
    facts: dict[str, tuple[dict[str, Any], Path]],
) -> tuple[dict[str, dict[str, float]], pa.Table | None]:  # fmt: skip
    """Scores and items of one run; adds to, and checks against, what other runs say of the tasks."""
    scores: dict[str, dict[str, float]] = {}
    columns: dict[str, list[Any]] = {"task": [], "item": [], "metric": [], "value": []}
    for file in files:
        content = read_json(file)
        if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
            raise DataError(f"{file} is not a result of lm-eval: no mapping `results` in it")
        for task in _wanted(content, tasks):
            values = _values(content["results"][task])
            samples = _samples(file, task)
            fact, smooth = _facts(content, task, values, samples, better)
            values |= smooth
            if scores.get(task, values) != values:
                raise DataError(
                    f"{file}: {task} was scored before for this run, with other results; keep one"
                )
            if task in scores:
                continue
            scores[task] = values
            known, where = facts.setdefault(task, (fact, file))
            for key, value in fact.items():
                if known[key] != value:
                    raise DataError(
                        f"task {task!r} is not the same everywhere: {key} is {value} in {file}, {known[key]} in {where}"
                    )
            for item, metric, value in _items(samples):
                for column, entry in zip(columns.values(), (task, item, metric, value), strict=True):
                    column.append(entry)
    if tasks and (lacking := [task for task in tasks if task not in scores]):
        raise DataError(f"{files[0].parent}: no result for {', '.join(lacking)}; there: {', '.join(scores)}")
    return scores, pa.table(columns) if columns["task"] else None


def _wanted(content: Mapping[str, Any], tasks: Sequence[str] | None) -> list[str]:
    results = content["results"]
    if tasks is not None:
        return [task for task in tasks if task in results]
    groups = {name for name, members in content.get("group_subtasks", {}).items() if members}
    return [task for task in results if task not in groups]


def _values(entries: Mapping[str, Any]) -> dict[str, float]:
    """Metric -> value; "acc,none" is `acc`, another filter stays part of the name."""
    return {
        name.removesuffix(",none"): float(value)
        for name, value in entries.items()
        if isinstance(value, (int, float)) and "," in name and "_stderr," not in name
    }


def _facts(
    content: Mapping[str, Any], task: str, values: Mapping[str, float], samples: Sequence[Mapping[str, Any]],
    better: Mapping[str, bool],
) -> tuple[dict[str, Any], dict[str, float]]:  # fmt: skip
    """What must hold for every run of a task, and smooth scores when the samples allow them."""
    said = {**content.get("higher_is_better", {}).get(task, {})}
    ways = {
        metric: direction(metric, {**{k: v for k, v in said.items() if isinstance(v, bool)}, **better})
        for metric in values
    }
    scored = [found for sample in samples if (found := _smooth(sample))]
    smooth: dict[str, float] = {}
    chance: dict[str, float] = {}
    if scored and len(scored) == len(samples):
        smooth = {name: float(np.mean([entry[name] for entry in scored])) for name in SMOOTH}
        guess = float(np.mean([1 / entry["choices"] for entry in scored]))
        chance = {name: guess for name in ("acc", "acc_norm", "prob") if name in values or name in smooth}
        ways |= SMOOTH
    effective = content.get("n-samples", {}).get(task, {}).get("effective")
    hashes = content.get("task_hashes", {}).get(task, "")
    fact = {
        "chance": chance, "n_items": effective, "digest": str(hashes)[:12], "better": ways,
        "version": content.get("versions", {}).get(task), "few-shot": content.get("n-shot", {}).get(task),
    }  # fmt: skip
    return fact, smooth


def _samples(file: Path, task: str) -> list[dict[str, Any]]:
    """The samples logged together with a results file; none when they were not."""
    date = DATED.search(file.stem)
    path = file.with_name(f"samples_{task}{date[0] if date else ''}.jsonl")
    if not path.exists():
        return []
    samples = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            sample = json.loads(line)
            sample["doc_id"], sample["metrics"], sample["filter"]
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{path}, line {number}: expected a sample of lm-eval as a JSON object") from None
        samples.append(sample)
    return sorted(samples, key=lambda sample: (sample["filter"], sample["doc_id"]))


def _items(samples: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, float]]:
    width = len(str(max((sample["doc_id"] for sample in samples), default=0)))
    items = []
    for sample in samples:
        suffix = "" if sample["filter"] == "none" else f",{sample['filter']}"
        values = {f"{name}{suffix}": sample.get(name) for name in sample["metrics"]}
        smooth = _smooth(sample)
        values |= {name: smooth[name] for name in SMOOTH} if smooth else {}
        for metric, value in values.items():
            if isinstance(value, (int, float)) and math.isfinite(value):
                items.append((f"{sample['doc_id']:0{width}d}", metric, float(value)))
    return items


def _smooth(sample: Mapping[str, Any]) -> dict[str, float] | None:
    """`prob` and `bpb` of the right choice, as `evaluate` defines them; None for other kinds of task."""
    answers: Any = sample.get("filtered_resps")
    target, arguments = str(sample.get("target")), list(sample.get("arguments", {}).values())
    choice = isinstance(answers, list) and len(answers) == len(arguments) > 1 and target.isdigit()
    if not choice or not all(isinstance(answer, list) and len(answer) == 2 for answer in answers):
        return None
    if len({str(argument.get("arg_0")) for argument in arguments}) > 1:
        return None  # the contexts are the choices, and the target is a text
    lls, gold = np.array([float(answer[0]) for answer in answers]), int(target)
    if gold >= lls.size:
        return None
    shifted = np.exp(lls - lls.max())
    return {
        "prob": float(shifted[gold] / shifted.sum()),
        "bpb": bits_per_byte(float(lls[gold]), str(arguments[gold].get("arg_1", ""))),
        "choices": float(lls.size),
    }
