"""Self-Instruct: its rules beside a plain writing-down of the published code's, and the loop that they steer."""

from __future__ import annotations

import gzip
import json
import re
import string
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.generate.generation import Generation, generate
from ablate.generate.instructions import (
    Instance,
    instance_defects,
    instruction_defects,
    parse_input_first,
    parse_output_first,
    split_instructions,
)
from ablate.generate.recipe import Seed
from ablate.generate.self_instruct import SelfInstruct
from ablate.teacher.question import Answer, Question
from tests.generate.conftest import Scripted

BLACKLIST = ["image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot", "go to"]  # fmt: skip


def published(instruction: str) -> bool:
    """Whether bootstrap_instructions.py lets an instruction pass on to the comparison; line by line."""
    if instruction == "":
        return False
    if len(instruction.split()) <= 3 or len(instruction.split()) > 150:
        return False
    if any(re.compile(rf"\b({word})\b", flags=re.IGNORECASE).search(instruction) for word in BLACKLIST):
        return False
    if instruction.startswith("Write a program"):
        return False
    if instruction[0] in string.punctuation:
        return False
    return instruction[0].isascii()


WORD = st.sampled_from(
    [
        "Write",
        "a",
        "program",
        "poem",
        "image",
        "Images",
        "mapped",
        "go",
        "to",
        "draw",
        "plotting",
        "(x)",
        "été",
        "8",
        "file.",
    ]
)


@given(
    st.lists(WORD, min_size=1, max_size=9).map(" ".join) | st.integers(148, 153).map(lambda n: "word " * n)
)
def test_the_rules_are_the_published_ones(instruction: str) -> None:
    assert (instruction_defects(instruction.strip()) == ()) == published(instruction.strip())


def test_the_175_seeds_meet_the_rules_as_the_published_code_has_them(shared: Path) -> None:
    with gzip.open(shared / "seeds" / "self_instruct_seed_tasks.jsonl.gz", "rt") as file:
        seeds = [" ".join(json.loads(line)["instruction"].split()) for line in file]
    assert len(seeds) == 175
    assert [instruction_defects(one) == () for one in seeds] == [published(one) for one in seeds]


@pytest.mark.parametrize(
    ("answer", "instructions"),
    [
        (" tell me of rivers.\n10. Name a  mill.\n11 . why?", ["Tell me of rivers.", "Name a mill.", "Why?"]),
        (" one only", ["One only"]),
        ("9. as a chat model counts\n10. on", ["As a chat model counts", "On"]),
        ("\n", []),
        (" costs 3.50 in all\n10. next", ["Costs 3.50 in all", "Next"]),
    ],
)
def test_instructions_of_a_list_that_goes_on(answer: str, instructions: list[str]) -> None:
    assert split_instructions(answer) == instructions


def test_instances_in_both_shapes() -> None:
    assert parse_input_first(" The shop is open.\nOutput: Is it?\nInput: none\nOutput: Yes.\nInput: cut") == [
        Instance("The shop is open.", "Is it?"),
        Instance("", "Yes."),
        Instance("cut", ""),
    ]
    assert parse_input_first("An answer without any input.") == [Instance("", "An answer without any input.")]
    assert parse_output_first(" good\nInput: It was fine.\nClass label: bad\nIt was not.") == [
        Instance("It was fine.", "good"),
        Instance("It was not.", "bad"),
    ]


def test_rules_on_instances() -> None:
    of = [
        Instance("a", "a"),
        Instance("b", ""),
        Instance("c:", "x"),
        Instance("d", "1"),
        Instance("d", "2"),
        Instance("e", "y"),
        Instance("e", "y"),
    ]
    assert instance_defects(of) == [
        ("same_as_input",),
        ("no_output",),
        ("ends_in_colon",),
        ("two_outputs",),
        ("two_outputs",),
        (),
        ("repeated_instance",),
    ]


TASKS = (
    "Tell me how apples are kept fresh until spring.", "Which boats were used by traders on that river?",
    "Give three reasons for clouds looking grey before rain.", "Decide whether a zebra or some horse is meant here.",
    "Write down what embers need so that they glow overnight.", "Compose a melody for two flutes.",
)  # fmt: skip


def answers(question: Question) -> Answer:
    """Two new tasks for each request, one of them the same for all; no labels; one instance."""
    number = (question.seed or 0) % 1_000_000
    if question.text.endswith("Labels?"):
        return Answer(" Yes" if "zebra" in question.text else " No", finish_reason="stop")
    if question.text.endswith("Class label:"):
        return Answer(" fine\nInput: A zebra.", finish_reason="stop")
    if question.text.endswith("Input:"):
        return Answer(" a word\nOutput: its meaning", finish_reason="stop")
    text = f" {TASKS[number % 6]}\n10. Say the same old thing to all of us.\n11. Draw it."
    return Answer(text, finish_reason="length" if number == 1 else "stop")


