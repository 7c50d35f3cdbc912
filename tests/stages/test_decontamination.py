"""Decontamination: what is a hit, what each published method makes of it, and what names the references."""

from __future__ import annotations

import difflib
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import AblateError
from ablate.stages._references import References
from ablate.stages.decontamination import CutHits, Decontamination, FindItems
from ablate.text.text_norm import words

ITEM = (
    "Which planet of the solar system has the largest number of known moons and a bright set of rings? Saturn"
)
GRAMS = 20 - 13 + 1  # of its 20 words
SHORT = "The capital of the Gambia is called Banjul"  # eight words
TINY = "Water is wet"
FILL = "Nothing in this passage has anything to do with questions or answers of a benchmark at all. " * 20
ODD = [
    "",
    " \n",
    "\U0001f600 \U0001f600",
    "... !!!",
    "\x00" * 50,
    "\ufffd",
    "مرحبا بالعالم " * 30,
    "日本語" * 400,
    "word " * 200_000,
    "x" * 1_000_000,
    ITEM * 300,
]


def references(ngram: int = 13, min_words: int = 8) -> References:
    return References.of([ITEM, SHORT, TINY], ngram, min_words)


def hits(text: str, **parameters: int) -> int:
    return int(FindItems(references=references(**parameters)).measure(text)["hits"])


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (ITEM, GRAMS),
        (f"{FILL} {ITEM} {FILL}", GRAMS),
        (" ".join(ITEM.split()[:13]), 1),
        (" ".join(ITEM.split()[:12]), 0),
        (ITEM.upper().replace(" ", " -- "), GRAMS),
        (f"They say: {SHORT.lower()}.", 1),
        (" ".join(SHORT.split()[1:]), 0),
        (TINY, 0),
        (FILL, 0),
        ("", 0),
        ("\U0001f600", 0),
        ("... !!!", 0),
    ],
)
def test_a_hit_is_thirteen_words_in_a_row_or_a_whole_short_item(text, count):
    assert hits(text) == count


def test_shorter_items_count_when_they_are_asked_for():
    assert hits(TINY, min_words=3) == 1


def test_min_hits_sets_how_much_overlap_drops_a_document():
    stage = FindItems(references=references(), min_hits=2)
    texts = [ITEM, " ".join(ITEM.split()[:13]), FILL]
    assert stage.decide(stage.measure_many(texts)).keep.tolist() == [False, True, True]
    assert stage.decide(stage.measure_many(texts)).reasons == ("contaminated",)


def test_cut_removes_the_hit_and_a_window_around_it():
    text = f"{'left ' * 100}{ITEM}{' right' * 100}"
    cut = CutHits(references=references(), window=50).transform(text)
    assert "planet" not in cut and "Saturn" not in cut
    kept = len(text) - len(ITEM) - 2 * 50
    assert kept - 4 <= len(cut) <= kept + 4  # but for blanks at the seams
    assert cut.startswith("left left") and cut.endswith("right right")


def test_cut_leaves_a_clean_text_as_it_is_and_nothing_of_a_contaminated_one():
    stage = CutHits(references=references(), window=200)
    assert stage.transform(FILL) is FILL
    assert stage.transform(ITEM) == ""
    twice = stage.transform(f"{FILL}{ITEM}{FILL}{ITEM}{FILL}")
    assert "Saturn" not in twice and twice.count("\n") == 2


def test_pieces_that_are_too_short_go_with_the_hit():
    text = f"{FILL}{ITEM} {'between ' * 70}{ITEM} {FILL}"  # 560 characters, of which the windows take 400
    short, kept = (
        CutHits(references=references(), window=200, min_piece=size).transform(text).count("between")
        for size in (200, 100)
    )
    assert short == 0 and kept in range(17, 21)


@pytest.fixture()
def snapshot(tmp_path):
    def make(name: str, *items: str, answers: tuple[str, ...] = ()):
        folder = tmp_path / name / "moons"
        folder.mkdir(parents=True)
        lines = []
        for number, item in enumerate(items):
            question, answer = item.rsplit(" ", 1) if not answers else (item, answers[number])
            lines.append(json.dumps({"query": question, "choices": [answer, "Mars"], "gold": 0}))
        (folder / "test.jsonl").write_text("\n".join(lines) + "\n")
        return str(tmp_path / name)

    return make


def verdicts(stage: Decontamination, *texts: str) -> list[bool]:
    """Which of the texts come through the stage, run step by step."""
    kept = []
    for text in texts:
        for step in stage.steps():
            if isinstance(step, CutHits):
                text = step.transform(text)
            elif not step.decide(step.measure_many([text])).keep[0]:
                text = ""
        kept.append(bool(text))
    return kept


