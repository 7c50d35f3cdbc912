"""A Hugging Face Llama checkpoint as a state that runs start from: what it must agree with, and what names it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import ConfigError, DataError
from ablate.fingerprint import digest, file_digest
from ablate.plain import Plain
from ablate.store import read_json
from ablate.train.architecture import unhonoured

if TYPE_CHECKING:
    from ablate.train.checkpoint import State
    from ablate.train.proxy import ProxyConfig

CONFIG = "config.json"
SHAPE = {
    "hidden_size": "hidden_size", "layers": "num_hidden_layers", "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads", "intermediate_size": "intermediate_size",
    "tie_embeddings": "tie_word_embeddings", "rope_theta": "rope_theta", "norm_eps": "rms_norm_eps",
}  # fmt: skip
"""Key of the proxy -> that of transformers' configuration."""
ABSENT = {"tie_word_embeddings": False, "rope_theta": 10_000.0, "rms_norm_eps": 1e-6}
"""What transformers takes a Llama's keys to be where `config.json` leaves them out."""
WHERE = "train.branch_from"


@dataclass(frozen=True)
class Checkpoint:
    """A Llama on disk.

    Attributes:
        folder: with config.json, safetensors and a tokenizer.
        vocab_size: rows of its embeddings.
        key: names its configuration and weights, wherever they lie.
    """

    folder: Path
    vocab_size: int
    key: str

    def record(self) -> dict[str, Plain]:
        """What a record says of it: nothing here was trained."""
        return {"run": self.key, "tokens": 0, "flops": 0.0, "cost": {}}

    def load(self) -> State:
        """The state of a run that has not begun: its weights in fp32, step 0, no moments."""
        import torch
        from transformers import LlamaForCausalLM

        from ablate.train.stack import as_parts

        try:
            loaded: Any = LlamaForCausalLM.from_pretrained(
                self.folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
            model, told = loaded
        except Exception as error:  # of transformers, safetensors, torch, each its own kinds
            raise DataError(f"{WHERE}={self.folder}: the weights cannot be loaded: {error}") from error
        # Transformers fills in what is not there with random numbers.
        if odd := [
            str(key) for kind in ("missing_keys", "mismatched_keys", "unexpected_keys") for key in told[kind]
        ]:
            raise DataError(
                f"{WHERE}={self.folder}: the weights are not those of its {CONFIG}: {', '.join(sorted(odd)[:3])}"
                f"{', ...' if len(odd) > 3 else ''} are missing, of another shape or left over"
            )
        return {"step": 0, "losses": [], "trained_s": 0.0, "weights": list(as_parts(model)), "moments": None}


def open_checkpoint(name: str, proxy: ProxyConfig) -> Checkpoint:
    """Find a checkpoint and hold it against the proxy that is to go on from it.

    Args:
        name: a folder, or a hub name, `name@revision` for another state of it than the newest.
        proxy: the study's.
    Raises:
        ConfigError: when it is no Llama, or not of the proxy's shape; names the keys to set.
        DataError: when it is not there, or not whole.
    """
    folder = _folder(name)
    if not (folder / CONFIG).is_file():
        raise DataError(f"{WHERE}={name}: expected a Hugging Face checkpoint, found no {CONFIG} in {folder}")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise DataError(f"{WHERE}={name}: expected weights as *.safetensors, found none in {folder}")
    config = read_json(folder / CONFIG)
    _check(name, config, proxy)
    named = {path.name: file_digest(path) for path in (folder / CONFIG, *weights)}
    return Checkpoint(folder, int(config["vocab_size"]), digest(named))


@lru_cache(maxsize=8)
def _folder(name: str) -> Path:
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision or None,
                allow_patterns=["*.json", "*.safetensors", "tokenizer*"],
            )
        )
    except Exception as error:  # of the network, the hub, the name
        raise DataError(
            f"{WHERE}={name}: no such folder, and the hub does not give it either ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}). Give reference, a folder, or a repository's name"
        ) from error


def _check(name: str, config: Any, proxy: ProxyConfig) -> None:
    if not isinstance(config, dict) or config.get("model_type") != "llama":
        found = config.get("model_type") if isinstance(config, dict) else type(config).__name__
        raise ConfigError(f"{WHERE}={name}: expected a Llama (model_type llama), got {found}")
    theirs = {**ABSENT, **config}
    rope = theirs.get("rope_parameters") or theirs.get("rope_scaling") or {}
    theirs["rope_theta"] = rope.get("rope_theta", theirs["rope_theta"])
    theirs["num_key_value_heads"] = theirs.get("num_key_value_heads") or theirs.get("num_attention_heads")
    mine = {key: getattr(proxy, key) for key in SHAPE} | {"kv_heads": proxy.kv_heads or proxy.heads}
    wrong = {key: theirs.get(name) for key, name in SHAPE.items() if theirs.get(name) != mine[key]}
    if wrong:
        values = " ".join(f"proxy.{key}={str(value).lower()}" for key, value in wrong.items())
        there = ", ".join(f"{key}={mine[key]}" for key in wrong)
        raise ConfigError(
            f"{WHERE}={name}: the proxy is not of the checkpoint's shape ({there}); set {values}"
        )
    if odd := unhonoured(config):
        raise ConfigError(
            f"{WHERE}={name}: a proxy has no {', '.join(odd)}, so it cannot go on from this one"
        )
    if theirs.get("max_position_embeddings", proxy.context) < proxy.context:
        raise ConfigError(
            f"{WHERE}={name}: it has been trained for {theirs['max_position_embeddings']} tokens of context, and "
            f"proxy.context={proxy.context}; lower proxy.context"
        )


def check_tokenizer(name: str, checkpoint: Checkpoint, tokenizer: Path) -> None:
    """Make sure that a study's tokenizer is the checkpoint's own.

    Args:
        name: the checkpoint, as the user gave it.
        checkpoint: the same, opened.
        tokenizer: folder of the study's.
    Raises:
        ConfigError: when it is another one, or has more tokens than the checkpoint has embeddings.
    """
    from ablate.corpus.tokenizer import load_tokenizer, tokenizer_digest

    say = f"train.branch_from={name}: the study's tokenizer must be the checkpoint's own"
    give = f"give tokenizer=pretrained tokenizer.pretrained={name.partition('@')[0]}"
    try:
        theirs = tokenizer_digest(checkpoint.folder)
    except (OSError, ValueError) as error:
        raise DataError(f"{say}, and none can be loaded from {checkpoint.folder}: {error}") from error
    if theirs != tokenizer_digest(tokenizer):
        raise ConfigError(f"{say}, and it is another one; {give}")
    entries = len(load_tokenizer(tokenizer))
    if entries > checkpoint.vocab_size:
        raise ConfigError(
            f"{say}; it has {entries:,} tokens and the checkpoint {checkpoint.vocab_size:,} embeddings"
        )
