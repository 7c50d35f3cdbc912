"""Language filter: known languages, the threshold, targets chosen after measuring, odd input."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ablate.stages.language import Language, language_codes

TEXTS = {
    "en": "The committee met on Tuesday to discuss the new plans for the harbour and the old town.",
    "de": "Der Ausschuss traf sich am Dienstag, um über die neuen Pläne für den Hafen zu sprechen.",
    "fr": "Le comité s'est réuni mardi pour discuter des nouveaux projets pour le port et la ville.",
    "ru": "Комитет собрался во вторник, чтобы обсудить новые планы по развитию порта и города.",
    "ar": "اجتمعت اللجنة يوم الثلاثاء لمناقشة الخطط الجديدة للميناء والمدينة القديمة.",
    "ja": "委員会は火曜日に港と旧市街の新しい計画について話し合うために集まりました。",
}
ODD = ["", " \n", "😀😀😀", "12345", "a\x00b", "word " * 50_000, "x" * 100_000]


def reasons_of(stage: Language, texts: list[str]) -> list[str | None]:
    verdict = stage.decide(stage.measure_many(texts))
    return [verdict.reasons[code - 1] if code else None for code in verdict.code]


@pytest.mark.parametrize("code", TEXTS)
def test_each_language_is_kept_only_when_it_is_wanted(code):
    others = tuple(set(TEXTS) - {code})
    assert reasons_of(Language(languages=(code,)), [TEXTS[code]]) == [None]
    assert reasons_of(Language(languages=others), [TEXTS[code]]) == ["other_language"]


def test_targets_and_threshold_are_chosen_after_measuring():
    measured = Language().measure_many(list(TEXTS.values()))
    for codes in (("en",), ("de", "ja"), tuple(TEXTS)):
        kept = Language(languages=codes).decide(measured).keep
        assert dict(zip(TEXTS, kept.tolist(), strict=True)) == {code: code in codes for code in TEXTS}
    assert Language().slow_identity() == Language(languages=("fr",), threshold=0.9).slow_identity()


def test_the_score_must_reach_the_threshold():
    measured = Language().measure_many(["hotel restaurant Berlin pizza"])
    best, score = language_codes()[measured["languages"][0, 0]], float(measured["scores"][0, 0])
    assert 0.2 < score < 0.9, "the text must be doubtful for this test to mean anything"
    assert Language(languages=(best,), threshold=score - 0.001).decide(measured).keep.all()
    assert not Language(languages=(best,), threshold=score + 0.001).decide(measured).keep.any()


def test_a_wanted_language_below_the_threshold_has_a_low_score():
    best = {"languages": np.array([[language_codes().index("en"), -1]]), "scores": np.array([[0.6, 0.0]])}
    verdict = Language().decide(best)
    assert verdict.reasons[verdict.code[0] - 1] == "low_score"


def test_agrees_with_the_model_asked_directly():
    import fasttext

    from ablate.stages.language import MODEL

    model = fasttext.load_model(str(MODEL))
    measured = Language().measure_many(list(TEXTS.values()))
    for row, text in enumerate(TEXTS.values()):
        (label,), (score,) = model.predict([text], k=1)[0][0], model.predict([text], k=1)[1][0]
        assert label == f"__label__{language_codes()[measured['languages'][row, 0]]}"
        assert measured["scores"][row, 0] == pytest.approx(float(score))


def test_line_breaks_do_not_matter_and_odd_input_is_measured():
    words = TEXTS["en"].split()
    one, two = Language().measure_many([" ".join(words), "\n\n".join(words)])["scores"]
    np.testing.assert_array_equal(one, two)
    measured = Language().measure_many(ODD)
    assert all(len(column) == len(ODD) for column in measured.values())
    assert not Language().decide(measured).keep[:2].any()  # no text, no language


def test_a_batch_gives_what_its_texts_give_alone():
    stage = pickle.loads(pickle.dumps(Language()))
    texts = [*TEXTS.values(), *ODD]
    together = stage.measure_many(texts)
    for name, column in together.items():
        alone = np.concatenate([stage.measure_many([text])[name] for text in texts])
        np.testing.assert_array_equal(column, alone)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"languages": ("eng",)}, "does not know 'eng'"),
        ({"languages": ()}, "at least one"),
        ({"threshold": 1.1}, "threshold"),
        ({"threshold": 0.1}, "threshold"),
    ],
)
def test_parameters_out_of_range(parameters, message):
    with pytest.raises(ValueError, match=message):
        Language(**parameters)