def run(
    seeds: Sequence[Seed], folder: Path, questions: int = 6, **changes: object
) -> tuple[Generation, list[Question], SelfInstruct]:
    teacher = Scripted(says=answers, concurrency=3)
    recipe = SelfInstruct(questions=questions, round_size=2, **changes)  # type: ignore[arg-type]
    return generate(recipe, teacher, seeds, folder), teacher.asked, recipe


def test_the_loop_by_hand(seeds: list[Seed], tmp_path: Path) -> None:
    made, asked, _ = run(seeds, tmp_path)
    rows = [
        (row["number"], row["part"], row["text"].split("\n")[0].split()[0], row.get("defects", ""))
        for row in made.rows
    ]
    # The common task is kept once; of answer 1, which was cut off, nothing is kept; "Draw it." breaks two rules.
    assert rows == [
        (0, 0, "Tell", ""),
        (0, 1, "Say", ""),
        (0, 2, "Draw", "too_short forbidden_word"),
        (1, 0, "Which", "cut_off"),
        (1, 1, "Say", "cut_off"),
        (1, 2, "Draw", "cut_off too_short forbidden_word"),
        (2, 0, "Give", ""),
        (2, 1, "Say", ""),
        (2, 2, "Draw", "too_short forbidden_word"),
        (3, 0, "Decide", ""),
        (3, 1, "Say", ""),
        (3, 2, "Draw", "too_short forbidden_word"),
        (4, 0, "Write", ""),
        (4, 1, "Say", ""),
        (4, 2, "Draw", "too_short forbidden_word"),
        (5, 0, "Compose", ""),
        (5, 1, "Say", ""),
        (5, 2, "Draw", "too_short forbidden_word"),
    ]
    with_outputs = [row["text"] for row in made.rows if "\n" in row["text"]]
    assert len(with_outputs) == 1 + 5, (
        "the common task once, and each word's but that of the answer that was cut off"
    )
    assert sum("fine" in text for text in with_outputs) == 1, "the one classification has its label first"
    lists = [question for question in asked if question.text.endswith("\n9.")]
    assert len(lists) == 6 and all(len(re.findall(r"^\d\. ", one.text, re.MULTILINE)) == 8 for one in lists)
    by_round = sorted(lists, key=lambda question: question.seed or 0)
    assert not any("Say the same" in one.text or TASKS[0] in one.text for one in by_round[:2])
    assert all("Say the same" in one.text and TASKS[0] in one.text for one in by_round[2:4]), (
        "all two that were kept"
    )


def test_documents_know_what_they_come_from(seeds: list[Seed], tmp_path: Path) -> None:
    made, asked, recipe = run(seeds, tmp_path)
    keys = {question.key for question in asked} | {seed.key for seed in seeds}
    for row in made.rows:
        assert (
            row["question"] in keys
            and row["source"] == "synthetic/self_instruct"
            and row["round"] == row["number"] // 2
        )
        assert len(row["seeds"].split()) == recipe.shown
        assert {key.rpartition(".")[0] or key for key in row["seeds"].split()} <= keys
        assert 0 <= row["shown_overlap"] <= 1


def test_more_questions_begin_with_fewer(seeds: list[Seed], tmp_path: Path) -> None:
    few, asked, _ = run(seeds, tmp_path, 4)
    more, all_asked, _ = run(seeds, tmp_path, 6)
    assert more.rows[: len(few.rows)] == few.rows and more.new == len(all_asked) > 0
    assert not {question.key for question in asked} & {question.key for question in all_asked}


def test_a_round_that_lacks_an_answer_is_the_last(seeds: list[Seed], tmp_path: Path) -> None:
    """What comes later is drawn from it, and would be other questions once it is answered."""
    from ablate.teacher.question import NoAnswer

    down = {2}

    def says(question: Question) -> Answer:
        if (question.seed or 0) in down and question.text.endswith("9."):
            raise NoAnswer("the server is away")
        return answers(question)

    recipe = SelfInstruct(questions=6, round_size=2)
    broken = generate(recipe, Scripted(says=says), seeds, tmp_path)
    assert not broken.complete and broken.asked == 4 and max(row["number"] for row in broken.rows) == 3
    down.clear()
    mended = generate(recipe, Scripted(says=says), seeds, tmp_path)
    whole, _, _ = run(seeds, tmp_path / "other")
    assert mended.complete and mended.rows == whole.rows
