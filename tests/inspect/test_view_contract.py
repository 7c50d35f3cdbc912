"""What every view of `ablate inspect` promises, found by folder: no list of views to keep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablate.commands.inspect import view, views
from ablate.errors import ConfigError
from ablate.testing import ContractError, check_view

FAST = ("funnel", "tasks")
ITEM = {
    "query": "Where do herons stand?",
    "choices": ["on one leg beside the quiet pond", "on a roof"],
    "gold": 0,
}


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """A pool of sixty pages of two hosts, some alike and some short, and a task; by absolute paths."""
    page = "The man and the cat have to be in the house with that dog of ours, number {}. " * 12
    rows = [
        {
            "text": page.format(*[n // 2] * 12) if n % 5 else "Far too short.",
            "url": f"https://{'ab'[n % 2]}.example/{n}",
        }
        for n in range(60)
    ]
    (tmp_path / "pages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tasks" / "herons").mkdir(parents=True)
    (tmp_path / "tasks" / "herons" / "test.jsonl").write_text(json.dumps(ITEM) + "\n")
    return [
        "study.name=small",
        "pool=files",
        f"pool.paths=[{tmp_path / 'pages.jsonl'}]",
        "recipe=gopher",
        "workers=1",
        "evaluate=smooth",
        f"evaluate.snapshot={tmp_path / 'tasks'}",
        "evaluate.tasks=[herons]",
        "evaluate.aggregate=null",
        "tokenizer.vocab_size=300",
        "stages.language.enabled=false",
        "stages.gopher_repetition.enabled=false",
    ]


def more(name: str, folder: Path) -> list[str]:
    """What a view needs beside a pool and tasks."""
    if name == "extraction":
        html = "<html><body><p>It rained on the old town all night, said the keeper.</p></body></html>"
        (folder / "html.jsonl").write_text(json.dumps({"text": html, "url": "https://a.example/1"}) + "\n")
        gold = {"url": "https://a.example/1", "text": "It rained on the old town all night, said the keeper."}
        (folder / "gold.jsonl").write_text(json.dumps(gold) + "\n")
        return [
            f"pool.paths=[{folder / 'html.jsonl'}]",
            "pool.kind=html",
            f"inspect.gold={folder / 'gold.jsonl'}",
        ]
    return {
        "dose": [
            "design=dose",
            "design.factors={gopher_quality: {min_words: {from: 0, to: 200, points: 3}}}",
        ],
        "spike": ["pool/spike=planted", "pool.spike.near_copies=0.2"],
        "audit": ["inspect.by=[host]"],
    }.get(name, [])


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in FAST else [pytest.mark.slow]) for n in views()]
)
def test_every_view_keeps_the_contract(name: str, small: list[str], tmp_path: Path) -> None:
    if name == "sample":  # of a pool that is one
        small = [
            one.replace("pool=files", "pool=sampled").replace("pool.paths", "pool.of.paths") for one in small
        ]
        small += ["pool@pool.of=files", "pool.rate=0.5"]
    # Speed and curation time are other ones each time.
    check_view(
        name,
        [*small, *more(name, tmp_path)],
        folder=tmp_path / "shown",
        apart=("/s", "CPU", "pages a second", "ms"),
        timed=name == "extraction",
    )


VIEW = '''"""{help}"""
from pathlib import Path

SHOWN = []


def main(config):
    SHOWN.append(1)
    {body}
    return 0
'''


@pytest.mark.parametrize(
    ("said_of_it", "body", "message"),
    [
        ("Says a word.", "print('word')", "must end with an example"),
        ("", "print('word')", "has no docstring"),
        ("Nothing. Example: ablate inspect v.py", "pass", "prints nothing"),
        (
            "Litters. Example: ablate inspect v.py",
            "print(1); Path('litter.txt').write_text('x')",
            "leaves files in the folder",
        ),
        ("Fails. Example: ablate inspect v.py", "return 1", "ends with status 1"),
    ],
)
def test_a_view_that_breaks_it_fails(
    said_of_it: str, body: str, message: str, small: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "v.py"
    path.write_text(VIEW.format(help=said_of_it, body=body))
    with pytest.raises(ContractError, match=message):
        check_view(str(path), small, folder=tmp_path / "shown")


def test_a_view_that_shows_something_else_the_second_time_fails(small: list[str], tmp_path: Path) -> None:
    path = tmp_path / "v.py"
    body = f"p = Path({str(tmp_path / 'seen')!r}); p.write_text((p.read_text() if p.exists() else '') + 'x'); print(p.read_text())"
    path.write_text(VIEW.format(help="Grows. Example: ablate inspect v.py", body=body))
    with pytest.raises(ContractError, match="prints something else the second time"):
        check_view(str(path), small, folder=tmp_path / "shown")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def main(:", "cannot be loaded: SyntaxError"),
        ("x = 1", "no function main"),
        (None, "cannot be loaded: FileNotFoundError"),
    ],
)
def test_a_file_that_is_no_view_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "v.py").write_text(text)
    with pytest.raises(ConfigError, match=message):
        view(str(tmp_path / "v.py"))
    with pytest.raises(ConfigError, match=r"unknown view 'adit'.*did you mean 'audit'"):
        view("adit")
