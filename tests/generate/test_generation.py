"""Generating: the same bytes whatever happens on the way, nothing paid for twice, and bad teachers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest

from ablate.errors import AblateError, ConfigError, DataError
from ablate.generate.continuation import Continuation
from ablate.generate.generation import generate, identity, lines
from ablate.generate.page import page
from ablate.generate.recipe import Recipe, Seed
from ablate.generate.rephrase import Rephrase
from ablate.generate.seeds import read_tasks, refuse_leaks
from ablate.generate.self_instruct import SelfInstruct
from ablate.generate.story import Story
from ablate.generate.textbook import Textbook
from ablate.pool.digital_source import COLUMNS, MODEL_REWORKED, RULE_MADE, TERM
from ablate.pool.pool import build_pool
from ablate.pool.synthetic import Synthetic
from ablate.stages._references import References
from ablate.stages.decontamination import FindItems
from ablate.store import Store
from ablate.teacher.answers_file import AnswersFile
from ablate.teacher.journal import open_journal
from ablate.teacher.loopback import serve
from ablate.teacher.openai_compatible import OpenAICompatible
from ablate.teacher.question import Answer, NoAnswer, Question
from ablate.teacher.testbed import KINDS, PlantedDefects
from tests.generate.conftest import Scripted

RECIPES: dict[str, Recipe] = {
    "textbook": Textbook(questions=30),
    "rephrase": Rephrase(questions=30, styles=("qa", "easy")),
    "story": Story(questions=30),
    "continuation": Continuation(questions=30),
    "self_instruct": SelfInstruct(questions=12, round_size=4),
}


@pytest.mark.parametrize("name", RECIPES)
def test_concurrency_and_the_wire_change_no_byte(name: str, seeds: list[Seed], tmp_path: Path) -> None:
    recipe, teacher = RECIPES[name], PlantedDefects()
    expected = generate(recipe, teacher, seeds, tmp_path / "alone")
    many = generate(recipe, PlantedDefects(concurrency=7), seeds, tmp_path / "many")
    assert many.rows == expected.rows and expected.complete
    with serve(teacher) as url:
        served = OpenAICompatible(model="testbed", base_url=url, concurrency=5)
        over_http = generate(recipe, served, seeds, tmp_path / "served")
    differ = {"teacher", "prompt", TERM}
    assert [{k: v for k, v in row.items() if k not in differ} for row in over_http.rows] == [
        {k: v for k, v in row.items() if k not in differ} for row in expected.rows
    ]
    assert all(set(row) <= {"text", "source", *COLUMNS} for row in expected.rows)
    assert {row[TERM] for row in expected.rows} == {RULE_MADE}, "the testbed's teacher was not trained"


@dataclass(frozen=True, kw_only=True)
class Dying(PlantedDefects):
    """Kills its process at the n-th question, before the answer is written down."""

    name: ClassVar[str] = "testbed"
    after: int = 0
    journal: str = ""

    def identity(self) -> dict[str, Any]:
        return PlantedDefects().identity()

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        answers = super().ask(questions)
        path = Path(self.journal)
        if (path.read_bytes().count(b"\n") if path.exists() else 0) >= self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        return answers


def tear(journal: Path, whole: Path, draw: Random) -> None:
    """Append the beginning of an answer that the journal lacks, as a kill in the middle of its line leaves it."""
    written = journal.read_bytes().splitlines() if journal.exists() else []
    keys = {json.loads(line)["key"] for line in written}
    line = next(line for line in whole.read_bytes().splitlines() if json.loads(line)["key"] not in keys)
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("ab") as file:
        file.write(line[: draw.randrange(1, len(line))])


@pytest.mark.parametrize("name", ["self_instruct", "textbook"])
def test_fifty_kills_give_the_same_bytes(name: str, seeds: list[Seed], tmp_path: Path) -> None:
    """A process of its own, killed at 25 seeded places, half of them within a line; then the same command."""
    recipe = RECIPES[name]
    expected = generate(recipe, PlantedDefects(), seeds, tmp_path / "whole")
    draw = Random(f"kills {name}")
    for number in range(25):
        folder = tmp_path / f"killed-{number}"
        dying = Dying(
            after=draw.randrange(expected.asked),
            journal=str(folder / "answers.jsonl"),
            concurrency=1 + number % 3,
        )
        child = os.fork()
        if child == 0:
            try:
                generate(recipe, dying, seeds, folder)
            finally:
                os._exit(1)  # not reached: it is killed
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if (
            number % 2 == 1
        ):  # the write of one more answer was cut; nobody writes behind it, since the process is dead
            tear(folder / "answers.jsonl", tmp_path / "whole" / "answers.jsonl", Random(dying.after))
        made = generate(recipe, PlantedDefects(concurrency=3), seeds, folder)
        assert lines(made.rows) == lines(expected.rows)
        assert made.new <= expected.asked - dying.after + 3, "what was on the disk is not asked again"


def test_a_folder_of_answers_stands_for_its_teacher(seeds: list[Seed], tmp_path: Path) -> None:
    recipe, teacher = RECIPES["self_instruct"], PlantedDefects()
    named = identity(recipe, teacher)
    folder = Store(tmp_path).folder("generations", "a", named)
    made = generate(recipe, teacher, seeds, folder)
    replay = AnswersFile(path=str(folder))
    assert identity(recipe, replay) == named
    again = generate(recipe, replay, seeds, tmp_path / "again")
    assert lines(again.rows) == lines(made.rows) and page(again, named) == page(made, named)
    longer = SelfInstruct(questions=16, round_size=4)
    short = generate(longer, replay, seeds, tmp_path / "longer")
    assert not short.complete and "holds fewer questions" in next(iter(short.failures.values()))


def test_answers_made_elsewhere_are_found_by_the_question(seeds: list[Seed], tmp_path: Path) -> None:
    recipe = Textbook(questions=2)
    texts = [recipe.prompt(number, seeds)[0] for number in range(2)]
    path = tmp_path / "made.jsonl"
    path.write_text(
        "".join(json.dumps({"question": text, "answer": f"Page {n}."}) + "\n" for n, text in enumerate(texts))
    )
    made = generate(recipe, AnswersFile(path=str(path), model="theirs"), seeds, tmp_path / "a")
    assert [row["text"] for row in made.rows] == ["Page 0.", "Page 1."]
    assert {row["teacher"] for row in made.rows} == {"answers_file theirs"}
    with pytest.raises(DataError, match="has no answers"):
        AnswersFile(path=str(tmp_path)).check()


def test_nothing_is_dropped_and_every_defect_is_recorded(seeds: list[Seed], tmp_path: Path) -> None:
    said = {
        0: Answer("A good page about the mill.", finish_reason="stop"),
        1: Answer("A page that", finish_reason="length"),
        2: Answer("  ", finish_reason="stop"),
        3: Answer('{"page": 1}', finish_reason="stop"),
        5: Answer("As an AI, no."),
    }

    def says(question: Question) -> Answer:
        number = question.seed or 0
        if number == 4:
            return Answer(question.text, finish_reason="stop")
        if number == 6:
            raise NoAnswer("status 400: too long", refused=True)
        return said[number]

    made = generate(Textbook(questions=7), Scripted(says=says), seeds, tmp_path / "a")
    assert [row.get("defects", "") for row in made.rows] == [
        "",
        "cut_off",
        "empty",
        "unparsed",
        "echo",
        "",
        "refused",
    ]
    assert made.complete and [row["number"] for row in made.rows] == list(range(7))
    (tmp_path / "s.jsonl").write_text(lines(made.rows))
    pool = build_pool(Synthetic(path=str(tmp_path / "s.jsonl")), Store(tmp_path / "store"))
    assert len(pool) == 5 and sorted(one.reason for one in pool.skipped()) == [
        "no text: empty",
        "no text: refused",
    ]


def test_refusals_of_a_server_that_takes_nothing_are_not_kept(seeds: list[Seed], tmp_path: Path) -> None:
    """What it takes offence at may be the request, and be mended at the server: the questions are asked again."""
    broken = [True]

    def says(question: Question) -> Answer:
        if broken[0] or question.seed == 3:
            raise NoAnswer("status 400: unknown field", refused=True)
        return Answer(f"Page {question.seed} about the mill.", finish_reason="stop")

    recipe, teacher = Textbook(questions=40), Scripted(says=says)
    with pytest.raises(AblateError, match="answers in a row were refused by the server"):
        generate(recipe, teacher, seeds, tmp_path)
    assert (tmp_path / "answers.jsonl").read_bytes() == b""
    broken[0] = False
    made = generate(recipe, teacher, seeds, tmp_path)
    assert made.complete and [row["number"] for row in made.rows if "defects" in row] == [3]
    before = len(teacher.asked)
    assert generate(recipe, teacher, seeds, tmp_path).rows == made.rows and len(teacher.asked) == before


def test_rephrasings_say_that_they_rework_a_text(seeds: list[Seed], tmp_path: Path) -> None:
    teacher = Scripted(says=lambda question: Answer("Said anew.", finish_reason="stop"))
    made = generate(Rephrase(questions=12), teacher, seeds, tmp_path)
    assert {row[TERM] for row in made.rows} == {MODEL_REWORKED}
    assert [row["seeds"] for row in made.rows[:10]] == [seed.key for seed in seeds], (
        "each document once before any again"
    )
    assert all(question.sampling.temperature is None for question in teacher.asked), (
        "what the class says, not the file"
    )


def test_a_paid_teacher_is_not_asked_before_its_cost_is_said(seeds: list[Seed], tmp_path: Path) -> None:
    teacher = Scripted(says=lambda question: Answer("A page."), price=0.5)
    with pytest.raises(ConfigError, match=r"at most 5\.0000 for the 10 questions.*Nothing was asked"):
        generate(Textbook(questions=10), teacher, seeds, tmp_path)
    assert not teacher.asked
    told: list[tuple[str, int]] = []
    made = generate(
        Textbook(questions=10),
        teacher,
        seeds,
        tmp_path,
        2.0,
        say=lambda text: told.append((text, len(teacher.asked))),
    )
    assert told[0][1] == 0 and "at most 5.0000" in told[0][0] and "2" in told[0][0]
    assert (
        made.capped and made.cost <= 2.0 and len(made.rows) == made.answered == 7
    )  # 7 x .25, and no .5 more fits
    more = generate(Textbook(questions=10), teacher, seeds, tmp_path, 9.0)
    assert more.complete and more.cost == 2.5 and len(teacher.asked) == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("I'm sorry, but I can't help with that.", "are refusals"),
        ("", "are refusals or have no text"),
        ("The same page about the mill, word for word, every time it is asked.", "are the same"),
    ],
)
def test_a_teacher_of_no_use_is_not_paid_to_the_end(
    seeds: list[Seed], tmp_path: Path, text: str, said: str
) -> None:
    teacher = Scripted(says=lambda question: Answer(text, finish_reason="stop"))
    with pytest.raises(AblateError, match=f"answers in a row {said}"):
        generate(Textbook(questions=500), teacher, seeds, tmp_path)
    assert len(teacher.asked) <= 23
    recipe = Textbook(questions=len(teacher.asked))
    assert len(generate(recipe, teacher, seeds, tmp_path).rows) == recipe.questions, (
        "what was answered is kept"
    )


def test_a_teacher_without_completions_is_not_given_one(seeds: list[Seed], tmp_path: Path) -> None:
    from ablate.teacher.anthropic import Anthropic

    with pytest.raises(
        ConfigError, match=r"generate\.form=completion: teacher anthropic only understands chat"
    ):
        generate(RECIPES["self_instruct"], Anthropic(model="m", key_variable=None), seeds, tmp_path)


def test_seeds_that_stand_in_the_evaluation_are_refused_by_name(seeds: list[Seed]) -> None:
    item = "Which light tower do sailors look for when they come home to Ruba at night? The Zelin light."
    finder = FindItems(references=References.of([item], 13, 8, [("leaked", "Ruba")]))
    refuse_leaks(seeds, finder)
    task = {"instances": [{"input": item, "output": "yes"}]}
    with pytest.raises(DataError, match=r"2 of 12 seeds stand in the evaluation tasks: x \(leaked Ruba\); y"):
        refuse_leaks([*seeds, Seed("x", f"Say: {item}"), Seed("y", "Is it so?", task)], finder)


def test_seed_files(tmp_path: Path) -> None:
    own = read_tasks(None)
    assert len(own) == 24 and len({seed.key for seed in own}) == 24
    path = tmp_path / "s.jsonl"
    path.write_text('{"instruction": "Do this.", "id": "a"}\n{"instruction": "Do that.", "id": "a"}\n')
    with pytest.raises(DataError, match=r"line 2: a second seed is called 'a'"):
        read_tasks(str(path))
    path.write_text('{"instructions": "Do this."}\n')
    with pytest.raises(DataError, match="no text in 'instruction'"):
        read_tasks(str(path))


def test_prompts_of_ones_own(seeds: list[Seed], tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text('prompt: "{audience}|{style}|{extract}"\naudiences: [a]\nstyles: [b]\n')
    text, _ = Textbook(prompts=str(path)).prompt(0, seeds)
    assert text == f"a|b|{seeds[0].text}"
    path.write_text("prompt: x\n")
    with pytest.raises(ValueError, match="lacks audiences, styles"):
        Textbook(prompts=str(path))
    assert Textbook().identity() != RECIPES["rephrase"].identity()


def test_the_testbed_teacher_plants_at_its_rates() -> None:
    teacher = PlantedDefects()
    kinds = [teacher.planted(number) for number in range(4000)]
    for kind in KINDS:
        rate = getattr(teacher, kind)
        assert abs(kinds.count(kind) - 4000 * rate) < 4 * (4000 * rate * (1 - rate)) ** 0.5, kind


def test_a_journal_cut_anywhere_in_its_last_line_gives_the_same_bytes(
    seeds: list[Seed], tmp_path: Path
) -> None:
    """At every byte of it, the first and the one before its end among them: its question alone is asked again."""

    def says(question: Question) -> Answer:
        return Answer(f"Die Mühle \u2028 {question.seed} — 東京.", 3, 4, finish_reason="stop")

    recipe, teacher = Textbook(questions=3), Scripted(says=says)
    expected = generate(recipe, teacher, seeds, tmp_path)
    path = tmp_path / "answers.jsonl"
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for size in range(last, len(whole)):
        path.write_bytes(whole[:size])
        before = len(teacher.asked)
        assert generate(recipe, teacher, seeds, tmp_path).rows == expected.rows
        assert len(teacher.asked) == before + 1 and path.read_bytes() == whole


def test_a_teacher_that_times_out_leaves_its_questions_for_the_next_command(
    seeds: list[Seed], tmp_path: Path
) -> None:
    """Now and then costs nothing but those questions; every time ends it, with what was answered kept."""
    slow = [True]

    def says(question: Question) -> Answer:
        if slow[0] and (question.seed or 0) % 3 == 1:
            raise NoAnswer("no whole answer within 0.6 s", lost=1)
        return Answer(f"Page {question.seed} about the mill.", finish_reason="stop")

    recipe = Textbook(questions=12)
    expected = generate(
        recipe, Scripted(says=lambda q: Answer(f"Page {q.seed} about the mill.", finish_reason="stop")), seeds,
        tmp_path / "calm",
    )  # fmt: skip
    teacher = Scripted(says=says)
    made = generate(recipe, teacher, seeds, tmp_path / "slow")
    assert not made.complete and made.answered == 8 and made.lost == 4 and len(made.failures) == 4
    slow[0] = False
    again = generate(recipe, teacher, seeds, tmp_path / "slow")
    assert again.rows == expected.rows and again.complete and len(teacher.asked) == 12 + 4

    def never(question: Question) -> Answer:
        raise NoAnswer("no whole answer within 0.6 s", lost=1)

    teacher = Scripted(says=never)
    with pytest.raises(AblateError, match="questions in a row got no answer; the last: no whole answer"):
        generate(Textbook(questions=500), teacher, seeds, tmp_path / "never")
    assert len(teacher.asked) <= 20


def test_a_journal_keeps_the_first_answer_and_reads_what_was_kept_before(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text(
        '{"key": "old", "text": "x", "input_tokens": 1, "output_tokens": 2, "lost": 0}\n'
    )
    with open_journal(tmp_path) as journal:
        journal.add("new", Answer("first", finish_reason="stop"))
        journal.add("new", Answer("second"))
        assert journal.answers["old"] == Answer("x", 1, 2)
    with open_journal(tmp_path) as journal:
        assert journal.answers["new"].text == "first" and journal.answers["new"].finish_reason == "stop"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib, below the reference library
def test_other_tools_read_what_it_is(seeds: list[Seed], tmp_path: Path) -> None:
    """The description by hand, and by the reference library where that is installed."""
    import yaml

    from ablate.generate.card import card, croissant

    recipe, teacher = RECIPES["rephrase"], PlantedDefects()
    made, named = generate(recipe, teacher, seeds, tmp_path / "answers"), identity(recipe, teacher)
    written = lines(made.rows)
    (tmp_path / "synthetic.jsonl").write_text(written)
    found = croissant(made, named, written, "demo")
    fields = {field["name"] for field in found["recordSet"][0]["field"]}
    assert fields == {name for row in made.rows for name in row}, "every column, and no other"
    assert found["digitalSourceType"] == [f"https://schema.org/{RULE_MADE}"]
    front = yaml.safe_load(card(made, named, "demo").split("---")[1])
    assert front["tags"] == ["synthetic"] and front["language_creators"] == ["machine-generated"]
    path = tmp_path / "croissant.json"
    path.write_text(json.dumps(found))
    mlcroissant = pytest.importorskip("mlcroissant", reason="the reference library is not installed")
    dataset = mlcroissant.Dataset(jsonld=str(path))
    assert not dataset.metadata.issues.errors
    first = next(iter(dataset.records(record_set="documents")))
    assert first["documents/source"] in (b"synthetic/rephrase", "synthetic/rephrase")
