"""A pool is named by what was read: changed content is noticed under the same path, the path itself is nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import ablate.fingerprint as fingerprint
from ablate.pool.files import Files
from ablate.pool.hub import Hub
from ablate.pool.pool import build_pool
from ablate.pool.source import Source
from ablate.store import Store

ROWS = [{"text": f"It rained all night over town number {n}.", "date": "2024-01-01"} for n in range(6)]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def source(kind: str, folder: Path) -> Source:
    return Hub(path=str(folder)) if kind == "hf" else Files(paths=[str(folder)])


@pytest.mark.parametrize("kind", ["files", "hf"])
def test_changed_content_under_the_same_path_counts(kind: str, tmp_path: Path, store: Store) -> None:
    path = write(tmp_path / "data" / "a.jsonl", ROWS)
    assert len(build_pool(source(kind, path.parent), store)) == 6
    write(path, ROWS[:2])
    assert len(build_pool(source(kind, path.parent), store)) == 2


@pytest.mark.parametrize("kind", ["files", "hf"])
def test_so_it_does_when_size_and_time_are_kept(kind: str, tmp_path: Path, store: Store) -> None:
    """As `cp -p` keeps them."""
    path = write(tmp_path / "data" / "a.jsonl", ROWS)
    before, stat = build_pool(source(kind, path.parent), store), path.stat()
    path.write_text(path.read_text().replace("rained", "snowed"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    after = build_pool(source(kind, path.parent), store)
    assert after.digest != before.digest
    assert all("snowed" in text for text in after.column("text").to_pylist())


@pytest.mark.parametrize("kind", ["files", "hf"])
def test_the_same_content_elsewhere_has_the_same_digest(kind: str, tmp_path: Path, store: Store) -> None:
    path = write(tmp_path / "data" / "a.jsonl", ROWS)
    here = build_pool(source(kind, path.parent), store)
    shutil.copytree(path.parent, tmp_path / "elsewhere" / "data")
    there = build_pool(source(kind, tmp_path / "elsewhere" / "data"), store)
    assert (there.name, there.digest) == (here.name, here.digest)
    (tmp_path / "elsewhere" / "data" / "a.jsonl").rename(tmp_path / "elsewhere" / "data" / "b.jsonl")
    (tmp_path / "elsewhere" / "data").rename(tmp_path / "elsewhere" / "other")
    renamed = build_pool(source(kind, tmp_path / "elsewhere" / "other"), store)
    assert renamed.digest == here.digest, "what is measured and trained does not depend on names of files"
    assert renamed.name != here.name, "what is said of the documents does"


def test_what_is_said_of_documents_is_kept_apart(tmp_path: Path, store: Store) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    before = build_pool(Files(paths=[str(path)]), store)
    write(path, [row | {"date": "2025-01-01"} for row in ROWS])
    after = build_pool(Files(paths=[str(path)]), store)
    assert after.digest == before.digest
    assert {json.loads(text)["date"] for text in after.column("metadata").to_pylist()} == {"2025-01-01"}


def test_files_are_read_again_after_an_upgrade(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    class Counted(Files):
        def documents(self):
            read.append(1)
            yield from super().documents()

    path = write(tmp_path / "a.jsonl", ROWS)
    for _ in range(2):
        build_pool(Counted(paths=[str(path)]), store)
    assert len(read) == 1
    installed = fingerprint.importlib.metadata.version
    monkeypatch.setattr(fingerprint.importlib.metadata, "version", lambda name: installed(name) + ".1")
    build_pool(Counted(paths=[str(path)]), store)
    assert len(read) == 2
