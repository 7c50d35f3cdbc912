"""Every shipped suite, end to end, on small data in the layouts of lm-eval's own tasks: what was asked is what runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ablate.cli import main
from ablate.errors import ConfigError, DataError
from ablate.evaluate import lm_eval_source
from ablate.evaluate.building import build
from ablate.evaluate.task_source import TaskSource
from ablate.evaluate.tasks import find_tasks
from ablate.store import Store

pytestmark = pytest.mark.filterwarnings("ignore")  # lm-eval's and datasets' own
SUBJECTS = ["abstract_algebra", "anatomy", "astronomy"]
ITEMS = 14
WORDS = [
    "stone",
    "river",
    "house",
    "garden",
    "winter",
    "bread",
    "window",
    "morning",
    "paper",
    "music",
    "horse",
    "letter",
    "summer",
    "forest",
]
TINY = (
    "recipe=gopher", "stages.decontamination.enabled=false", "tokenizer.vocab_size=300", "workers=1", "proxy=tiny",
    "train.tokens=2048", "train.batch_tokens=1024", "train.evaluations=[1.0]", "seeds=[0]", "train.threads=1",
    "pool=files", "pool.paths=[pages.jsonl]", "stages.gopher_quality.enabled=false",
    "stages.gopher_repetition.enabled=false", "stages.language.enabled=false", "proxy.context=128", "train.stacked_runs=1",
)  # fmt: skip


def _word(number: int) -> str:
    return WORDS[number % len(WORDS)]


def _rows() -> dict[str, Callable[[int], dict[str, Any]]]:
    """Folder (and configuration) -> the i-th row, as the data set of that name has it."""
    pair = lambda i: [f"a {_word(i)}", f"the {_word(i + 3)} {_word(i)}"]  # noqa: E731
    return {
        "allenai/ai2_arc ARC-Easy": lambda i: {
            "question": f"What is a {_word(i)} {i}?",
            "answerKey": "AB"[i % 2],
            "choices": {"text": pair(i), "label": ["A", "B"]},
        },
        "allenai/ai2_arc ARC-Challenge": lambda i: {
            "question": f"Why is a {_word(i)} {i}?",
            "answerKey": "AB"[i % 2],
            "choices": {"text": pair(i), "label": ["A", "B"]},
        },
        "allenai/openbookqa main": lambda i: {
            "question_stem": f"The {_word(i)} {i} is",
            "answerKey": "AB"[i % 2],
            "choices": {"text": pair(i), "label": ["A", "B"]},
        },
        "allenai/winogrande winogrande_xl": lambda i: {
            "sentence": f"The {_word(i)} saw the {_word(i + 1)} {i} and _ was glad.",
            "option1": _word(i),
            "option2": _word(i + 1),
            "answer": "12"[i % 2],
        },
        "aps/super_glue boolq": lambda i: {
            "passage": f"A {_word(i)}.",
            "question": f"is it {i}",
            "label": i % 2,
        },
        "aps/super_glue copa": lambda i: {
            "premise": f"The {_word(i)} fell {i}.",
            "choice1": f"It was a {_word(i)}.",
            "choice2": f"There was {_word(i + 2)}.",
            "question": ["cause", "effect"][i % 2],
            "label": i % 2,
        },
        "baber/piqa": lambda i: {
            "goal": f"To get {_word(i)} {i}",
            "sol1": pair(i)[0],
            "sol2": pair(i)[1],
            "label": i % 2,
        },
        "lighteval/siqa": lambda i: {
            "context": f"Ann has a {_word(i)} {i}.",
            "question": "Why?",
            "answerA": "a way",
            "answerB": "no way",
            "answerC": _word(i),
            "label": str(1 + i % 3),
        },
        "tau/commonsense_qa": lambda i: {
            "question": f"Where is {_word(i)} {i}?",
            "answerKey": "ABCDE"[i % 5],
            "choices": {"label": list("ABCDE"), "text": [_word(i + k) for k in range(5)]},
        },
        "Rowan/hellaswag": lambda i: {
            "ctx_a": f"A {_word(i)} {i} runs.",
            "ctx_b": "it then",
            "activity_label": "Running",
            "endings": [f"{_word(i + k)} goes on" for k in range(4)],
            "label": str(i % 4),
        },
        "cais/mmlu": lambda i: {
            "question": f"What of {_word(i)} {i}?",
            "choices": [f"{_word(i + k)} it" for k in range(4)],
            "answer": i % 4,
        },
        "hails/agieval-lsat-ar": lambda i: {
            "query": f"Q: what of {_word(i)} {i}? A:",
            "choices": [f"({c}){_word(i)}" for c in "ABCDE"],
            "gold": [i % 5],
        },
        "hails/bigbench": lambda i: {
            "inputs": f"Q: {_word(i)} {i}? A:",
            "targets": [_word(i)],
            "multiple_choice_targets": [_word(i), _word(i + 1), _word(i + 2)],
            "multiple_choice_scores": [1, 0, 0],
        },
        "EleutherAI/coqa": lambda i: {
            "story": f"There was a {_word(i)} {i}.",
            "questions": {"input_text": ["What was there?", "Who?"]},
            "answers": {"input_text": [_word(i), "nobody"]},
            "additional_answers": {"0": {"input_text": ["it", "no one"]}},
        },
        "EleutherAI/lambada_openai": lambda i: {"text": f"There {i} was a house and in it a {_word(i)}"},
        "EleutherAI/wikitext_document_level wikitext-2-raw-v1": lambda i: {
            "page": f" = {_word(i)} = \n There was a {_word(i)} , and it was {i} . \n",
        },
        "NeelNanda/pile-10k": lambda i: {"text": f"There was a {_word(i)}, and it was {i}."},
        "hazyresearch/based-squad": lambda i: {"text": f"The {_word(i)} {i} is a", "value": _word(i + 1)},
        "lighteval/winograd_wsc wsc273": lambda i: {
            "text": f"The {_word(i)} saw {i} and it was glad.",
            "pronoun": "it",
            "pronoun_loc": 12 + len(_word(i)) + len(str(i)) + 1,
            "options": [f"The {_word(i)}", "The man"],
            "label": i % 2,
        },
        "nyu-mll/blimp": lambda i: {
            "sentence_good": f"The {_word(i)} {i} is here.",
            "sentence_bad": f"The {_word(i)} {i} are here.",
        },
    }


BIGBENCH = [
    "cs_algorithms",
    "dyck_languages",
    "language_identification",
    "operators",
    "qa_wikidata",
    "repeat_copy_logic",
]
CONFIGURED = {"hails/bigbench": [f"{name}_zero_shot" for name in BIGBENCH], "cais/mmlu": SUBJECTS}
SPLITS = {
    "hails/bigbench": ["default"], "cais/mmlu": ["test", "validation", "dev"], "hails/agieval-lsat-ar": ["test"],
    "NeelNanda/pile-10k": ["train"], "lighteval/winograd_wsc": ["test"], "nyu-mll/blimp": ["train"],
    "EleutherAI/lambada_openai": ["test"],
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Local folders of the data sets' names, and pages to train on."""
    root = tmp_path_factory.mktemp("data")
    for name, row in _rows().items():
        folder, _, config = name.partition(" ")
        configs = CONFIGURED.get(folder, [config or "default"])
        if folder == "nyu-mll/blimp":
            configs = [
                str(e.cfg["dataset_name"])
                for e in lm_eval_source._entries("blimp")
                if "task" in e.cfg and "dataset_name" in e.cfg
            ]
        for config in configs:
            for split in SPLITS.get(folder, ["train", "validation", "test"]):
                _write(root / folder / config / f"{split}.jsonl", [row(i) for i in range(ITEMS)])
    for folder in {name.partition(" ")[0] for name in _rows()}:
        _describe(root / folder)
    pages = [
        {"text": " ".join(f"The {_word(i * k)} is a {_word(i + k)}." for k in range(60))} for i in range(30)
    ]
    _write(root / "pages.jsonl", pages)
    _write(root / "held.jsonl", pages[:3])
    return root


