"""`ablate init` on folders as people have them: each ends in a study that composes, plans and keeps documents, or in one sentence."""

from __future__ import annotations

import gzip
import json
import random
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ablate.cli import main
from ablate.compose import compose, open_hydra
from ablate.corpus.view import build_corpus
from ablate.inspect.arm import open_arm
from ablate.study.plan import make_plan

WORDS = """
    river field lamp letter garden window bridge farmer teacher engine harbour valley kitchen market forest village
    doctor painter sailor library station mountain orchard cottage carpenter water bread winter summer music paper
    crossed repaired watched described painted measured followed carried remembered visited noticed reached studied
    opened replaced gathered borrowed planted cleaned finished promised explained answered listened travelled built
    old narrow quiet bright heavy distant wooden famous broken careful gentle northern early cheerful dusty ancient
    green silver warm empty simple friendly clever patient strange modern round deep golden honest slowly often
"""
SMALL = "the of and to that with have be in for from by at on they was were it"
GERMAN = "der die das und ist nicht ein Haus Garten Fluss Lehrer Brücke wurde gestern schön alt neben unter Wald Straße geht"


def text(seed: int) -> str:
    """Paragraphs of English words in no order, so that no rule against repetition meets any."""
    draw = random.Random(seed)
    paragraphs = []
    for _ in range(4):
        sentences = []
        for _ in range(4):
            words = [
                word
                for _ in range(7)
                for word in (
                    draw.choice(SMALL.split()),
                    draw.choice(WORDS.split()),
                    draw.choice(WORDS.split()),
                )
            ]
            sentences.append(" ".join(words).capitalize() + ".")
        paragraphs.append(" ".join(sentences))
    return "\n\n".join(paragraphs)


def lines(rows: Sequence[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def fineweb(folder: Path) -> None:
    rows = [
        {
            "text": text(n),
            "id": f"<urn:uuid:{n}>",
            "dump": "CC-MAIN-2024-10",
            "url": f"https://site{n}.org/",
            "date": "2024-02-20T00:00:00Z",
            "file_path": "s3://commoncrawl/x.warc.gz",
            "language": "en",
            "language_score": 0.9 + n / 1000,
            "token_count": 400 + n,
        }
        for n in range(40)
    ]
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / "000_00000.parquet")


def fineweb_edu(folder: Path) -> None:
    """Columns of fineweb-edu-score-2, for which a preset is proposed as a stage."""
    folder.mkdir()
    rows = [
        {"text": text(n), "url": f"https://site{n}.org/", "score": 2 + n / 20, "int_score": 2 + n // 20}
        for n in range(40)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000.parquet")


def nested_parquet(folder: Path) -> None:
    rows = [
        {"body": {"text": text(n)}, "metadata": {"url": f"https://site{n}.org/", "quality": {"edu": n / 8}}}
        for n in range(40)
    ]
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "part-0.parquet")


def dolma(folder: Path) -> None:
    rows = [
        {
            "id": f"d{n}",
            "text": text(n),
            "source": "common-crawl",
            "added": "2024-01-01",
            "created": "2023-05-05",
            "metadata": {"url": f"https://site{n}.org/"},
        }
        for n in range(40)
    ]
    put(folder / "documents" / "cc-0000.json.gz", lines(rows[:20]))
    put(folder / "documents" / "cc-0001.json.gz", lines(rows[20:]))
    tags = [{"id": row["id"], "source": "x", "attributes": {"toxic": [[0, 10, 0.1]]}} for row in rows]
    put(folder / "attributes" / "toxicity" / "cc-0000.json.gz", lines(tags))


def redpajama(folder: Path) -> None:
    rows = [
        {
            "raw_content": (page := text(n)),
            "url": f"https://site{n}.org/",
            "language": "en",
            "bucket": "head",
            "quality_signals": {
                "ccnet_perplexity": [[0, len(page), 100.0 + n]],
                "rps_lines_num_words": [[0, 9, 2], [9, 20, 3]],
            },
        }
        for n in range(40)
    ]
    put(folder / "2023-06" / "0000" / "en_head.json.gz", lines(rows))


def page(n: int) -> str:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in text(n).split("\n\n"))
    return f"<html><head><title>Page</title></head><body><article>{body}</article></body></html>"


def archive(path: Path, records: Sequence[tuple[str, str, str]]) -> None:
    """A WARC file of (type, content type, content), a gzip member each; responses get an HTTP head."""
    members = []
    for n, (kind, content_type, content) in enumerate(records):
        http = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" if kind == "response" else ""
        )
        block = (http + content).encode()
        head = (
            f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-{n:012}>\r\n"
            f"WARC-Date: 2024-02-20T00:00:00Z\r\nWARC-Target-URI: https://site{n}.org/\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n"
        )
        members.append(gzip.compress(head.encode() + block + b"\r\n\r\n", mtime=0))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(members))