def test_gpt3_drops_what_would_be_cut_into_more_than_ten_pieces(snapshot):
    stage = Decontamination(snapshot=snapshot("a", ITEM), tasks=("moons",), method="gpt3")
    nine, ten = ((f"{FILL}{ITEM}" * n) + FILL for n in (9, 10))  # 10 and 11 pieces
    assert verdicts(stage, nine, ten, FILL, ITEM) == [True, False, True, False]
    loose = Decontamination(snapshot=stage.snapshot, tasks=stage.tasks, method="gpt3", max_pieces=11)
    assert verdicts(loose, ten) == [True]


EIGHT = "one two three four five six seven eight"
LONG = f"{EIGHT} nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"


def test_token_ratio_is_the_share_of_an_items_words_in_shared_eight_grams(snapshot):
    """Counted by hand: an item of 20 words, of which a text gives 8, 13, 14 in a row, or two times 8 apart."""
    stage = Decontamination(snapshot=snapshot("a", LONG), tasks=("moons",), method="token_ratio")
    parts = LONG.split()
    texts = {
        0.0: " ".join(parts[:7]),
        0.4: f"{EIGHT} and then something else",
        0.65: " ".join(parts[3:16]),
        0.7: f"so {' '.join(parts[:14])} it goes",
        0.8: f"{' '.join(parts[:8])} or {' '.join(parts[12:])}",
        1.0: LONG,
    }
    (step,) = stage.steps()
    for share, text in texts.items():
        assert step.measure(text)["share"] == share
        assert verdicts(stage, text) == [share < 0.7]


def test_two_texts_that_give_half_each_give_nothing_away_alone(snapshot):
    """The share is one item's: half of one and half of another do not add up."""
    other = " ".join(f"{word}ish" for word in LONG.split())
    stage = Decontamination(snapshot=snapshot("a", LONG, other), tasks=("moons",), method="token_ratio")
    (step,) = stage.steps()
    text = f"{' '.join(LONG.split()[:10])} | {' '.join(other.split()[10:])}"
    assert step.measure(text)["share"] == 0.5 and len(step.found(text)) == 2


def published_ratio(text: str, item: str) -> float:
    """The definition in Cosmopedia's code, on whole texts in our normal form: an independent reference."""
    a, b = " ".join(words(text)), " ".join(words(item))
    blocks = difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return len(" ".join("".join(a[m.a : m.a + m.size] for m in blocks if m.size > 5).split())) / len(b)


@pytest.mark.parametrize(
    "text",
    [
        ITEM,
        " ".join(ITEM.split()[:10]),
        f"He asked: {' '.join(ITEM.split()[:12])}, and nobody knew.",
        ITEM.replace("largest", "highest").replace("bright", "visible"),
        f"Well then. {' '.join(ITEM.split()[8:])}. And more.",
    ],
)
def test_cosmopedia_agrees_with_the_published_definition(snapshot, text):
    stage = Decontamination(snapshot=snapshot("a", ITEM), tasks=("moons",), method="cosmopedia")
    (step,) = stage.steps()
    found = step.measure(text)
    if found["hits"] == 0:
        assert found["share"] == 0 and verdicts(stage, text) == [True]
        return
    assert found["share"] == pytest.approx(published_ratio(text, ITEM))
    assert verdicts(stage, text) == [published_ratio(text, ITEM) <= 0.5]


def test_cosmopedia_looks_around_the_hit_and_not_at_the_rest_of_a_long_text(snapshot):
    stage = Decontamination(snapshot=snapshot("a", ITEM), tasks=("moons",), method="cosmopedia")
    (step,) = stage.steps()
    ten = " ".join(ITEM.split()[:10])
    rest = [f"{FILL}{word} {FILL}" for word in ITEM.split()[10:]]
    assert (
        step.measure(f"{ten} {' '.join(rest)}")["share"]
        < 0.6
        < published_ratio(f"{ten} {' '.join(ITEM.split()[10:])}", ITEM)
    )


@pytest.mark.parametrize(
    ("match", "alone", "whole"),
    [
        ("question", True, True),
        ("question_answer", False, True),
        ("both", True, True),
    ],
)
def test_questions_with_and_without_their_answers(snapshot, match, alone, whole):
    question = "How many legs does a common house spider have"  # nine words: must match whole
    stage = Decontamination(
        snapshot=snapshot("a", question, answers=("eight",)), tasks=("moons",), match=match
    )
    assert verdicts(stage, question, f"{question}? Eight!") == [not alone, not whole]
    assert verdicts(stage, "eight legs have the spiders") == [True]


