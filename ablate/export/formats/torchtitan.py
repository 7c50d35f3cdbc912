"""What torchtitan reads: it tokenises texts while it trains, so this is Parquet with the tokenizer beside it.

Source: torchtitan/hf_datasets/text_datasets.py. Its entry `c4_test` loads any folder with `load_dataset(path, split="train")` and takes
the column `text`; the tokenizer is read from a folder with `tokenizer.json`. It puts the beginning-of-text token before a document,
and end-of-text behind it; a tokenizer that ablate trained has one token for both.
"""

from __future__ import annotations

from ablate.export.formats.parquet import Parquet


class Torchtitan(Parquet):
    """Parquet and the tokenizer."""

    name = "torchtitan"
    with_tokenizer = True

    def read_by(self, folder: str) -> str:
        """Say how it is read."""
        return f"torchtitan: --training.dataset c4_test --training.dataset_path {folder} --model.hf_assets_path {folder}/tokenizer"


FORMAT = Torchtitan()
