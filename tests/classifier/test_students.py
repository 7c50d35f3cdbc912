"""Students: what they learn, that a text's score is its own, and what names them."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pytest
from omegaconf import OmegaConf
from scipy.sparse import random_array
from sklearn.linear_model import LogisticRegression, Ridge

from ablate.classifier.embedding import Embedding
from ablate.classifier.fast_text import FastText
from ablate.classifier.fit import fit_linear
from ablate.classifier.linear import Linear
from ablate.classifier.student import Student, load_student, student_digest, train_student
from ablate.config import CONF, make
from ablate.errors import DataError
from ablate.testing import check_student

SMALL = {"dim": 8, "buckets": 1000, "epochs": 20}
ODD = [
    "",
    " \n",
    "\U0001f600",
    "a\x00b",
    "__label__1 __label__0",
    "word " * 5000,
    "w" * 1_000_000,
    "?!" * 100_000,
    "\u200f\u0648\u0642\u0641 \u05e9\u05dc\u05d5\u05dd",
    "".join(map(chr, range(32))) + "\x85\u2028\ufeff\ufffd",
    "多么美好的一天",
    "\n\n__label__1",
]


def lesson(count: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Texts whose words say how good they are, among words that do not."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 3.0
    words = {0: ["buy", "cheap", "click"], 1: ["weather", "news", "sport"], 2: ["energy", "theorem", "cell"]}
    filler = ["the", "of", "and", "a", "is", "to", "in", "it"]
    texts = [" ".join([*rng.choice(filler, 12), *rng.choice(words[int(target)], 3)]) for target in targets]
    return texts, targets


@pytest.fixture(params=[Linear(buckets=4096), FastText(**SMALL)], ids=lambda student: type(student).__name__)
def student(request: pytest.FixtureRequest) -> Student:
    return request.param


def trained(student: Student, folder: Path, binary: bool = False, seed: int = 0) -> Path:
    texts, targets = lesson(90)
    targets = (targets >= 2).astype(float) if binary else targets
    train_student(student, texts, targets, folder, binary=binary, seed=seed, recipe={"examples": "x"})
    return folder


@pytest.mark.parametrize("binary", [False, True])
def test_it_ranks_texts_that_it_has_not_seen(student: Student, tmp_path: Path, binary: bool) -> None:
    texts, targets = lesson(60, seed=1)
    scores = load_student(trained(student, tmp_path, binary))(texts)
    assert scores.shape == (60,) and scores.dtype == np.float64
    assert scores[targets == 2].min() > scores[targets == 0].max()
    if binary:
        assert scores.min() >= 0 and scores.max() <= 1


def test_a_texts_score_does_not_depend_on_the_batch(student: Student, tmp_path: Path) -> None:
    score = load_student(trained(student, tmp_path))
    texts = [*ODD, *lesson(10)[0]]
    together = score(texts)
    assert np.isfinite(together).all()
    np.testing.assert_array_equal(together, [score([text])[0] for text in texts])
    np.testing.assert_array_equal(together[::-1], score(texts[::-1]))
    assert score([]).shape == (0,)


def test_training_again_gives_the_same_bytes_under_the_same_name(student: Student, tmp_path: Path) -> None:
    one, two = trained(student, tmp_path / "one"), trained(student, tmp_path / "two")
    for name in (student.file, "student.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert student_digest(one) == student_digest(two)


def test_it_is_named_by_weights_and_recipe_wherever_it_lies(student: Student, tmp_path: Path) -> None:
    one = trained(student, tmp_path / "one")
    before = student_digest(one)
    assert student_digest(shutil.copytree(one, tmp_path / "copy")) == before
    index = json.loads((one / "student.json").read_text())
    index["recipe"]["examples"] = "y"
    (one / "student.json").write_text(json.dumps(index))
    assert student_digest(one) != before
    assert student_digest(trained(student, tmp_path / "binary", binary=True)) != before


def test_weights_that_are_not_the_recipes_are_refused(student: Student, tmp_path: Path) -> None:
    folder, other = trained(student, tmp_path / "one"), trained(student, tmp_path / "two", binary=True)
    shutil.copy(other / student.file, folder / student.file)
    with pytest.raises(DataError, match="is not the model that"):
        load_student(folder)


def test_a_model_of_another_version_is_refused(student: Student, tmp_path: Path) -> None:
    folder = trained(student, tmp_path)
    index = json.loads((folder / "student.json").read_text())
    assert index["version"] == student.version
    (folder / "student.json").write_text(json.dumps(index | {"version": student.version - 1}))
    with pytest.raises(DataError, match=r"was trained by version .*; train the student again"):
        student_digest(folder)


def test_one_target_teaches_nothing(student: Student, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two different targets"):
        train_student(student, ["a", "b"], np.ones(2), tmp_path, binary=True, seed=0, recipe={})
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_student(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"student\.json does not exist"):
        load_student(tmp_path)
    (tmp_path / "student.json").write_text("{}")
    with pytest.raises(DataError, match="expected the fields"):
        load_student(tmp_path)


def test_fasttext_cannot_take_a_word_for_a_label() -> None:
    plain = FastText(normalise=False)
    assert plain.line("say __label__1\n\tthis") == "say this"
    assert "__label__" not in FastText().line("say __label__1 this")


def test_fasttext_learns_classes_only(tmp_path: Path) -> None:
    texts, _ = lesson(90)
    with pytest.raises(DataError, match=r"student=linear, or classifier\.target=class"):
        train_student(
            FastText(**SMALL), texts, np.linspace(0, 5, 90), tmp_path, binary=False, seed=0, recipe={}
        )


def test_few_texts_are_read_more_often_than_many() -> None:
    student = FastText()
    assert student.passes(["word " * 1000] * 10) == 100
    assert student.passes(["word " * 1000] * 1000) == 20
    assert student.passes(["word " * 1000] * 100_000) == 5 == student.passes(["word " * 10_000] * 10_000)
    assert student.passes([""]) == 100 and FastText(epochs=3).passes([""]) == 3


def test_fasttext_learns_scores_that_are_mostly_the_same(tmp_path: Path) -> None:
    """Most texts have the middle score, as a teacher's labels often have."""
    texts, targets = lesson(600)
    rows = np.flatnonzero((targets == 1) | (np.arange(600) // 3 % 8 == 0))
    some = [texts[row] for row in rows]
    train_student(FastText(buckets=5000), some, targets[rows], tmp_path, binary=False, seed=0, recipe={})
    unseen, truth = lesson(90, seed=1)
    scores = load_student(tmp_path)(unseen)
    assert (
        scores[truth == 0].max() < scores[truth == 1].min()
        and scores[truth == 1].max() < scores[truth == 2].min()
    )


def test_fasttext_starts_from_values_not_from_what_the_memory_held(tmp_path: Path) -> None:
    """Rows that no n-gram of the texts falls on keep their start value: small at first, then zero."""
    trained(FastText(**SMALL | {"buckets": 5000}), tmp_path)
    table = fasttext.load_model(str(tmp_path / "model.bin")).get_input_matrix()
    tenth = len(table) // 10
    assert np.isfinite(table).all() and (table[:tenth] != 0).any(axis=1).all()
    untouched = (table[tenth + 1 :] == 0).all(axis=1)
    pairs = {pair for text in lesson(90)[0] for pair in pairwise([*text.split(), "</s>"])}
    assert untouched.sum() >= len(untouched) - len(pairs)


def test_fasttext_that_diverges_says_what_to_do(tmp_path: Path) -> None:
    texts, targets = lesson(90)
    with pytest.raises(DataError, match=r"Encountered NaN\..*lower student\.lr"):
        train_student(
            FastText(**SMALL | {"lr": 1e30}), texts, targets, tmp_path, binary=False, seed=0, recipe={}
        )
    assert not list(tmp_path.iterdir())


def test_fasttext_scores_are_the_mean_of_the_classes(tmp_path: Path) -> None:
    student = FastText(**SMALL)
    score = load_student(trained(student, tmp_path))
    model = fasttext.load_model(str(tmp_path / "model.bin"))
    for text in lesson(6)[0]:
        ((labels,), (shares,)) = model.predict([student.line(text)], k=3)
        values = [float(label.removeprefix("__label__")) for label in labels]
        assert score([text])[0] == pytest.approx(np.dot(values, shares), abs=1e-4)


def test_a_fasttext_model_from_elsewhere(tmp_path: Path) -> None:
    """As the docstring of `ablate.classifier.student` says: a model, and a student.json by hand."""
    texts, targets = lesson(90)
    names = ["__label__cc", "__label__cc", "__label__hq"]
    lines = [f"{names[int(target)]} {text}" for text, target in zip(texts, targets, strict=True)]
    (tmp_path / "data.txt").write_text("\n".join(lines) + "\n")
    # Ten threads fill a table whose width is a multiple of ten with start values.
    model = fasttext.train_supervised(
        str(tmp_path / "data.txt"), dim=10, bucket=1000, epoch=20, thread=10, verbose=0
    )
    model.save_model(str(tmp_path / "model.bin"))
    index = {
        "format": 1,
        "student": {"_target_": "ablate.classifier.fast_text.FastText", "normalise": False},
        "file": "model.bin", "facts": {"values": {"__label__hq": 1, "__label__cc": 0}}, "recipe": {},
    }  # fmt: skip
    (tmp_path / "student.json").write_text(json.dumps(index))
    (found,) = load_student(tmp_path)([texts[2]])
    labels, shares = model.predict(texts[2], k=2)
    assert found == pytest.approx(shares[labels.index("__label__hq")], abs=1e-4)
    index["facts"] = {"values": {"__label__good": 1}}
    (tmp_path / "student.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"has the labels .*; its values are given for __label__good"):
        load_student(tmp_path)


@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
def test_linear_fits_agree_with_scikit_learn(c: float) -> None:
    rng = np.random.default_rng(0)
    features = random_array((200, 30), density=0.3, rng=rng, format="csr")
    z = features @ rng.normal(size=30)
    targets = (z + rng.normal(size=200) > z.mean()).astype(float)
    weights, intercept = fit_linear(features, targets, binary=True, c=c)
    reference = LogisticRegression(C=c, tol=1e-8, max_iter=5000).fit(features, targets)
    np.testing.assert_allclose(weights, reference.coef_[0], atol=2e-4)
    assert intercept == pytest.approx(reference.intercept_[0], abs=2e-4)
    weights, intercept = fit_linear(features, z, binary=False, c=c)
    ridge = Ridge(alpha=1 / c, tol=1e-10).fit(features.toarray(), z)
    np.testing.assert_allclose(weights, ridge.coef_, atol=2e-4)
    assert intercept == pytest.approx(float(ridge.intercept_), abs=2e-4)


def test_hashed_counts_by_hand() -> None:
    features = Linear(ngram=1, buckets=1 << 20).features(["Rain, rain and sun", "", "sun"]).toarray()
    expected = np.array([np.log(2), np.log(2), np.log(3)]) / np.sqrt(2 * np.log(2) ** 2 + np.log(3) ** 2)
    np.testing.assert_allclose(np.sort(features[0][features[0] > 0]), np.sort(expected))
    assert not features[1].any()
    assert features[2].max() == 1.0 and features[0][features[2].argmax()] > 0


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained BERT over the lesson's words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = [
        "<pad>",
        "<unk>",
        "<cls>",
        *sorted({word for text in lesson(200)[0] for word in text.split()}),
    ]
    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(vocabulary)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<cls> $A", special_tokens=[("<cls>", 2)])
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    folder = tmp_path_factory.mktemp("encoder")
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", cls_token="<cls>"
    ).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_embeddings_carry_what_the_encoder_sees(encoder: Path, tmp_path: Path, pooling: str) -> None:
    student = Embedding(encoder=str(encoder), pooling=pooling, max_tokens=32, c=1e6)
    score = load_student(trained(student, tmp_path / "student", binary=True))
    texts, targets = lesson(60, seed=1)
    scores = score(texts)
    assert scores[targets == 2].min() > scores[targets == 0].max()
    texts = ["", "energy " * 500, texts[0]]
    np.testing.assert_array_equal(score(texts), [score([text])[0] for text in texts])


def test_an_encoder_counts_by_its_content(encoder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(encoder, tmp_path / "copy")
    one, two = Embedding(encoder=str(encoder)), Embedding(encoder=str(copy))
    assert one.identity() == two.identity()
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert Embedding(encoder=str(copy)).identity() != one.identity()
    with pytest.raises(ValueError, match=r"no config\.json in"):
        Embedding(encoder=str(tmp_path))


TINY: dict[str, dict[str, Any]] = {
    "linear": {"buckets": 64},
    "fasttext": {"dim": 4, "buckets": 64},
    "embedding": {"max_tokens": 32},
}
"""Student -> settings that train in a moment."""


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "student").glob("*.yaml")))
def test_every_student_keeps_the_contract(name: str, request: pytest.FixtureRequest) -> None:
    """Found by folder: no list of students to keep."""
    node = OmegaConf.to_container(OmegaConf.load(CONF / "student" / f"{name}.yaml"))
    assert isinstance(node, dict)
    given = TINY[name] | ({"encoder": str(request.getfixturevalue("encoder"))} if name == "embedding" else {})
    check_student(make({**node, **given}, "student"), most=2)
