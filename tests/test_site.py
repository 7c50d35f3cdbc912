"""The site of docs/: what is generated from the code names all of it, with true values; the whole builds without a warning."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import pytest
import yaml

from ablate import settings
from ablate.cli import commands
from ablate.commands.inspect import views
from ablate.config import CONF

ROOT = Path(__file__).parent.parent
SITE = ROOT / "docs" / "site"
FILES = sorted(CONF.rglob("*.yaml"))


def loaded(name: str) -> ModuleType:
    """A script of docs/site/ as a module."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", SITE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


pages, reference = loaded("pages"), loaded("reference")


def test_the_reference_has_what_every_command_says_of_itself() -> None:
    page = reference.command_page()
    for command in commands():
        said = importlib.import_module(f"ablate.commands.{command}").__doc__
        assert f"\n## ablate {command}\n" in page
        assert said.strip().partition("\n")[2].strip() in page
    for view in views():
        assert f"\n## ablate inspect {view}\n" in page
    for shared in ("== Groups (override with group=choice) ==", "recipe: c4, ", "--cfg,-c : "):
        assert page.count(shared) == 1


def leaves(node: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        path = f"{above}{key}"
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CONF).as_posix())
def test_every_key_of_a_file_stands_in_the_reference_with_its_value(path: Path) -> None:
    option = reference.option_of(path)
    shown = {key.path: key.value or option.texts[key.path] for key in option.keys}
    nested = {name: yaml.safe_load(text) for name, text in shown.items()}
    assert dict(leaves(nested)) == dict(leaves(yaml.safe_load(path.read_text(encoding="utf-8")) or {}))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CONF).as_posix())
def test_no_comment_of_a_file_is_lost(path: Path) -> None:
    option = reference.option_of(path)
    told = "\n".join([option.head, *(key.comment for key in option.keys), *option.texts.values()])
    for line in path.read_text(encoding="utf-8").splitlines():
        if comment := re.search(r"(?:^|\s)#\s*(.*\S)", line):
            assert comment[1] in told


def test_comments_are_those_of_their_keys(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(
        "# Head, line one;\n# line two.\na: 1   # of a,\n       # still of a\nb:\n  # above c\n"
        "  c: 'a # in quotes'  # of c\n  d: {e: 2}\nf: [1,\n    2]  # of f\ng: |\n  # text, no comment\n  more\n"
    )
    option = reference.option_of(file)
    assert option.head == "Head, line one; line two."
    assert [(key.path, key.value, key.comment) for key in option.keys] == [
        ("a", "1", "of a, still of a"),
        ("b.c", "'a # in quotes'", "above c of c"),
        ("b.d", "{e: 2}", ""),
        ("f", "", "of f"),
        ("g", "", ""),
    ]
    assert yaml.safe_load(option.texts["f"]) == [1, 2]
    assert yaml.safe_load(option.texts["g"]) == "# text, no comment\nmore"


def test_every_group_has_a_page_and_every_choice_a_section() -> None:
    made = reference.configuration_pages()
    for path in FILES:
        group, _, choice = path.relative_to(CONF).with_suffix("").as_posix().rpartition("/")
        page = made[group.partition("/")[0] or "index"]
        assert f"\n## {f'{group}={choice}' if group else path.name}\n" in page
    for folder in CONF.iterdir():
        assert not folder.is_dir() or f"\n{folder.name}\n" in made["index"]


def test_every_setting_stands_in_the_reference_with_its_default() -> None:
    page = reference.configuration_pages()["index"]
    for part in dataclasses.fields(settings.Config):
        if dataclasses.is_dataclass(part.default_factory):
            for key, value in dataclasses.asdict(part.default_factory()).items():
                row = re.search(rf"^\| `` {part.name}\.{key} `` \| `` (.*?) `` \|", page, re.MULTILINE)
                assert row
                default = row[1].replace("\\|", "|")
                assert yaml.safe_load(default) == value or (default, value) == ("MISSING", "???")


def test_what_a_settings_docstring_explains_is_a_field_of_it() -> None:
    for part in dataclasses.fields(settings.Config):
        if dataclasses.is_dataclass(part.default_factory):
            assert set(reference.attributes(part.default_factory)) <= set(
                part.default_factory.__annotations__
            )


def test_every_page_of_docs_is_in_the_navigation() -> None:
    listed = {path for _, entries in pages.parts() for path in entries}
    assert {PurePosixPath("docs") / path.name for path in (ROOT / "docs").glob("*.md")} <= listed
    assert [caption for caption, _ in pages.parts()] == [
        "Begin",
        "Do",
        "Look up",
        "Understand",
        "Results",
        "Take part",
    ]


def test_links_of_the_pages_lead_to_files() -> None:
    """A target without a file would be left as it is, and Sphinx stop at it: here it is told without Sphinx."""
    found = pages.pages()
    for page in found.values():
        for to in pages.links(page.path, (ROOT / page.path).read_text(encoding="utf-8")):
            assert (ROOT / to).is_file() or to == PurePosixPath("notebooks/index.md"), (page.path, to)


def test_links_are_moved_and_code_is_left() -> None:
    text = "[a](../README.md#two-commands) [b](../notebooks/) [c](../notebooks/01_tour.ipynb) [d](https://x.org)\n```\n[e](../README.md)\n```\n"
    assert pages.relinked(PurePosixPath("docs/x.md"), text) == (
        "[a](../index.md#two-commands) [b](../notebooks/index.md) [c](../notebooks/01_tour.md) [d](https://x.org)\n```\n[e](../README.md)\n```\n"
    )


def test_the_contracts_are_those_that_contributing_names() -> None:
    assert {
        "ablate.stages.base",
        "ablate.pool.source",
        "ablate.teacher.base",
        "ablate.classifier.student",
        "ablate.tracking.tracker",
        "ablate.design.base",
        "ablate.estimand.base",
    } <= set(reference.contracts())


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Links and anchors that lead nowhere are warnings, warnings are errors; nothing is asked of the network when it is read."""
    for name in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(name, reason="the extra `docs` is not installed: the site is not tested")
    run = subprocess.run(
        [sys.executable, str(SITE / "make.py"), "--out", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    html = tmp_path / "html"
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} == {
        path.stem for path in (html / "docs").glob("*.html")
    }
    api = (html / "reference" / "python.html").read_text(encoding="utf-8") + (
        html / "reference" / "plugins.html"
    ).read_text(encoding="utf-8")
    for name in (
        "ablate.open_study",
        "ablate.compare",
        "ablate.published",
        "ablate.opened.study.OpenedStudy.effects",
        "ablate.testing.check_stage",
        "ablate.stages.base.Filter",
        "ablate.estimand.base.Estimand",
    ):
        assert f'id="{name}"' in api, name
    fetched = re.compile(
        r'<(?:script|img|iframe)[^>]*src="(?:https?:)?//|<link[^>]*rel="stylesheet"[^>]*href="(?:https?:)?//'
    )
    for page in html.rglob("*.html"):
        assert not fetched.search(page.read_text(encoding="utf-8")), page
