"""Decontamination: what is a hit, what happens to it, and what names the references."""

from __future__ import annotations

import json
import pickle

import pytest

from ablate.errors import AblateError
from ablate.stages.decontamination import CountHits, CutHits, Decontamination, References

ITEM = (
    "Which planet of the solar system has the largest number of known moons and a bright set of rings? Saturn"
)
GRAMS = 20 - 13 + 1  # of its 20 words
SHORT = "The capital of the Gambia is called Banjul"  # eight words
TINY = "Water is wet"
FILL = "Nothing in this passage has anything to do with questions or answers of a benchmark at all. " * 20


def references(ngram: int = 13, min_words: int = 8) -> References:
    return References.of([ITEM, SHORT, TINY], ngram, min_words)


def hits(text: str, **parameters: int) -> int:
    return int(CountHits(references=references(**parameters), min_hits=1).measure(text)["hits"])


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
    stage = CountHits(references=references(), min_hits=2)
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


@pytest.fixture()
def snapshot(tmp_path):
    def make(name: str, item: str):
        folder = tmp_path / name / "moons"
        folder.mkdir(parents=True)
        question, answer = item.rsplit(" ", 1)
        row = {"query": question, "choices": [answer, "Mars"], "gold": 0}
        (folder / "test.jsonl").write_text(json.dumps(row) + "\n")
        return str(tmp_path / name)

    return make


def test_identity_names_the_references_by_content_never_by_place(snapshot):
    one, copy, other = (
        snapshot("a", ITEM),
        snapshot("b", ITEM),
        snapshot("c", ITEM.replace("planet", "world")),
    )
    identities = [Decontamination(snapshot=path, tasks=("moons",)).identity() for path in (one, copy, other)]
    assert identities[0] == identities[1] != identities[2]
    assert one not in json.dumps(identities[0])


def test_the_steps_drop_or_cut(snapshot):
    stage = Decontamination(snapshot=snapshot("a", ITEM), tasks=("moons",))
    (drop,) = stage.steps()
    assert drop.measure(ITEM)["hits"] == GRAMS
    (cut,) = Decontamination(snapshot=stage.snapshot, tasks=stage.tasks, on_hit="cut", window=0).steps()
    assert "Saturn" not in cut.transform(f"{FILL}{ITEM}")


def test_tasks_without_a_snapshot_are_an_error_that_says_what_to_do():
    with pytest.raises(AblateError, match=r"stages\.decontamination\.enabled=false"):
        Decontamination(tasks=("moons",)).steps()


def test_a_batch_gives_what_its_texts_give_alone_in_any_process():
    stage = pickle.loads(pickle.dumps(CountHits(references=references(), min_hits=1)))
    texts = [ITEM, FILL, "", SHORT, f"{ITEM} {SHORT}"]
    assert stage.measure_many(texts)["hits"].tolist() == [hits(text) for text in texts]


@pytest.mark.parametrize(
    "parameters",
    [{"on_hit": "mask"}, {"min_words": 0}, {"min_words": 14}, {"min_hits": 0}, {"window": -1}],
    ids=str,
)
def test_parameters_out_of_range(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        Decontamination(**parameters)