def warc(folder: Path) -> None:
    archive(
        folder / "CC-MAIN-20240220-00000.warc.gz",
        [("response", "application/http; msgtype=response", page(n)) for n in range(30)],
    )


def wet(folder: Path) -> None:
    archive(
        folder / "CC-MAIN-20240220-00000.warc.wet.gz",
        [("conversion", "text/plain", text(n)) for n in range(30)],
    )


def wat(folder: Path) -> None:
    archive(
        folder / "CC-MAIN-20240220-00000.warc.wat.gz",
        [("metadata", "application/json", '{"Envelope": {}}') for _ in range(5)],
    )


def datatrove(folder: Path) -> None:
    rows = [{"text": text(n), "id": str(n), "metadata": {"url": f"https://site{n}.org/"}} for n in range(40)]
    put(folder / "output" / "00000.jsonl.gz", lines(rows[:20]))
    put(folder / "output" / "00001.jsonl.gz", lines(rows[20:]))
    put(folder / "removed" / "1_gopher" / "00000.jsonl.gz", lines([{"text": text(n)} for n in range(90, 95)]))
    put(folder / "logs" / "stats.json", b'[{"name": "reader", "stats": {"documents": 40}}]')
    put(folder / "logs" / "completions" / "00000", b"")


def dots(folder: Path) -> None:
    for name, at in (("a.v1.jsonl", 0), ("b.v1.2.jsonl", 20)):
        put(folder / name, lines([{"text": text(n)} for n in range(at, at + 20)]))
    put(folder / "notes.md", b"What these are.")


def mixed(folder: Path) -> None:
    warc(folder / "crawl")
    put(folder / "books" / "part.v2.jsonl", lines([{"text": text(n)} for n in range(100, 120)]))
    put(folder / "cover.png", b"\x89PNG")


