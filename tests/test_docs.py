"""Pages of docs/ hold what their scripts compute."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ablate.compose import compose
from ablate.config import make_stages, plain
from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.pool.files import Files
from ablate.pool.pool import build_pool
from ablate.stages.language import MODEL
from ablate.store import Store

DOCS = Path(__file__).parent.parent / "docs"
VENV = "venv/bin/python"
"""What the pages call an environment of the reader's own."""


def script(name: str):  # type: ignore[no-untyped-def]
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_number_of_the_page_on_designs_is_what_its_script_computes() -> None:
    numbers = script("choosing_a_design_numbers")
    page = numbers.PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- (\w+) -->\n", page)) - {"end"} == set(numbers.BLOCKS)
    assert numbers.filled(page) == page, "run python docs/choosing_a_design_numbers.py"


def test_names_of_trained_arms_say_which_stages_they_have() -> None:
    numbers = script("choosing_a_design_numbers")
    stages = ["extraction", "language", "pii"]
    arms = [
        "full_2",
        "bare",
        "without_language",
        "extraction=raw,without_language+pii",
        "only_extraction=resiliparse+pii",
    ]
    assert numbers.presence(arms, stages).tolist() == [[1, 1, 1], [0, 0, 0], [1, 0, 1], [0, 0, 0], [1, 0, 1]]


def test_gains_of_trained_arms_have_the_variance_that_theory_gives_their_designs() -> None:
    numbers = script("choosing_a_design_numbers")
    folder = numbers.RESULTS / "calibration" / "trained"
    stages = [
        "extraction",
        "language",
        "gopher_repetition",
        "gopher_quality",
        "minhash_dedup",
        "c4_quality",
        "pii",
    ]
    # Variances of a run over N: leave-one-out 2 x 8 arms, a fraction 4, near-full with 21 pairs and 5 of full 6.07.
    for name, expected in zip(numbers.TRAINED, (16.0, 4.0, 6.0667), strict=True):
        arms, _ = numbers.scores(folder / name, "prob", "facts")
        size = (numbers.additive(arms, stages) ** 2).sum(axis=1) * len(arms)
        assert np.allclose(size, expected, rtol=1e-4), name


def test_figures_and_other_pages_that_pages_name_are_there() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (DOCS / target).exists(), f"{page.name}: {target}"


def test_the_script_of_the_figures_draws(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(str(DOCS))
    drawn = script("choosing_a_design").economy()
    assert isinstance(drawn, Figure)
    lines = {line.get_label(): line for line in drawn.axes[0].lines}
    assert [label.split(" (")[0] for label in lines] == ["leave one out", "near full", "fractional factorial"]


@pytest.fixture
def left_by_own_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, list[str]]]:
    """Builds the corpora of the page on own stages, of the command lines that one asks for: what each stage leaves."""
    page = (DOCS / "your_own_stages.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w*)\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("pages.jsonl").write_text(next(text for kind, text in blocks if kind == "json"))
    Path("my_stages.py").write_text(next(text for kind, text in blocks if kind == "python"))
    shutil.copy(MODEL, "lid.176.ftz")
    store = Store(tmp_path / "store")
    pool = build_pool(Files(paths=["pages.jsonl"]), store)
    lines = "".join(text for kind, text in blocks if not kind).replace("\\\n", " ").splitlines()

    def build(wanted: Callable[[str], bool], **names: str) -> dict[str, list[str]]:
        left = {}
        for _, _, *overrides in map(shlex.split, filter(wanted, lines)):
            for name, other in names.items():
                overrides = [override.replace(name, other) for override in overrides]
            config = compose(overrides)
            (name,) = config.design.factors
            stages = make_stages({key: plain(config[key]) for key in ("stages", "recipe", "evaluate")})
            annotations = Annotations(pool, store, workers=1)
            corpus = build_corpus([stage for stage in stages if stage.name == name], annotations)
            left[name] = [text for _, text in annotations.texts(corpus.version, corpus.rows)]
        return left

    return build


HERON, ADVERT, REIHER, MENU = (
    "The heron stood on one leg beside the pond.", "BUY NOW! Buy now! The offer ends today.",
    "Der Reiher stand auf einem Bein am Teich.", "Home | About | Login",
)  # fmt: skip
"""The page's pages."""


def test_the_stages_of_the_page_on_own_stages_do_what_it_says(left_by_own_stages) -> None:  # type: ignore[no-untyped-def]
    assert left_by_own_stages(lambda line: VENV not in line) == {
        "edu": [HERON, REIHER],
        "english": [HERON, ADVERT, MENU],
        "adverts": [HERON, REIHER, MENU],
        "lid": [REIHER],
        "long": [HERON, ADVERT, REIHER],
        "bars": [HERON, ADVERT, REIHER, "Home About Login"],
        "calm": [HERON, REIHER, MENU],
    }


def test_datatrove_s_own_filter_does_what_the_page_on_own_stages_says(left_by_own_stages) -> None:  # type: ignore[no-untyped-def]
    python = os.environ.get("ABLATE_TEST_DATATROVE")
    if python is None:
        pytest.skip("set ABLATE_TEST_DATATROVE to an interpreter that has datatrove[processing] and spacy")
    left = left_by_own_stages(lambda line: VENV in line, **{VENV: python})
    assert left == {"fineweb": [HERON, ADVERT, REIHER]}
