"""The file that a page is: the library as published, a policy that lets nothing else run, data that stay data."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html.parser
import json
import re

import pytest

from ablate.page import build
from ablate.testing.summary import made_study

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "a|b $x$ `c` **d**",
    "\u202egnihton\u2066",
    "{{style}}",
    "'\"&lt;",
]


class Blocks(html.parser.HTMLParser):
    """Every element's name, and the texts of scripts and styles with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[tuple[str, dict[str, str | None], str]] = []
        self.policy = ""
        self._open: tuple[str, dict[str, str | None]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        kept = dict(attrs)
        if kept.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(kept["content"])
        if tag in ("script", "style"):
            self._open = (tag, kept)

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.append((*self._open, data))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._open = None


def parsed(page: str) -> Blocks:
    blocks = Blocks()
    blocks.feed(page)
    return blocks


def small(**changes: object) -> dict[str, object]:
    return made_study(**{"stages": ["a", "b"], "seeds": 3, "tasks": ["t"], "points": 2, **changes})  # type: ignore[arg-type]


def test_the_library_is_what_its_authors_published() -> None:
    names = [library.name for library in build.libraries()]
    assert names == ["d3", "@observablehq/plot"]
    files = {path.name for path in build.VENDOR.glob("*.js")}
    assert files == {library.file for library in build.libraries()}
    for library in build.libraries():
        data = (build.VENDOR / library.file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == library.sha256, library.file
        assert (
            f"v{library.version} " in data[:120].decode()
        )  # the line that the authors put above their files
        assert library.licence == "ISC"
        assert list(build.VENDOR.glob("LICENSE.*"))


def test_a_page_runs_only_what_its_policy_names_by_digest() -> None:
    blocks = parsed(build.page([small()]))
    rules = dict(rule.split(" ", 1) for rule in blocks.policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in blocks.policy and "connect-src" not in rules
    unpacked = []
    for tag, attributes, text in blocks.texts:
        if attributes.get("class") == "code":
            assert attributes["type"] == "application/gzip"
            unpacked.append(text := gzip.decompress(base64.b64decode(text)).decode())
        elif attributes.get("type"):
            assert attributes["type"] in ("application/json", "application/gzip")
            continue
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules[f"{tag}-src"]
        assert "src" not in attributes
    assert unpacked == [*(library.text() for library in build.libraries()), build.script()]
    assert len(rules["script-src"].split()) == len(unpacked) + 1  # and the one that unpacks them
    assert "link" in blocks.tags


def test_a_page_names_no_place_outside_of_itself() -> None:
    shell = (build.SOURCE / "shell.html").read_text(encoding="utf-8")
    ours = (
        shell
        + build.opening_script()
        + build.script()
        + (build.SOURCE / "style.css").read_text(encoding="utf-8")
    )
    assert not re.search(
        r"https?://|@import|url\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function",
        ours,
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_study_becomes_part_of_the_page(text: str) -> None:
    plain, hostile = (
        small(),
        small(stages=[text, "b"], tasks=[text + "t"], name=text, host=text, failed={("full", 0): text}),
    )
    shown = parsed(build.page([hostile]))
    assert shown.tags == parsed(build.page([plain])).tags
    (block,) = [block for _, attributes, block in shown.texts if attributes.get("class") == "study"]
    read = json.loads(block)
    curves = read["scores"].pop("curve"), hostile["scores"].pop("curve")  # type: ignore[attr-defined]
    assert read == json.loads(json.dumps(hostile))
    assert curves[0][1][2] == pytest.approx(curves[1][1][2], rel=1e-4)  # five digits of what is only drawn


def test_a_large_study_is_packed_and_whole() -> None:
    study = small(stages=[f"s{number}" for number in range(12)], seeds=8, points=14, tasks=list("abcdef"))
    (block,) = [
        (attributes, text)
        for _, attributes, text in parsed(build.page([study])).texts
        if attributes.get("class") == "study"
    ]
    assert block[0]["type"] == "application/gzip"
    read = json.loads(gzip.decompress(base64.b64decode(block[1])))
    assert read["effects"] == json.loads(json.dumps(study["effects"]))
    assert read["scores"]["end"] == study["scores"]["end"]  # type: ignore[index]


def test_the_same_studies_give_the_same_bytes() -> None:
    assert build.page([small(), small(draw=1)]) == build.page([small(), small(draw=1)])
    assert build.page([small()]) != build.page([small(draw=1)])


def test_what_is_sent_live_may_ask_its_own_server_alone() -> None:
    rules = dict(rule.split(" ", 1) for rule in parsed(build.page([small()], live=True)).policy.split("; "))
    assert rules["connect-src"] == "'self'"