def cut(folder: Path) -> None:
    """The first file is whole, the second ends in mid-record."""
    put(folder / "a.jsonl.gz", lines([{"text": text(n)} for n in range(30)]))
    whole = gzip.compress(lines([{"text": text(n)} for n in range(30, 60)]), mtime=0)
    (folder / "b.jsonl.gz").write_bytes(whole[: len(whole) // 2])


def latin(folder: Path) -> None:
    """Text files in Latin-1."""
    for n in range(30):
        put(folder / f"letter{n:02}.txt", f"Café Müller: {text(n)}".encode("latin-1"))


def zipped(path: Path, files: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def zipped_texts(folder: Path) -> None:
    """As macOS packs a folder of texts: a companion of each beside it, which no one sees."""
    letters = {f"letters/{n:02}.txt": text(n).encode() for n in range(30)}
    companions = {f"__MACOSX/letters/._{n:02}.txt": b"\x00\x05\x16\x07 Mac OS X" for n in range(30)}
    zipped(folder / "letters.zip", {**companions, **letters})


def zipped_pages(folder: Path) -> None:
    """Pages in archives, and a cover among them."""
    for at in (0, 15):
        pages = {f"{n}.html": page(n).encode() for n in range(at, at + 15)}
        zipped(folder / f"site{at}.zip", {"cover.png": b"\x89PNG", **pages})


def zipped_records(folder: Path) -> None:
    """Records, behind more texts than are looked at: a pool reads both."""
    notes = {f"notes/{n}.txt": text(100 + n).encode() for n in range(5)}
    zipped(folder / "all.zip", {**notes, "rows.jsonl": lines([{"text": text(n)} for n in range(30)])})


def german(folder: Path) -> None:
    """Gopher's stop words are English, so that its rules keep none of these."""
    draw = random.Random(0)
    rows = [
        {
            "text": "\n\n".join(
                " ".join(draw.choices(GERMAN.split(), k=60)).capitalize() + "." for _ in range(4)
            )
        }
        for _ in range(40)
    ]
    put(folder / "seiten.jsonl", lines(rows))


GOOD: tuple[tuple[Callable[[Path], None], tuple[str, ...]], ...] = (
    (fineweb, ("text=text, url=url, language=language", "token_count: 400 to")),
    (fineweb_edu, ("int_score: 2 to 3",)),
    (nested_parquet, ("text=body.text, url=metadata.url", "metadata.quality.edu: 0 to")),
    (
        dolma,
        ("text=text, url=metadata.url", "left out: 1 files .json in attributes/toxicity (no text in text)"),
    ),
    (redpajama, ("text=raw_content, url=url, language=language", "quality_signals.ccnet_perplexity: 100 to")),
    (warc, ("sample: 30 documents, HTML",)),
    (wet, ("WET", "sample: 30 documents, text")),
    (
        datatrove,
        (
            "left out: 1 files .jsonl in removed/1_gopher (what a filter removed)",
            "left out: 1 files .json in logs",
        ),
    ),
    (dots, ("sample: 40 documents", "not read: 1 files: other files")),
    (mixed, ("pool: warc, 1 files", "pool: files, 1 files", "these are images")),
    (cut, ("b.jsonl.gz: ",)),
    (latin, ("sample: 30 documents, text",)),
    (zipped_texts, ("texts          1 files", "sample: 30 documents, text")),
    (
        zipped_pages,
        (
            "pages          2 files",
            "sample: 30 documents, HTML",
            "skipped in the sample: 2 x not read (.png)",
        ),
    ),
    (zipped_records, ("fields: text=text", "sample: 35 documents, text")),
    (german, ("de 40", "switched off: stage gopher_quality")),
)


@pytest.mark.parametrize(("make", "said"), GOOD, ids=[make.__name__ for make, _ in GOOD])
def test_a_folder_of_documents_ends_in_a_study_that_plans_and_keeps_some(
    make: Callable[[Path], None],
    said: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "mine")
    assert main(["init", "mine", "init.to=conf_of_mine"]) == 0
    printed = capsys.readouterr().out
    for words in said:
        assert words in printed
    hydra = open_hydra("conf_of_mine")
    config = compose(["study=mine", "workers=1", "plan.probe=false"], hydra)
    assert len(make_plan(config).arms) > 2
    held_out = [
        json.loads(line)["text"] for line in Path("conf_of_mine/heldout/mine.jsonl").read_text().splitlines()
    ]
    assert held_out
    with open_arm(config) as (arm, builder):
        corpus = build_corpus(arm.stages(), builder.annotations)
        kept = [one for _, one in builder.annotations.texts(corpus.version, corpus.rows)]
    assert kept
    assert f" keeps {len(kept)} of " in printed  # each of these folders is smaller than the sample
    assert ("switched off" in printed) == (make is german)
    assert make is not latin or all(one.startswith("Café Müller: ") for one in kept)
    assert not set(kept) & set(held_out)


def wat_alone(folder: Path) -> None:
    wat(folder)


def tokens(folder: Path) -> None:
    for ending in (".ds", ".ds.index", ".ds.metadata"):
        put(folder / f"00000_tokens{ending}", b"\x01\x02\x03\x04")


def token_columns(folder: Path) -> None:
    folder.mkdir()
    pq.write_table(pa.table({"input_ids": [[1, 2, 3]] * 5}), folder / "train.parquet")


def saved_dataset(folder: Path) -> None:
    """What `datasets` writes by `save_to_disk`: Arrow, and JSON that only describes it."""
    folder.mkdir()
    table = pa.table({"text": [text(n) for n in range(40)]})
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as file,
        pa.ipc.new_stream(file, table.schema) as out,
    ):
        out.write_table(table)
    put(folder / "dataset_info.json", b"{}")
    put(folder / "state.json", b'{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')


def images(folder: Path) -> None:
    for n in range(3):
        put(folder / f"{n}.png", b"\x89PNG\r\n\x1a\n")


def empty(folder: Path) -> None:
    folder.mkdir()


def empty_files(folder: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        put(folder / name, b"")


def zipped_pictures(folder: Path) -> None:
    zipped(folder / "a.zip", {"a/cover.png": b"\x89PNG", "a/b.jsonl.gz": gzip.compress(b"{}")})


def no_archive(folder: Path) -> None:
    put(folder / "a.zip", text(0).encode())


def all_cut(folder: Path) -> None:
    put(folder / "a.jsonl.gz", lines([{"text": text(0)}]))
    (folder / "a.jsonl.gz").write_bytes((folder / "a.jsonl.gz").read_bytes()[:12])


def one_text(folder: Path) -> None:
    put(folder / "a.jsonl", lines([{"text": text(0)}] * 30))


def numbers(folder: Path) -> None:
    put(folder / "a.csv", b"id,score\n1,2\n3,4\n")


BAD: tuple[tuple[Callable[[Path], None], tuple[str, ...]], ...] = (
    (wat_alone, ("WAT files hold links and headers of pages and no text", "give the WARC or WET files")),
    (tokens, ("these are tokens", "give the folder from before tokenisation")),
    (token_columns, ("is tokenised (its records hold input_ids and no text)", "give the folder from before")),
    (
        saved_dataset,
        ("holds no documents (2 x .json, 1 x .arrow)", "write them as Parquet (dataset.to_parquet)"),
    ),
    (images, ("3 x .png", "these are images: no text")),
    (empty, ("holds no files", "expected WARC or WET files, records")),
    (empty_files, ("no record in mine can be read: the files are empty",)),
    (all_cut, ("no record in mine can be read: a.jsonl.gz: ",)),
    (
        zipped_pictures,
        ("holds no documents (1 x .zip)", "hold no file that is read from an archive: unpack them"),
    ),
    (no_archive, ("no record in mine can be read: a.zip: ",)),
    (one_text, ("too few different documents for a study (30 in the sample", "give a larger folder")),
    (numbers, ("no field of the records in mine holds text (fields: id, score)", "pool.text_column")),
)


@pytest.mark.parametrize(("make", "said"), BAD, ids=[make.__name__ for make, _ in BAD])
def test_another_folder_ends_in_one_sentence_and_nothing_is_written(
    make: Callable[[Path], None],
    said: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "mine")
    assert main(["init", "mine"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ablate: init.folder: mine ") or error.startswith("ablate: init.folder: no ")
    assert error.count("\n") == 1
    for words in said:
        assert words in error
    assert not Path("my_conf").exists()


def test_a_file_that_is_there_is_replaced_only_when_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dots(tmp_path / "mine")
    for place in ("study/mine.yaml", "heldout/mine.jsonl"):
        path = Path("my_conf", place)
        put(path, b"mine\n")
        assert main(["init", "mine"]) == 2
        assert f"{path} is there already" in capsys.readouterr().err
        assert path.read_bytes() == b"mine\n"
        if place.startswith("study"):
            path.unlink()
    assert main(["init", "mine", "init.overwrite=true"]) == 0
    assert "question" in Path("my_conf/study/mine.yaml").read_text()
    assert json.loads(path.read_text().splitlines()[0])["text"]


def test_a_name_with_every_sign_of_a_glob_and_of_yaml_is_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "it's [raw] ${x}"
    dots(folder)
    assert main(["init", folder.name, "study.name=odd"]) == 0
    config = compose(["study=odd", "workers=1"], open_hydra("my_conf"))
    with open_arm(config) as (arm, builder):
        assert build_corpus(arm.stages(), builder.annotations).rows.size
    assert "sample: 40 documents" in capsys.readouterr().out


def test_a_place_to_write_that_is_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dots(tmp_path / "mine")
    Path("taken").write_text("")
    assert main(["init", "mine", "init.to=taken"]) == 2
    assert "init.to: taken is a file" in capsys.readouterr().err
