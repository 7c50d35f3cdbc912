"""What a document says of how its text came to be, in the terms of IPTC's list of digital source types.

schema.org's `digitalSourceType` and C2PA's manifests use the same terms. A document carries one as the metadata
`digital_source_type`, beside the other columns of `COLUMNS`. One without a term is of unknown origin: nothing here takes
it for the work of a person.

Source: https://cv.iptc.org/newscodes/digitalsourcetype, https://schema.org/IPTCDigitalSourceEnumeration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TERM = "digital_source_type"
"""Metadata of a document: the term, or absent."""
MODEL_MADE = "TrainedAlgorithmicMediaDigitalSource"
"""By a model that was trained."""
MODEL_REWORKED = "CompositeWithTrainedAlgorithmicMediaDigitalSource"
"""By such a model out of a text that was there, as a rephrasing or a continuation is."""
RULE_MADE = "AlgorithmicMediaDigitalSource"
"""By rules, without training, as the testbed's pages are."""
SYNTHETIC = (MODEL_MADE, MODEL_REWORKED, RULE_MADE)
"""Terms of texts that no person wrote; every other document counts as real, those of unknown origin among them."""
UNKNOWN = "unknown"
"""How tables call a document without a term."""

COLUMNS = {
    TERM: "how the text came to be",
    "recipe": "of generation, e.g. textbook",
    "teacher": "kind of teacher and name of its model",
    "weights": "digest of the teacher's weights; absent where a server does not tell",
    "prompt": "digest of the prompt's template and of all that shapes the answer",
    "question": "key of the question in the journal of answers",
    "number": "the how-manieth question it was, from 0",
    "part": "the how-manieth item of its answer, from 0",
    "seeds": "keys of the examples or documents that the teacher was shown, separated by blanks",
    "round": "of a bootstrap, from 0",
    "generation": "of a chain of models, 1 for text of a model that learned from real text; 0 elsewhere",
    "finish_reason": "why the teacher ended: stop, length, ...; absent where it does not tell",
    "defects": "what is wrong with it as far as its maker saw, separated by blanks",
    "shown_overlap": "largest ROUGE-L F between it and a text that the teacher was shown, in [0, 1]",
}
"""Metadata of a generated document -> what it says. A document's `source` is `synthetic/<recipe>`."""


DEFECTS = {
    "refused": "the teacher's server refused the question",
    "empty": "the answer has no text",
    "cut_off": "the answer was as long as allowed and did not come to its end",
    "unparsed": "the answer is not of the kind that was asked for",
    "echo": "the answer repeats the question",
    "too_short": "an instruction of three words or less",
    "too_long": "an instruction of more than 150 words",
    "forbidden_word": "an instruction that wants what text cannot give: an image, a graph, a file, ...",
    "bad_opening": "an instruction that begins with punctuation, with no letter of ASCII, or with 'Write a program'",
    "same_as_input": "an instance whose output is its input",
    "no_output": "an instance without an output",
    "ends_in_colon": "an instance whose input or output ends in a colon",
    "two_outputs": "an instance of an instruction that has one input with two outputs",
    "repeated_instance": "an instance that its instruction has already",
}
"""What the maker of a document records of it -> in words. Stages drop, the maker does not."""


def is_synthetic(metadata: Mapping[str, Any]) -> bool:
    """Whether a document says that no person wrote it."""
    return metadata.get(TERM) in SYNTHETIC


def synthetic_rows(metadata: pa.ChunkedArray) -> np.ndarray:
    """Which documents say so: shape (n,), bool.

    Args:
        metadata: a pool's column, JSON of each document.
    """
    found = np.zeros(len(metadata), dtype=bool)
    named = np.flatnonzero(pc.match_substring(metadata, TERM).to_numpy(zero_copy_only=False))
    for row, said in zip(named.tolist(), metadata.take(pa.array(named)).to_pylist(), strict=True):
        found[row] = is_synthetic(json.loads(said))
    return found
