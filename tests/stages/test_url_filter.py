"""URL filter: which addresses fall under which list, in every form in which lists are shipped."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.compose import compose
from ablate.config import plain
from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.errors import DataError
from ablate.pool.source import Document
from ablate.stages._blocklists import Address, Blocklists, hashes
from ablate.stages.extraction import Extraction
from ablate.stages.url_filter import UrlFilter
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.schema import Arm

ADULT = {"domains": "Bad.example\nsub.mixed.example\n# no entry\n\n10.0.0.7\n", "urls": "site.example/~bad\n"}
GAMES = {"domains": "games.example\n", "urls": "site.example/play?id=3\nwww.slots.example/win/\n"}
WORDS = "# hard\nsexy\nBAD-word\n"
SOFT = "girls\ncams\nchat\n"
PARTS = "hot pocket\n"


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lists as folders, gzipped files and archives, and the three files of words."""
    root = tmp_path_factory.mktemp("ut1")
    for name, files in (("adult", ADULT), ("games", GAMES)):
        for kind, text in files.items():
            for folder in (root / "plain" / name, root / "zipped" / name):
                folder.mkdir(parents=True, exist_ok=True)
            (root / "plain" / name / kind).write_text(text)
            (root / "zipped" / name / f"{kind}.gz").write_bytes(gzip.compress(text.encode()))
        with tarfile.open(root / f"{name}.tar.gz", "w:gz") as archive:
            for kind, text in files.items():
                info = tarfile.TarInfo(f"{name}/{kind}")
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
    with tarfile.open(root / "blacklists.tar.gz", "w:gz") as archive:
        archive.add(root / "plain", arcname="blacklists")
    for name, text in (("words", WORDS), ("soft", SOFT), ("parts", PARTS)):
        (root / name).write_text(text)
    return root


def reason(stage: UrlFilter, url: str) -> str | None:
    verdict = stage.decide(stage.measure_many([url]))
    return None if verdict.keep[0] else verdict.reasons[verdict.code[0] - 1]


CASES = [
    ("https://bad.example", "domain"),
    ("https://bad.example/any/page?x=1#top", "domain"),
    ("http://www.bad.example:8080/", "domain"),
    ("https://user:secret@deep.down.BAD.example/", "domain"),
    ("bad.example/page", "domain"),
    ("https://bad.example./", "domain"),
    ("https://notbad.example/", None),
    ("https://bad.example.org/", None),
    ("https://example/", None),
    ("https://good.example/bad.example", None),
    ("https://sub.mixed.example/", "domain"),
    ("https://x.sub.mixed.example/", "domain"),
    ("https://mixed.example/", None),
    ("https://other.mixed.example/", None),
    ("http://10.0.0.7/x", "domain"),
    ("http://110.0.0.7/x", None),
    ("http://site.example/~bad", "url"),
    ("https://www.site.example/~bad/deeper.html?q", "url"),
    ("https://site.example/~badly", None),
    ("https://site.example/", None),
    ("https://games.example/", "domain"),
    ("https://site.example/play?id=3", "url"),
    ("https://site.example/play?id=4", None),
    ("https://site.example/play", None),
    ("https://slots.example/win", "url"),
    ("https://slots.example/", None),
    ("", None),
    ("not an address", None),
    ("http://[broken", None),
    ("http://\u00fcber.example/\u00e4", None),
    ("\U0001f600\x00\n" * 50, None),
    ("/" * 100_000, None),
]


@pytest.mark.parametrize("shipped", ["plain", "zipped", "blacklists.tar.gz", "adult.tar.gz"])
def test_each_address_falls_under_the_list_it_should(lists: Path, shipped: str) -> None:
    paths = (str(lists / shipped),)
    if shipped == "adult.tar.gz":
        paths = (*paths, str(lists / "games.tar.gz"))
    stage = UrlFilter(blocklists=paths)
    urls, expected = zip(*CASES, strict=True)
    assert [reason(stage, url) for url in urls] == list(expected)
    together = stage.decide(stage.measure_many(urls))
    assert together.keep.tolist() == [why is None for why in expected]


