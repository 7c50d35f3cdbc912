"""A study file for a folder of documents: question, recipe, budget, and the commands to run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ablate.config import CONF
from ablate.errors import ConfigError
from ablate.folder.look import Look, Part, Sampled
from ablate.pool.held_out import document_digest
from ablate.reading.paths import shown

MANY_BYTES = 200_000_000
"""Files of more are read up to `LIMIT` documents in a first study."""
LIMIT = 20_000
BATCH = 1_024
TEXT_STAGES = (
    "language",
    "gopher_repetition",
    "gopher_quality",
    "minhash_dedup",
    "c4_quality",
    "fineweb_quality",
)
LEAST_TEXT = 200
"""Characters of a held-out text, where there are such."""


@dataclass(frozen=True)
class Draft:
    """What is written.

    Attributes:
        study: the study file.
        heldout: lines of the file of held-out texts.
        commands: to run, in order.
    """

    study: str
    heldout: str
    commands: tuple[str, ...]


def draft(found: Look, name: str, *, to: Path, heldout: Path, count: int, off: Sequence[str] = ()) -> Draft:
    """Write a study for what was found.

    Args:
        name: of the study.
        to: folder of configurations that it goes into.
        heldout: file that the held-out texts go into.
        count: of those, at most; a tenth of the sample where that is less.
        off: stages that are switched off, since they keep nothing of the sample.
    """
    language = next((code for code, _ in found.languages.most_common() if code), "en")
    kept = _held_out(found.sample, language, count)
    presets = _presets(found)
    factors = [*(["extraction"] if found.has_pages else []), *presets, *TEXT_STAGES]
    factors = [stage for stage in factors if stage not in off]
    commands = tuple(
        f"ablate {command} --config-dir {shlex.quote(str(to))} study={name}"
        for command in ("plan", "inspect", "sweep", "report")
    )
    text_bytes = found.bytes * (
        3 if any(path.suffix in (".gz", ".zst", ".zip") for part in found.parts for path in part.files) else 1
    )
    # A byte-level BPE makes a token of about four bytes; a first guess is that a third of the text is kept.
    tokens = min(500_000, max(20 * BATCH, int(text_bytes / 12)) // BATCH * BATCH)
    small = tokens < 500_000 // BATCH * BATCH
    pool = _pool(found, heldout)
    lines = [
        "# @package _global_",
        f"# Written by `ablate init`: a first study of the documents in {_comment(found.folder)}. Change whatever you like.",
        *(f"#   {command}" for command in commands),
        "defaults:",
        *(f"  - /stages/columns@stages.{stage}: {preset}" for stage, preset in presets.items()),
        f"  - override /pool: {'mixed' if len(found.parts) > 1 else found.parts[0].group}",
        "  - override /recipe: fineweb",
        "  - override /proxy: 1m            # for a CPU; on a GPU 30m and more, with train=ladder",
        "  - override /evaluate: heldout    # with benchmarks: smooth, and evaluate.snapshot=FOLDER (ablate snapshot)",
        "  - override /design: leave_one_out",
        "study:",
        f"  name: {_quoted(name)}",
        f"  title: {_quoted(f'Leave-one-out on {shown(found.folder.resolve().name)}')}",
        "  question: What does a small model learn less of these documents when one stage of FineWeb's recipe is left out?",
        "  prediction: ''                   # yours, before you run it: the report holds it against what came out",
        "pool:",
        *pool,
        "stages:",
        *(
            [
                "  extraction:",
                "    method: resiliparse            # many times faster than trafilatura, about as good",
            ]
            if found.has_pages
            else []
        ),
        "  language:",
        f"    languages: [{language}]                # what most of the sample is in",
        *(_off("language")[1:] if "language" in off else []),
        *(line for stage in off if stage != "language" for line in _off(stage)),
        "tokenizer:",
        f"  vocab_size: {1024 if small else 4096}",
        "train:",
        f"  tokens: {tokens}                 # the budget of a run"
        + ("; small, since the files are" if small else ""),
        f"  batch_tokens: {BATCH}",
        "  lr: 0.004",
        "  evaluations: [0.25, 0.5, 0.75, 1.0]",
        "  threads: 1",
        "evaluate:",
        f"  heldout: {_quoted(str(heldout.resolve()))}   # {len(kept)} documents of the folder, which the pool leaves out",
        "design:",
        f"  factors: [{', '.join(factors)}]",
    ]
    texts = [
        {"text": one.text, "url": one.document.url, "document": document_digest(one.document.text)}
        for one in kept
    ]
    return Draft("\n".join(lines) + "\n", "".join(json.dumps(text) + "\n" for text in texts), commands)


def _off(stage: str) -> list[str]:
    return [f"  {stage}:", "    enabled: false                 # it kept nothing of the sample"]


def _held_out(sample: Sequence[Sampled], language: str, count: int) -> list[Sampled]:
    """Evenly spread documents of the language, long ones where there are."""
    wanted = [one for one in sample if one.language == language] or list(sample)
    wanted = [one for one in wanted if len(one.text) >= LEAST_TEXT] or [
        one for one in wanted if one.text.strip()
    ]
    if not wanted:
        raise ConfigError(
            "init.folder: no document of the sample has any text, as far as extraction finds it"
        )
    count = min(count, max(1, len(sample) // 10), len(wanted))
    return [wanted[place * len(wanted) // count] for place in range(count)]


def _presets(found: Look) -> dict[str, str]:
    """Stage -> published column that would keep some of the sample and drop some."""
    stages = {}
    for path in sorted((CONF / "stages/columns").glob("*.yaml")):
        preset = OmegaConf.to_container(OmegaConf.load(path))
        assert isinstance(preset, dict)
        for part in found.parts:
            values = part.columns.others.get(str(preset["column"]), ()) if part.columns else ()
            numbers = [float(value) for value in values if isinstance(value, (int, float))]
            if numbers and _divides(numbers, preset):
                stages[path.stem] = path.stem
    return stages


def _divides(values: Sequence[float], preset: Mapping[Any, Any]) -> bool:
    least = preset.get("min")
    if isinstance(least, (int, float)):
        return min(values) < least <= max(values)
    return len(set(values)) > 1


def _pool(found: Look, heldout: Path) -> list[str]:
    if len(found.parts) == 1:
        return _part(found.parts[0], found, heldout, "  ")
    lines = ["  parts:"]
    for part in found.parts:
        lines += [
            f"    {'pages' if part.group == 'warc' else 'texts'}:",
            *_part(part, found, heldout, "      "),
        ]
    return lines


def _part(part: Part, found: Look, heldout: Path, indent: str) -> list[str]:
    lines = ["paths:", *(f"  - {_quoted(str(Path(path).absolute()))}" for path in part.paths)]
    if part.columns:
        lines.append(f"text_column: {_quoted(part.columns.text)}")
        lines += [f"url_column: {_quoted(part.columns.url)}"] if part.columns.url else []
        lines += [f"language_column: {_quoted(part.columns.language)}"] if part.columns.language else []
        lines += ["kind: html"] if part.html else []
    if found.bytes > MANY_BYTES:
        lines.append(f"limit: {LIMIT}   # a first look; null for all")
    lines.append(f"leave_out: {_quoted(str(heldout.resolve()))}")
    return [indent + line for line in lines]


def _quoted(text: str) -> str:
    """A YAML scalar that OmegaConf reads as it is."""
    if not text.isprintable():
        raise ConfigError(f"init.folder: a path or field has characters that cannot be printed: {text!r}")
    return "'" + text.replace("${", "\\${").replace("'", "''") + "'"


def _comment(folder: Path) -> str:
    return shown(str(folder)) if str(folder).isprintable() else ascii(str(folder))
