"""Which text of HTML pages the tokenizer is trained on: one stage of the recipe, the same for every arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablate.config import RESERVED, make, plain, stage_order
from ablate.errors import ConfigError, nearest
from ablate.stages.base import Transform

RAW_TEXT = "raw"
"""Value of `tokenizer.text` that takes pages as they are, source and all."""


def with_text(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with the stage that `tokenizer.text` asks for in its place.

    The stage is taken as this configuration has it, on or off, wherever it stands. A plan asks before its
    factors change anything, so every arm of every design over a recipe trains the same tokenizer.

    Args:
        config: with `tokenizer`, `stages` and `recipe`.
    Raises:
        ConfigError: when it names no stage of the recipe that rewrites texts.
    """
    tokenizer = plain(config["tokenizer"])
    asked = tokenizer.get("text")
    if tokenizer.get("pretrained") or isinstance(asked, Mapping) or asked == RAW_TEXT:
        return dict(config)
    rewriting = _rewriting(config)
    if asked is None:
        asked = next((name for name, (_, stage) in rewriting.items() if stage.kinds == ("html",)), None)
    elif asked not in rewriting:
        raise ConfigError(
            f"tokenizer.text: {asked!r} is no stage of the recipe that rewrites texts: "
            f"{nearest(str(asked), rewriting)} (known: {', '.join(rewriting) or 'none'}; {RAW_TEXT} takes pages "
            "as they are)"
        )
    text = None if asked is None else rewriting[asked][0]
    return {**config, "tokenizer": {**tokenizer, "text": text}}


def _rewriting(config: Mapping[str, Any]) -> dict[str, tuple[dict[str, Any], Transform]]:
    """The recipe's stages that rewrite each text by itself: name -> node and stage, in order."""
    found = {}
    stages = plain(config["stages"])
    for name in stage_order({"stages": stages, "recipe": plain(config["recipe"])}):
        node = {key: value for key, value in stages[name].items() if key not in RESERVED[1:]}
        if "_target_" in node:
            stage = make(node, f"stages.{name}")
            if isinstance(stage, Transform):
                found[name] = (node, stage)
    return found


def text_stage(config: Mapping[str, Any]) -> Transform | None:
    """Return the stage that makes the tokenizer's text of HTML pages; None where pages are taken as they are.

    Raises:
        ConfigError: when the recipe has none and the configuration does not say to go without.
    """
    text = with_text(config)["tokenizer"].get("text")
    if text == RAW_TEXT:
        return None
    if text is None:
        raise ConfigError(
            "tokenizer.text: the pool holds HTML pages, and no stage of the recipe turns pages into text that a "
            "tokenizer could be trained on. Add one (+stages@stages.extraction=extraction), name the recipe's own "
            f"(tokenizer.text=<stage>), or take the pages as they are (tokenizer.text={RAW_TEXT})"
        )
    stage = make(text, "tokenizer.text")
    if not isinstance(stage, Transform):
        raise ConfigError(f"tokenizer.text: {type(stage).__name__} rewrites no texts")
    return stage