def _write(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _describe(folder: Path) -> None:
    """The data set's card: its configurations and splits."""
    lines = ["---", "configs:"]
    for config in sorted(path for path in folder.iterdir() if path.is_dir()):
        lines += [f"- config_name: {config.name}", "  data_files:"]
        for file in sorted(config.glob("*.jsonl")):
            lines += [f"  - split: {file.stem}", f"    path: {config.name}/{file.name}"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


@pytest.fixture
def there(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with the data; what `datasets` makes of them stays in it."""
    for path in data.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    yield tmp_path


def _named(*tasks: str, limit: int | None = None, store: Store | None = None) -> list[TaskSource]:
    return find_tasks([f"lm_eval:{task}" for task in tasks], snapshot=None, limit=limit, store=store)


@pytest.mark.parametrize(
    ("task", "limit", "items", "examples"),
    [
        ("mmlu_abstract_algebra@3", None, ITEMS, 3),
        ("mmlu_abstract_algebra", 4, 4, 0),
        ("mmlu_abstract_algebra@0", None, ITEMS, 0),
        ("agieval_lsat_ar@3", None, ITEMS, 3),
        ("copa@0", 3, 3, 0),
        ("copa@2", None, ITEMS, 2),
        ("wikitext", None, ITEMS, 0),
        ("squad_completion@10", 5, 5, 10),
        ("winogrande@1", None, ITEMS, 1),
        ("lambada_openai@2", 2, 2, 2),
        ("commonsense_qa@10", 3, 3, 10),
    ],
)
def test_items_and_examples_are_those_asked_for(
    there: Path, task: str, limit: int | None, items: int, examples: int
) -> None:
    (source,) = _named(task, limit=limit)
    built = build(source)
    assert (source.name, len(built.documents), built.examples) == (task, items, examples)
    for own in built.documents:
        if len(own[0].args) > 1 and task.startswith("mmlu"):  # counted by hand in the prompt itself
            assert own[0].args[0].count("Answer:") == examples + 1


def test_a_limit_takes_an_even_sample_of_lm_evals_tasks_as_of_a_snapshots(there: Path) -> None:
    (source,) = _named("mmlu_abstract_algebra", limit=4)
    built = build(source)
    # 14 items, 4 of them: 0, 14/4, 28/4, 42/4, rounded down.
    assert built.ids == ("0", "3", "7", "10")
    assert [own[0].doc["question"].split()[-1] for own in built.documents] == ["0?", "3?", "7?", "10?"]


def test_no_item_is_its_own_example(there: Path) -> None:
    """AGIEval has one split: lm-eval draws its examples from the items that it asks."""
    (source,) = _named("agieval_lsat_ar@10")
    for own in build(source).documents:
        prompt, doc = own[0].args[0], own[0].doc
        assert prompt.count(doc["query"]) == 1
        shown = [number for number in range(ITEMS) if f"{_word(number)} {number}? A: (" in prompt]
        assert len(shown) == 10
        for number in shown:  # the first right choice stands behind it
            assert f"{_word(number)} {number}? A: ({'ABCDE'[number % 5]})" in prompt


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            "mmlu_abstract_algebra@99",
            "'mmlu_abstract_algebra@99' cannot be asked.*another number of examples",
        ),
        ("pile_10k@2", "'pile_10k@2' is asked for 2 examples.*its requests do not hold them.*@0"),
        ("no_such_task", "lm-eval has no task 'no_such_task'"),
        ("humaneval", "'humaneval' runs code that the model writes.*evaluate.unsafe_code=true"),
        ("triviaqa", "the data of 'triviaqa' cannot be fetched.*evaluate.snapshot"),
    ],
)
def test_what_cannot_run_is_refused_by_plan_before_anything_is_curated(
    there: Path, task: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    asked = ["plan.probe=false", "evaluate=smooth", f"evaluate.tasks=[lm_eval:{task}]"]
    assert main(["plan", "study.name=q", "design=single", *TINY, *asked]) == 2
    told = capsys.readouterr().err
    assert re.search(said, told) and len(told.strip().splitlines()) == 1, told
    assert not (there / "store" / "pools").exists() and not (there / "studies" / "q" / "plan.json").exists()


def test_null_is_never_asked_as_the_word_none(there: Path) -> None:
    folder = there / "hails" / "agieval-lsat-ar"
    (there / "hails").unlink()
    for field, value in (("query", None), ("choices", ["(A)x", None])):
        rows = [_rows()["hails/agieval-lsat-ar"](i) for i in range(4)]
        rows[2][field] = value
        _write(folder / "default" / "test.jsonl", rows)
        _describe(folder)
        with pytest.raises(DataError, match=r"'agieval_lsat_ar' cannot be asked, item 2"):
            _named("agieval_lsat_ar")


def test_a_task_is_named_by_its_content_wherever_it_lies(there: Path, tmp_path_factory: Any) -> None:
    import os
    import shutil

    store = Store(there / "store")
    (first,) = _named("mmlu_abstract_algebra@2", store=store)
    (again,) = _named("mmlu_abstract_algebra@2", store=store)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(there / "cais", elsewhere / "cais")
    here = os.getcwd()
    os.chdir(elsewhere)
    try:
        (moved,) = _named("mmlu_abstract_algebra@2", store=store)
        # Another question of the same length, with the file's date kept.
        file = elsewhere / "cais/mmlu/abstract_algebra/test.jsonl"
        before = file.stat()
        file.write_text(file.read_text().replace("stone 0?", "stine 0?"))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        (other,) = _named("mmlu_abstract_algebra@2", store=store)
        assert "stine 0?" in build(other).documents[0][0].args[0]
    finally:
        os.chdir(here)
    assert first.digest == again.digest == moved.digest != other.digest


def test_another_definition_under_the_same_name_is_another_task(there: Path) -> None:
    store, path = Store(there / "store"), there / "own" / "quiz.yaml"
    path.parent.mkdir()
    found = []
    for question in ("{{question}}", "Q {{question}}"):
        path.write_text(
            "task: own_quiz\ndataset_path: cais/mmlu\ndataset_name: anatomy\ntest_split: test\n"
            f"output_type: multiple_choice\ndoc_to_text: '{question}'\ndoc_to_choice: choices\ndoc_to_target: answer\n"
        )
        for _ in range(2):
            (source,) = find_tasks([f"lm_eval:{path}"], snapshot=None, limit=None, store=store)
            assert source.name == "own_quiz"
            found.append(source.digest)
    assert found[0] == found[1] != found[2] == found[3]


def _swept(there: Path, suite: str, *overrides: str) -> dict[str, Any]:
    asked = ["study.name=s", "design=single", f"evaluate={suite}", *TINY, *overrides]
    assert main(["sweep", *asked]) == 0
    (record,) = (there / "studies").rglob("record.json")
    found: dict[str, Any] = json.loads(record.read_text())
    assert set(found["scores"]) == set(found["tasks"])
    report = (there / "studies" / "s" / "REPORT.md").read_text()
    for task, info in found["tasks"].items():
        assert found["scores"][task] or found["missing"][task]
        if task != "heldout":
            assert (
                f"`{task}`: {info['n_items']:,} items with {info['examples']} examples in the prompt"
                in report
            )
    return found


def _named_tasks(suite: str) -> list[str]:
    import yaml

    from ablate.config import CONF

    return list(yaml.safe_load((Path(CONF) / "evaluate" / f"{suite}.yaml").read_text())["tasks"])


def test_core_is_swept(there: Path) -> None:
    """All 21 of its tasks, from lm-eval, with the examples that DCLM gives: also list-valued gold, and generation."""
    record = _swept(there, "core", "evaluate.limit=3")
    asked = {name.removeprefix("lm_eval:"): int(name.partition("@")[2]) for name in _named_tasks("core")}
    assert {task: info["examples"] for task, info in record["tasks"].items()} == asked and len(asked) == 21
    assert {info["n_items"] for info in record["tasks"].values()} == {3}
    assert all("acc" in scores for scores in record["scores"].values())


@pytest.mark.parametrize("suite", ["early_signal", "olmes", "smooth"])
def test_suites_of_single_tasks_are_swept(there: Path, suite: str) -> None:
    """Their tasks from lm-eval; of groups a few members (mmlu has 57, blimp 67)."""
    members = {"mmlu": [f"mmlu_{subject}" for subject in SUBJECTS], "blimp": ["blimp_passive_1"]}
    tasks = [member for name in _named_tasks(suite) for member in members.get(name, [name])]
    record = _swept(there, suite, "evaluate.limit=4", f"evaluate.tasks=[{','.join(tasks)}]")
    assert {task: (i["n_items"], i["examples"]) for task, i in record["tasks"].items()} == dict.fromkeys(
        tasks, (4, 0)
    )


def test_blimp_is_swept_with_every_member(there: Path) -> None:
    record = _swept(there, "blimp", "evaluate.limit=2")
    assert len(record["tasks"]) == 67 and {i["n_items"] for i in record["tasks"].values()} == {2}


def test_heldout_is_swept(there: Path) -> None:
    record = _swept(there, "heldout", "evaluate.heldout=held.jsonl")
    assert list(record["tasks"]) == ["heldout"] and record["tasks"]["heldout"]["n_items"] == 3


def test_rolling_tasks_with_and_without_code_of_their_own_are_swept(there: Path) -> None:
    record = _swept(
        there,
        "smooth",
        "evaluate.tasks=[lm_eval:wikitext,lm_eval:pile_10k]",
        "evaluate.limit=null",
        "evaluate.primary=bits_per_byte",
    )
    # lm-eval's wikitext counts bytes of the page as it was, and scores it detokenised.
    for task in ("wikitext", "pile_10k"):
        assert record["tasks"][task]["n_items"] == ITEMS
        assert record["scores"][task]["bits_per_byte"] > 0


def test_an_unknown_number_of_examples_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected lm_eval:<task>@<number of examples>"):
        find_tasks(["lm_eval:copa@x"], snapshot=None, limit=None, store=None)


def test_squads_metrics_are_those_of_its_evaluation_script() -> None:
    from ablate.evaluate.squad_metrics import compute_exact, compute_f1

    assert compute_exact("The Cat!", "cat") == 1 and compute_exact("cat", "dog") == 0
    # Two of two predicted words, two of four answer words: 2 * 1 * 0.5 / 1.5.
    assert compute_f1("old cat sat down", "the cat, sat") == pytest.approx(2 / 3)
    assert compute_f1("a", "the") == 1.0 and compute_f1("cat", "") == 0.0
