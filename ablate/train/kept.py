"""The final weights of a run, kept beside its result as a transformers folder: what a run is sampled from, or goes on from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ablate.errors import DataError
from ablate.store import FILES, once_files, read_json, whole_files

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

FOLDER, WEIGHTS = "model", "model.safetensors"
"""Of the weights, in a run's folder in the store, and the file of the weights in it."""


def keep(model: LlamaForCausalLM, tokenizer: Path, run: Path) -> None:
    """Write a run's weights, in fp32, with its tokenizer; weights that are there already stay as they are.

    Args:
        model: at the end of training.
        tokenizer: folder of the run's.
        run: its folder in the store, named by its key.
    Raises:
        DataError: when they cannot be written.
    """
    import torch
    from safetensors.torch import save_file

    tied = ("lm_head.weight",) if model.config.tie_word_embeddings else ()
    # Training holds all of them in one array, which safetensors would take for one shared tensor.
    weights = {
        name: value.detach().to("cpu", torch.float32).clone()
        for name, value in model.state_dict().items()
        if name not in tied
    }

    def write(place: Path) -> None:
        for path in tokenizer.iterdir():
            if path.is_file() and not path.name.startswith(".") and path.name != FILES:
                shutil.copyfile(path, place / path.name)
        model.config.save_pretrained(place)
        save_file(weights, place / WEIGHTS, metadata={"format": "pt"})

    once_files(run / FOLDER, "keeping a run's weights", write, of={"run": run.name})


def is_kept(run: Path) -> bool:
    """Whether a run's weights are there as they were written."""
    return whole_files(run / FOLDER)


@dataclass(frozen=True)
class Kept:
    """Weights that a run kept.

    Attributes:
        folder: of the weights and the tokenizer.
        run: key of the run.
    """

    folder: Path
    run: str

    @classmethod
    def at(cls, place: Path) -> Kept:
        """Find them in a run's folder in the store, or in the folder of weights in it.

        Raises:
            DataError: when there are none, or they are not as they were written; says how to get them.
        """
        for folder in (place, place / FOLDER):
            if (folder / FILES).is_file() and whole_files(folder):
                return cls(folder, str(read_json(folder / FILES)["of"]["run"]))
        raise DataError(
            f"{place} holds no weights of a run: give the folder of a run in the store, e.g. store/runs/<key>, with <key> "
            "the `run` of its record.json. Runs keep their weights with train.keep_weights=true: sweep the study again "
            "with it, and what they lack is trained again"
        )

    def load(self) -> LlamaForCausalLM:
        """The model, in fp32 on the CPU."""
        import torch
        from safetensors.torch import load_file
        from transformers import LlamaConfig, LlamaForCausalLM

        with torch.random.fork_rng(devices=[]):
            model: LlamaForCausalLM = LlamaForCausalLM(LlamaConfig.from_pretrained(self.folder))
        told = model.load_state_dict(load_file(self.folder / WEIGHTS), strict=False)
        tied = ["lm_head.weight"] if model.config.tie_word_embeddings else []
        if told.missing_keys != tied or told.unexpected_keys:
            raise DataError(
                f"{self.folder / WEIGHTS} does not hold the weights of its config.json; delete {self.folder}"
            )
        model.eval()
        return model