@given(st.lists(st.sampled_from("a b c d e".split()), min_size=8, max_size=40), st.integers(8, 13), st.data())  # noqa: SIM905
def test_every_planted_leak_is_found_wherever_it_stands(item, ngram, data):
    """Recall of planted items is 1 for every method's finder: with `ngram` words or the whole of a shorter item."""
    text = " ".join(item)
    found = References.of([text], ngram, 8)
    before, after = (
        data.draw(st.lists(st.sampled_from(["x", "y", "a", "z"]), max_size=30)) for _ in range(2)
    )
    planted = f"{' '.join(before)} {text.upper()}! {' '.join(after)}"
    (one,) = found.covered(planted)
    assert one.share == 1.0 and one.hits >= 1
    (same,) = found.matched(planted)
    assert same.share > 0.5 or len(text) <= 15


def test_identity_names_the_references_by_content_never_by_place(snapshot):
    one, copy, other = (
        snapshot("a", ITEM),
        snapshot("b", ITEM),
        snapshot("c", ITEM.replace("planet", "world")),
    )
    identities = [Decontamination(snapshot=path, tasks=("moons",)).identity() for path in (one, copy, other)]
    assert identities[0] == identities[1] != identities[2]
    assert one not in json.dumps(identities[0])
    twice = Decontamination(snapshot=snapshot("d", ITEM, LONG), tasks=("moons",))
    turned = Decontamination(snapshot=snapshot("e", LONG, ITEM), tasks=("moons",))
    assert twice.identity() == turned.identity() != identities[0]


def test_thresholds_are_free_to_sweep(snapshot):
    def steps(**more):
        stage = Decontamination(snapshot=path, tasks=("moons",), **more)
        return [step.slow_identity() for step in stage.steps()]

    path = snapshot("a", ITEM)
    assert steps(method="token_ratio") == steps(method="token_ratio", ratio=0.3)
    assert steps(min_hits=1) == steps(min_hits=5)
    assert steps(method="gpt3")[0] == steps(method="gpt3", max_pieces=3)[0]


def test_references_travel_by_name_and_are_loaded_once(snapshot):
    stage = Decontamination(
        snapshot=snapshot("a", *[f"{LONG} {n} {n} {n} {n}" for n in range(500)]), tasks=("moons",)
    )
    (step,) = stage.steps()
    again = pickle.loads(pickle.dumps(step))
    assert len(pickle.dumps(step)) < 2_000
    assert again.references is pickle.loads(pickle.dumps(step)).references
    assert again.references.digest == step.references.digest and again.measure(LONG) == step.measure(LONG)


def test_tasks_without_a_snapshot_are_an_error_that_says_what_to_do():
    with pytest.raises(AblateError, match=r"stages\.decontamination\.enabled=false"):
        Decontamination(tasks=("moons",)).steps()


def test_a_batch_gives_what_its_texts_give_alone_in_any_process():
    stage = pickle.loads(pickle.dumps(FindItems(references=references())))
    texts = [ITEM, FILL, "", SHORT, f"{ITEM} {SHORT}"]
    assert stage.measure_many(texts)["hits"].tolist() == [hits(text) for text in texts]


@pytest.mark.parametrize("method", ["ngram", "gpt3", "cosmopedia", "token_ratio"])
def test_bad_input_is_measured_and_kept(snapshot, method):
    stage = Decontamination(snapshot=snapshot("a", ITEM), tasks=("moons",), method=method)
    assert verdicts(stage, *(text for text in ODD if text.strip() and ITEM not in text)) == [True] * 8
    assert verdicts(stage, ODD[-1]) == [False]
    nothing = Decontamination(method=method)
    assert verdicts(nothing, ITEM) == [True]


def test_real_benchmarks_are_found_in_a_text_that_quotes_them(shared: Path):
    """Items of four formats, planted in a page of prose: each is found, in the prose alone none is."""
    tasks = ("hellaswag", "arc_easy", "winogrande", "lambada_openai")
    stage = Decontamination(snapshot=str(shared / "bench"), tasks=tasks)
    references = stage.references
    chosen = range(0, len(references.texts), 997)
    for number in chosen:
        found = references.covered(f"{FILL} {references.texts[number]} {FILL}")
        assert number in [one.reference for one in found if one.share == 1.0]
    assert references.covered(FILL) == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"method": "mask"},
        {"match": "answer"},
        {"min_words": 0},
        {"min_words": 14},
        {"min_hits": 0},
        {"window": -1},
        {"ratio": 0.0},
        {"max_pieces": 0},
        {"min_piece": -1},
    ],
    ids=str,
)
def test_parameters_out_of_range(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        Decontamination(**parameters)
