"""A bare install: what is left out of it is named by its extra, and what needs none of it works."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ablate
from ablate.extras import extra_of, missing_extra, not_installed

ROOT = Path(ablate.__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
METADATA = [
    *PROJECT["dependencies"],
    *(f"{line}; extra == '{extra}'" for extra, lines in EXTRAS.items() for line in lines),
]
"""What an installed ablate says that it requires, as the packaging specification has it."""
LEFT_OUT = {
    "datasets": "curation",
    "fastwarc": "curation",
    "fasttext": "curation",
    "huggingface_hub": "training",
    "lm_eval": "evaluation",
    "lxml_html_clean": "curation",
    "pydivsufsort": "curation",
    "rapidfuzz": "curation",
    "safetensors": "training",
    "spacy": "curation",
    "statsmodels": "mixed_model",
    "trafilatura": "curation",
    "transformers": "training",
    "wandb": "wandb",
}
"""Import name -> the extra that brings it."""
APART = {"trackio": "trackio"}
"""What `all` does not bring: it asks for an older Pillow than ours."""
BARE = f"""
import importlib.metadata, re, sys
LEFT_OUT, METADATA = {sorted(LEFT_OUT)}, {METADATA}
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LEFT_OUT:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Without())
version = importlib.metadata.version
def versions(name):
    if any(re.sub("[-_.]+", "_", name).startswith(one) for one in LEFT_OUT):
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version, importlib.metadata.requires = versions, lambda name: METADATA
from ablate.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""ablate's command line, as it would be without the extras."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def bare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BARE, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: METADATA)


@pytest.mark.usefixtures("metadata")
@pytest.mark.parametrize(("name", "extra"), [*LEFT_OUT.items(), *APART.items()])
def test_what_is_left_out_is_named_by_its_extra(name: str, extra: str) -> None:
    assert extra_of(name) == extra
    assert not_installed(name) == f"{name} is not installed; pip install 'ablate[{extra}]'"
    assert f"ablate[{extra}]" in str(missing_extra(ModuleNotFoundError("no", name=f"{name}.part")))


@pytest.mark.usefixtures("metadata")
def test_any_other_library_and_error_are_left_as_they_are() -> None:
    assert extra_of("numpy") is None and extra_of("fast") is None
    assert not_installed("nosuch") == "nosuch is not installed; pip install nosuch"
    assert missing_extra(ModuleNotFoundError("no", name="nosuch")) is None
    assert missing_extra(ValueError("spacy")) is None


def test_all_holds_every_extra_of_a_study() -> None:
    (whole,) = EXTRAS["all"]
    assert set(whole.removeprefix("ablate[").removesuffix("]").split(",")) == set(LEFT_OUT.values())


def test_everything_that_is_imported_is_declared() -> None:
    declared = {normal(re.split(r"[\[<>=~;]", line)[0]) for line in METADATA}
    brought = importlib.metadata.packages_distributions()
    undeclared = {}
    for path in sorted((ROOT / "ablate").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [one.name for one in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for top in {name.partition(".")[0] for name in names} - {"ablate", "__future__"}:
                if top not in sys.stdlib_module_names and not declared & set(
                    map(normal, brought.get(top, [top]))
                ):
                    undeclared[top] = path.name
    assert undeclared == {}


def test_results_of_others_are_imported_and_reported_without_the_extras(tmp_path: Path) -> None:
    scores = [
        "arm,seed,task,score",
        *(f"{arm},{seed},t,0.{seed}{n}" for n, arm in enumerate("ab") for seed in (3, 4, 6)),
    ]
    (tmp_path / "s.csv").write_text("\n".join(scores) + "\n")
    made = bare(tmp_path, "import", "study.name=x", "results.csv=s.csv")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "studies/x/REPORT.md").is_file()
    again = bare(tmp_path, "report", "study.name=x")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "study=demo"], "fasttext is not installed; pip install 'ablate[curation]'"),
        (["snapshot", "evaluate.snapshot=x"], "lm_eval is not installed; pip install 'ablate[evaluation]'"),
    ],
)
def test_what_needs_an_extra_says_which(tmp_path: Path, arguments: list[str], said: str) -> None:
    made = bare(tmp_path, *arguments)
    assert made.returncode == 2 and said in made.stderr and made.stderr.count("\n") == 1, made.stderr