def test_categories_are_chosen_by_name(lists: Path) -> None:
    stage = UrlFilter(blocklists=(str(lists / "blacklists.tar.gz"),), categories=("games",))
    assert (
        reason(stage, "https://games.example/") == "domain" and reason(stage, "https://bad.example/") is None
    )
    with pytest.raises(DataError, match="no category 'game': did you mean 'games'"):
        UrlFilter(blocklists=stage.blocklists, categories=("game",)).identity()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/so-SEXY/pictures", "banned_word"),
        ("https://a.example/sexyness", None),
        ("https://sexy.example/", "banned_word"),
        ("https://badword.example/", "banned_word"),  # written without its hyphen, as datatrove writes it
        ("https://a.example/girls", None),
        ("https://a.example/girls/girls", None),  # the same word twice is one
        ("https://a.example/girls-and-cams", "soft_banned_words"),
        ("https://chat.example/cams?girls", "soft_banned_words"),
        ("https://a.example/xHot_Pocketx", "banned_subword"),
        ("https://hot.example/pocket", None),  # "hotexamplepocket"
        ("https://a.example/hot%pocket", "banned_subword"),
    ],
)
def test_words_hard_soft_and_inside_others(lists: Path, url: str, expected: str | None) -> None:
    words, soft, parts = (str(lists / name) for name in ("words", "soft", "parts"))
    stage = UrlFilter(banned_words=words, soft_banned_words=soft, banned_subwords=parts)
    assert reason(stage, url) == expected


@pytest.fixture
def many_scripts(tmp_path: Path) -> UrlFilter:
    words = "казино\nbörse\nstraße\n赌博\nहिन्दी\nカジノ\n"
    (tmp_path / "words").write_text(words, encoding="utf-8")
    (tmp_path / "parts").write_text("спам письма\n", encoding="utf-8")
    return UrlFilter(banned_words=str(tmp_path / "words"), banned_subwords=str(tmp_path / "parts"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://site.example/казино/bonus", "banned_word"),
        ("https://site.example/%D0%BA%D0%B0%D0%B7%D0%B8%D0%BD%D0%BE/bonus", "banned_word"),
        ("https://site.example/%d0%ba%d0%b0%d0%b7%d0%b8%d0%bd%d0%be?x=1", "banned_word"),
        ("https://site.example/%25D0%25BA%25D0%25B0%25D0%25B7%25D0%25B8%25D0%25BD%25D0%25BE", "banned_word"),
        ("https://site.example/?q=КАЗИНО+bonus", "banned_word"),
        ("https://xn--80aswg.example/", None),  # сайт
        ("https://xn--80aodfsg.example/", "banned_word"),  # казино
        ("https://казино.example:8080/", "banned_word"),
        ("https://site.example/казиношка", None),
        ("https://site.example/bo\u0308rse", "banned_word"),
        ("https://site.example/BÖRSE_heute", "banned_word"),
        ("https://site.example/rse", None),
        ("https://site.example/STRASSE", "banned_word"),
        ("https://site.example/bör\u00adse", "banned_word"),
        ("https://site.example/हिन्\u200dदी", "banned_word"),
        ("https://site.example/赌博", "banned_word"),
        ("https://site.example/在线赌博平台", "banned_word"),
        ("https://site.example/赌-博", None),
        ("https://site.example/%E8%B5%8C%E5%8D%9A", "banned_word"),
        ("https://site.example/ｶｼﾞﾉ", "banned_word"),
        ("https://site.example/हिन्दी", "banned_word"),
        ("https://site.example/हिन्", None),
        ("https://site.example/xСпам-Письма9", "banned_subword"),
        ("https://site.example/spam/bonus", None),
        ("https://site.example/%E4%FF%zz", None),
    ],
)
def test_words_of_any_script_however_they_are_written(
    many_scripts: UrlFilter, url: str, expected: str | None
) -> None:
    assert reason(many_scripts, url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://börse.example/", "domain"),
        ("https://BO\u0308RSE.example./", "domain"),
        ("https://xn--brse-5qa.example/x", "domain"),
        ("https://www.b%C3%B6rse.example/x", "domain"),
        ("https://börse。example/", "domain"),
        ("https://xn--80aodfsg.example", "domain"),
        ("https://user@Казино.example:81/", "domain"),
        ("https://straße.example/", "domain"),
        ("https://strasse.example/", None),  # another domain, since IDNA 2008
        ("https://site.example/%D0%B1%D0%B0%D1%80/x", "url"),
        ("https://site.example/бар", "url"),
        ("https://site.example/caf%C3%A9", "url"),
        ("https://site.example/%63af\u0065\u0301", "url"),
        ("https://site.example/b%c4r", "url"),
        ("https://site.example/b%C4r", "url"),
        ("https://site.example/a%2Fb", "url"),
        ("https://site.example/a/b", None),
        ("https://" + "ö" * 300 + "..example/", None),
    ],
)
def test_listed_addresses_in_any_script_however_they_are_written(
    tmp_path: Path, url: str, expected: str | None
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "domains").write_text(
        "xn--brse-5qa.example\n.казино.example\nxn--strae-oqa.example\n", encoding="utf-8"
    )
    pages = "site.example/бар\nsite.example/café\nsite.example/b%C4r\nsite.example/a%2fb\n"
    (folder / "urls").write_text(pages, encoding="utf-8")
    assert reason(UrlFilter(blocklists=(str(folder),)), url) == expected


