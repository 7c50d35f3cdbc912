"""What stands beside exported documents: `export.json` for programs, and a card of the Hugging Face hub for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablate.export.base import DATA, Format, TextFormat
from ablate.plain import Plain
from ablate.render.funnel import FUNNEL_HEADER, FunnelRow, funnel_cells
from ablate.render.tables import markdown


@dataclass(frozen=True)
class Origin:
    """Where exported documents come from.

    Attributes:
        study, arm: names.
        levels: of the arm: factor -> level.
        seed: of the run whose corpus it is.
        drawn: what the seed decided about the documents, in words; "" for nothing.
        pool: digest of it.
        corpus: key of what went in: pool, stages, parameters.
        content: digest of what came out.
        tokenizer: digest of it.
        stages: the stages that made it, each with its identity, in order.
        funnel: of the arm.
        order: of the documents, in words.
    """

    study: str
    arm: str
    levels: Mapping[str, str]
    seed: int
    drawn: str
    pool: str
    corpus: str
    content: str
    tokenizer: str
    stages: Sequence[tuple[str, Plain]]
    funnel: Sequence[FunnelRow]
    order: str


def card(origin: Origin, format: Format, folder: str, *, documents: int, tokens: int, shards: int) -> str:
    """README.md of an export.

    Args:
        folder: where it lies.
        documents, tokens: of the corpus.
        shards: that the documents are in.
    """
    config = ""
    if isinstance(format, TextFormat) and format.name != "datasets":
        config = f"\nconfigs:\n- config_name: default\n  data_files: {DATA}/*{format.endings[0]}"
    stages = ", ".join(name for name, _ in origin.stages) or "none"
    drawn = f" Its seed drew: {origin.drawn}." if origin.drawn else ""
    levels = ", ".join(f"{factor} {level}" for factor, level in origin.levels.items()) or "as configured"
    return f"""---
pretty_name: {json.dumps(f"{origin.study}, {origin.arm}")}
annotations_creators:
- no-annotation
tags:
- pretraining
- ablate{config}
---

# {_plain(origin.study)}: corpus of the arm {_plain(origin.arm)}

{documents:,} documents, {tokens:,} tokens with end-of-text, {shards} shards, format {format.name}. Made by `ablate export` from the corpus that run
(arm {_plain(origin.arm)}, seed {origin.seed}) of the study trains on: {_plain(levels)}.{drawn} Terms of the sources bind it.

- **Ids**: 16 hexadecimal digits of a document's key in the pool, a hash of its kind, address and raw text; ledgers have them too.
- **Order**: {origin.order}.
- **Stages**, in order: {_plain(stages)}; with all parameters in `export.json`, which also has versions of libraries and a sum of each file.
- **Names**: pool `{origin.pool}`, corpus `{origin.corpus}`, content `{origin.content}`, tokenizer `{origin.tokenizer}`.

```
{format.read_by(folder)}
```

{markdown(FUNNEL_HEADER, funnel_cells(origin.funnel))}
"""


def _plain(text: str) -> str:
    """A name without what Markdown and HTML would read in it."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#&" else letter for letter in " ".join(text.split()))
