"""A sealed file is whole, absent or known to be damaged, whenever the process that writes it is killed."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate import store
from ablate.errors import DataError
from ablate.store import (
    Damaged,
    Store,
    atomic,
    clear_parts,
    fault,
    making,
    once,
    once_files,
    read_json,
    sealed_files,
    share,
    sum_path,
    whole,
    write_json,
    write_text,
)


def test_a_sum_is_that_of_the_files_bytes_in_the_form_of_xxh128sum(tmp_path: Path) -> None:
    # What the reference implementation gives for no bytes at all, and for "abc".
    for text, known in ("", "99aa06d3014798d86001c324468d497f"), ("abc", "06b05ab6733a618578af5f94892f3950"):
        write_text(tmp_path / "a.txt", text, seal=True)
        assert sum_path(tmp_path / "a.txt").read_text() == f"{known}  a.txt\n"
    assert whole(tmp_path / "a.txt")
    write_text(tmp_path / "plain.txt", "abc")
    assert not sum_path(tmp_path / "plain.txt").exists(), "what people read has no sum beside it"
    assert not whole(tmp_path / "plain.txt"), "a file without a sum does not count as finished"


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b'{"a": 2}\n'),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes() + b" "),
        lambda path: path.unlink(),
        lambda path: sum_path(path).write_bytes(b""),
        lambda path: sum_path(path).write_bytes(b"\xff" + sum_path(path).read_bytes()[1:]),
    ],
)
def test_what_is_not_as_it_was_written_is_named_and_made_again(
    tmp_path: Path, change: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    path, made = tmp_path / "folder" / "a.json", []

    def make() -> None:
        made.append(1)
        write_json(path, {"a": 1}, seal=True)

    once("it", make, path)
    once("it", make, path)
    assert made == [1] and capsys.readouterr().err == ""
    change(path)
    store._whole.clear()  # as in another process
    once("it", make, path)
    assert made == [1, 1] and str(path.parent) in capsys.readouterr().err
    assert read_json(path) == {"a": 1} and fault(path) is None


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1}, seal=True)
    assert read_json(path) == {"a": 1}
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text(path.read_text().replace("1", "2"))
    os.utime(path, ns=times)
    with pytest.raises(Damaged, match=r"a\.json"):
        read_json(path)


KILLED = """
import os, signal, sys
from pathlib import Path
from ablate.store import write_text
events, path = int(sys.argv[1]), Path(sys.argv[2])
seen = 0
def watch(event, arguments):
    global seen
    if event in ("os.rename", "open", "os.chmod", "os.remove") and str(path.parent) in str(arguments[0]):
        seen += 1
        if seen == events:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
write_text(path, sys.argv[3], seal=True)
"""


def test_a_kill_at_any_event_leaves_the_old_or_the_new_file_whole(tmp_path: Path) -> None:
    """SIGKILL at each file event of writing over a sealed file, twice over, so that kills add up."""
    path, events, done = tmp_path / "folder" / "a.txt", 1, False
    while not done:
        versions = [f"version {events}", f"version {events} again"]
        before = path.read_text() if path.exists() else None
        codes = [
            subprocess.run([sys.executable, "-c", KILLED, str(events), str(path), text]).returncode
            for text in versions
        ]
        assert set(codes) <= {0, -signal.SIGKILL}
        done = codes == [0, 0]
        if path.exists():
            assert fault(path) is None
            assert path.read_text() in (before, *versions)
        events += 1
    assert events > 5 and path.read_text() == versions[1]
    with making(path.parent, "this"):
        pass
    assert sorted(one.name for one in path.parent.iterdir()) == [".a.txt.sum", ".lock", "a.txt"]


def test_a_folder_of_files_is_whole_or_made_again(tmp_path: Path) -> None:
    made = []

    def write(folder: Path) -> None:
        made.append(1)
        (folder / "sub").mkdir()
        (folder / "a").write_text("a")
        (folder / "sub" / "b").write_text("b" * len(made))

    folder = tmp_path / "folder"
    once_files(folder, "it", write, of=1)
    once_files(folder, "it", write, of=1)
    assert len(made) == 1
    (folder / "sub" / "b").unlink()
    once_files(folder, "it", write, of=1)
    assert len(made) == 2 and (folder / "sub" / "b").read_text() == "bb"
    once_files(folder, "it", write, of=2)
    assert len(made) == 3, "made of something else"
    assert [fault(path) for path in sealed_files(folder)] == [None] * 3


def test_a_name_that_is_shared_is_sealed_too(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "one", seal=True)
    share(tmp_path / "a", tmp_path / "other" / "b")
    assert whole(tmp_path / "other" / "b")
    with (tmp_path / "a").open("r+") as file:
        file.write("two")
    assert not whole(tmp_path / "a") and not whole(tmp_path / "other" / "b")


def test_a_store_that_only_may_be_read_can_be_read(tmp_path: Path) -> None:
    here = Store(tmp_path)
    folder = here.folder("kind", "key", {"a": 1})
    (folder / ".lock").unlink(missing_ok=True)
    folder.chmod(0o555)
    try:
        assert here.folder("kind", "key", {"a": 1}) == folder
        assert not (folder / ".lock").exists(), "nothing is locked where nothing is missing"
    finally:
        folder.chmod(0o755)


def test_leftovers_are_cleared_and_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / ".a.x1.part").write_text("half")
    clear_parts(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="cannot write"), atomic(tmp_path / "a", seal=True) as part:
        part.unlink()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (errno.ENOSYS, "must have locks"),
        (errno.ENOLCK, "must have locks"),
        (errno.ESTALE, "another node"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize("holds", [False, True], ids=["free", "waiting"])
def test_what_a_file_system_says_of_a_lock_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int, said: str, holds: bool
) -> None:
    """Whether it answers at once, or only the one who waits for another process."""

    def refuses(file: object, how: int) -> None:
        if holds and how & fcntl.LOCK_NB:
            raise BlockingIOError(errno.EWOULDBLOCK, "held")
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(fcntl, "flock", refuses)
    with pytest.raises(DataError, match=said) as problem, store.lock(tmp_path / "a.lock", "work", wait=True):
        pass
    assert str(tmp_path / "a.lock") in str(problem.value) and "already running" not in str(problem.value)


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(DataError, match="cannot be opened for writing"),
        store.lock(tmp_path / "file" / "a.lock", "work"),
    ):
        pass