def test_the_soft_threshold_is_free_to_sweep(lists: Path) -> None:
    url = "https://chat.example/cams?girls"
    found = {
        n: reason(UrlFilter(soft_banned_words=str(lists / "soft"), soft_threshold=n), url) for n in (1, 3, 4)
    }
    assert found == {1: "soft_banned_words", 3: "soft_banned_words", 4: None}
    stages = [UrlFilter(soft_banned_words=str(lists / "soft"), soft_threshold=n) for n in (1, 2)]
    assert stages[0].slow_identity() == stages[1].slow_identity()
    assert stages[0].identity() != stages[1].identity()


def test_identity_is_the_entries_never_the_place_or_the_packing(lists: Path, tmp_path: Path) -> None:
    plain, packed, zipped = (
        UrlFilter(blocklists=(str(lists / name),)) for name in ("plain", "blacklists.tar.gz", "zipped")
    )
    assert plain.identity() == packed.identity() == zipped.identity() != UrlFilter().identity()
    assert str(lists) not in str(plain.identity())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "domains").write_text("one.example\n")
    mine = UrlFilter(blocklists=(str(tmp_path),))
    before = mine.identity()
    (tmp_path / "mine" / "domains").write_text("one.example\ntwo.example\n")
    assert mine.identity() != before, "a changed file is read again"
    words = tmp_path / "words"
    words.write_text("b\na\n")
    assert UrlFilter(banned_words=str(words)).identity() == UrlFilter(banned_words=str(words)).identity()
    assert UrlFilter(banned_words=str(words)).identity() != UrlFilter(soft_banned_words=str(words)).identity()


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="blocklists: nowhere does not exist"):
        UrlFilter(blocklists=("nowhere",))
    with pytest.raises(ValueError, match=r"banned_words: .* is not a file"):
        UrlFilter(banned_words=str(tmp_path))
    with pytest.raises(ValueError, match="soft_threshold must be 1 or more"):
        UrlFilter(soft_threshold=0)
    with pytest.raises(DataError, match="holds no blocklist"):
        UrlFilter(blocklists=(str(tmp_path),)).identity()
    (tmp_path / "broken.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"expected a folder or a \.tar\.gz"):
        UrlFilter(blocklists=(str(tmp_path / "broken.tar.gz"),)).identity()


@pytest.mark.parametrize("packed", [False, True])
def test_lists_in_an_archive_are_read_like_files(tmp_path: Path, packed: bool) -> None:
    raw = "# of 2026\u2028no.example\nказино.рф\r\nbad.example".encode("utf-16")
    _archive(tmp_path / "lists.tar.gz", "mine/domains.gz" if packed else "mine/domains", _gzip(raw, packed))
    stage = UrlFilter(blocklists=(str(tmp_path / "lists.tar.gz"),))
    found = stage.measure_many(["http://no.example", "http://xn--80aodfsg.xn--p1ai/a", "http://bad.example"])
    assert found["domains"].tolist() == [False, True, True]


def test_damage_in_an_archive_of_lists_is_said(tmp_path: Path) -> None:
    raw = _gzip("\n".join(f"bad{n}.example" for n in range(999)).encode(), packed=True)
    for name, content in (("cut", raw[:-9]), ("wrong", raw[:50] + bytes([raw[50] ^ 0xFF]) + raw[51:])):
        path = tmp_path / f"{name}.tar.gz"
        _archive(path, "mine/domains.gz", content)
        with pytest.raises(
            DataError, match=rf"{name}\.tar\.gz/mine/domains\.gz: unreadable from here: it is"
        ):
            UrlFilter(blocklists=(str(path),)).identity()
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match=rf"{name}\.tar\.gz"):
            UrlFilter(blocklists=(str(path),)).identity()


