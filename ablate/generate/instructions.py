"""The rules of Self-Instruct's published code on instructions and instances, each with a name.

Source: Wang et al. 2022 (arXiv 2212.10560), github.com/yizhongw/self-instruct at 0b26cca: bootstrap_instructions.py and
prepare_for_finetuning.py; written anew. One thing is left out on purpose: the code writes all letters of an instruction but
the first small, names too.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass

NEXT = re.compile(r"\n\d+\s?\. ")
"""Where the next instruction of a numbered list begins."""
FEWEST, MOST = 3, 150
"""Words: an instruction with so few or less, or with more than so many, is dropped."""
FORBIDDEN = (
    "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot", "go to",
)  # fmt: skip
"""Words for what a model of text cannot do."""
FORBIDDEN_PATTERN = re.compile(rf"\b(?:{'|'.join(FORBIDDEN)})\b", re.IGNORECASE)
TOO_LIKE = 0.7
"""ROUGE-L F to any seed or kept instruction above which a new one is dropped."""
NO_INPUT = re.compile(r"<?no ?input>?|none|n/?a|-", re.IGNORECASE)


def split_instructions(answer: str) -> list[str]:
    """The instructions of an answer to a numbered list that broke off behind a number, in order; blank ones left out."""
    found = []
    for piece in NEXT.split("\n" + answer) if answer.startswith(tuple(string.digits)) else NEXT.split(answer):
        one = " ".join(piece.split())
        if one:
            found.append(one[0].upper() + one[1:])
    return found


def instruction_defects(instruction: str) -> tuple[str, ...]:
    """Which of the rules an instruction breaks."""
    words, first = len(instruction.split()), instruction[:1]
    broken = {
        "too_short": words <= FEWEST,
        "too_long": words > MOST,
        "forbidden_word": FORBIDDEN_PATTERN.search(instruction) is not None,
        "bad_opening": instruction.startswith("Write a program")
        or first in string.punctuation
        or not first.isascii(),
    }
    return tuple(name for name, holds in broken.items() if holds)


@dataclass(frozen=True)
class Instance:
    """An input, "" where the instruction needs none, and its output."""

    input: str
    output: str


def parse_input_first(answer: str) -> list[Instance]:
    """Instances of an answer of the shape `Input: .. Output: ..`, again and again; the first `Input:` may be missing."""
    found: list[Instance] = []
    for piece in re.split(r"(?:^|\n)\s*(?:example \d+\s*\n)?\s*input:", answer, flags=re.IGNORECASE):
        if not piece.strip():
            continue
        before, said, after = _cut(piece, "output")
        if not said:
            found.append(Instance("", before) if not found else Instance(before, ""))
            continue
        found.append(Instance("" if NO_INPUT.fullmatch(before.rstrip(".")) else before, after))
    return found


def parse_output_first(answer: str) -> list[Instance]:
    """Instances of an answer of the shape `Class label: .. <input>`, as classification tasks are asked for."""
    found = []
    for piece in re.split(r"(?:^|\n)\s*class label:", answer, flags=re.IGNORECASE):
        if not piece.strip():
            continue
        label, _, rest = piece.strip().partition("\n")
        rest = re.sub(r"^\s*input:\s*", "", rest.strip(), flags=re.IGNORECASE)
        found.append(Instance(rest.strip(), label.strip()))
    return found


def _cut(piece: str, word: str) -> tuple[str, bool, str]:
    parts = re.split(rf"(?:^|\n)\s*{word}\s*\d*\s*:", piece, maxsplit=1, flags=re.IGNORECASE)
    return parts[0].strip(), len(parts) > 1, parts[-1].strip()


def instance_defects(instances: Sequence[Instance]) -> list[tuple[str, ...]]:
    """Which of the rules each instance of one instruction breaks."""
    outputs: dict[str, set[str]] = {}
    for one in instances:
        outputs.setdefault(one.input, set()).add(one.output)
    found: list[tuple[str, ...]] = []
    seen: set[Instance] = set()
    for one in instances:
        broken = {
            "same_as_input": bool(one.output) and one.input == one.output,
            "no_output": not one.output,
            "ends_in_colon": one.input.endswith(":") or one.output.endswith(":"),
            "two_outputs": len(outputs[one.input]) > 1,
            "repeated_instance": one in seen,
        }
        seen.add(one)
        found.append(tuple(name for name, holds in broken.items() if holds))
    return found