def _gzip(raw: bytes, packed: bool) -> bytes:
    return gzip.compress(raw) if packed else raw


def _archive(path: Path, name: str, content: bytes) -> None:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join), max_size=8),
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join), max_size=8),
)
def test_a_host_is_listed_when_an_entry_is_it_or_a_domain_above_it(
    hosts: list[str], entries: list[str]
) -> None:
    lists = Blocklists(np.unique(hashes(entries)), hashes([]))
    found = lists.listed([Address.of(f"https://{host}/page") for host in hosts])["domains"]
    assert found.tolist() == [any(h == e or h.endswith(f".{e}") for e in entries) for h in hosts]


def test_in_a_recipe_addresses_are_measured_once_whatever_the_texts_become(
    make_pool, store, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "<html><body><p>It rained all night over the old town.</p></body></html>"
    hosts = ["good", "bad", "games", "good"]
    documents = [Document(page, "html", url=f"https://{host}.example/{n}") for n, host in enumerate(hosts)]
    annotations = Annotations(make_pool(store, [*documents, Document("no address")]), store, workers=1)
    calls: list[str] = []
    measure = UrlFilter.measure_many
    monkeypatch.setattr(UrlFilter, "measure_many", lambda s, urls: calls.extend(urls) or measure(s, urls))
    stage = UrlFilter(blocklists=(str(lists / "plain"),))
    first = build_corpus([stage, Extraction(method="raw")], annotations)
    last = build_corpus([Extraction(method="raw"), stage], annotations)
    assert first.rows.tolist() == last.rows.tolist() == [0, 3, 4] and first.content == last.content
    assert calls == [*(document.url for document in documents), ""]


def test_the_tokenizer_is_still_trained_on_extracted_text(tmp_path: Path, store) -> None:
    text = " ".join(f"word{n} of the old town" for n in range(40))
    rows = [{"text": f"<html><body><p class='x{n}'>{text} {n}</p></body></html>"} for n in range(20)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    overrides = (
        "pool=files",
        f"pool.paths=[{tmp_path}/a.jsonl]",
        "pool.kind=html",
        "evaluate=heldout",
        "evaluate.heldout=x",
        "tokenizer.vocab_size=300",
        "stages.extraction.method=raw",
    )
    digests = {}
    for on in ("true", "false"):
        config = compose([*overrides, f"stages.url_filter.enabled={on}"])
        groups = {key: plain(config[key]) for key in ("pool", "recipe", "stages", "tokenizer")}
        arm = Arm(name="one", levels={}, config=groups)
        digests[on] = CorpusBuilder(arm, store, 1).tokenizer.digest
    assert digests["true"] == digests["false"]


def test_it_is_small_to_ship(lists: Path) -> None:
    stage = UrlFilter(blocklists=(str(lists / "plain"),))
    stage.identity()
    again = pickle.loads(pickle.dumps(stage))
    assert again == stage and len(pickle.dumps(stage)) < 2_000
