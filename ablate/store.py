"""Artefacts on disk: written atomically, named by identity, sealed with a sum that is checked at reading.

A sealed file `name` has a hidden neighbour, `.name.sum`, with the XXH3 hash of its bytes (128 bits, in the
form that `xxh128sum -c` reads). The sum is there before its file, and while a file is replaced it names both
versions, so a process that is killed at any instant leaves a file that is whole or one that is absent, never one
that looks damaged. XXH3 finds what disks, memory and copying do to a file; it is no defence against a forger.
A file without a sum does not count as finished: it was made before the store kept sums, or its sum is lost.
Whoever wants a sealed file asks `whole` first, through `once` as a rule, and makes it again when it is not.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from ablate.errors import AblateError, DataError
from ablate.plain import Plain

SUM, PART, MAKING = ".sum", ".part", ".making-"
"""Hidden files: the ending of a file's sum and of what is not finished yet; how a folder in the making begins."""


def _mode() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


MODE = _mode()
"""Of files, as the user's umask has it."""


class Damaged(DataError):
    """A sealed file is not as it was written, or is gone."""


@contextmanager
def atomic(path: Path, *, seal: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    The data reach the disk before the name does, so a reader, or the process after a crash, finds
    the whole file or none. A full disk leaves no file and raises with what was being written.

    Args:
        seal: keep the sum of its bytes beside it, for `whole`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.chmod(MODE)
        if seal:
            put(part, path)
        else:
            part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(
            f"cannot write {path}: {error.strerror or error}. Nothing that was finished is lost; "
            "free some space or mend the folder's rights and run the same command again"
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def put(part: Path, path: Path) -> None:
    """Seal a finished file and give it its name, whatever stood there before."""
    new, earlier = content_sum(part), _sums(path)
    _write_sums(path, [new, *earlier])  # the file that is still there stays whole
    part.replace(path)
    if earlier:
        _write_sums(path, [new])
    _hashed[_mark(path)] = new
    _told.pop(path, None)


def sum_path(path: Path) -> Path:
    """Where a file's sum stands."""
    return path.with_name(f".{path.name}{SUM}")


def _sums(path: Path) -> list[str]:
    """The sums that a file may have, the last one written first; none when it was not sealed."""
    try:
        lines = sum_path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [line.split(" ", 1)[0] for line in lines]


def _write_sums(path: Path, sums: list[str]) -> None:
    # Not synced: should the machine stop before it is on the disk, the file is made again.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}{SUM}.", suffix=PART)
    with open(handle, "w", encoding="utf-8") as file:
        file.write("".join(f"{one}  {path.name}\n" for one in sums))
    Path(name).chmod(MODE)
    Path(name).replace(sum_path(path))


def content_sum(path: Path) -> str:
    """XXH3 of a file's bytes, as seals have it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


_Mark = tuple[int, int, int, int, int]
_hashed: dict[_Mark, str] = {}
_whole: set[tuple[Path, _Mark]] = set()
_told: dict[Path, str] = {}
JOURNAL = "answers.jsonl"
"""Grows line by line, so it has no sum."""
UNSEALED, ABSENT = "it has no sum", "it is not there"
"""What `fault` says of a file that was never sealed, or never written."""


def _mark(path: Path) -> _Mark:
    """Changes whenever a file's bytes are written; the same for hard links of one file."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def fault(path: Path) -> str | None:
    """What is wrong with a sealed file, in a few words; None when its bytes are those that were written.

    A file is read once per process, and again when it was written to.
    """
    try:
        mark = _mark(path)
        if (path, mark) in _whole:
            return None
        sums = _sums(path)
        if not sums:
            return UNSEALED
        if mark not in _hashed:
            _hashed[mark] = content_sum(path)
    except FileNotFoundError:
        return "it is gone" if sum_path(path).exists() else ABSENT
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    if _hashed[mark] not in sums:
        return f"expected {sums[0]}, found {_hashed[mark]}"
    _whole.add((path, mark))
    return None


def whole(path: Path) -> bool:
    """Whether a sealed file is there as it was written; says so when it was written and is not."""
    why = fault(path)
    if why is None:
        return True
    if why == UNSEALED:
        _tell(
            path.parent,
            f"{path.parent} holds files without sums (made by an earlier version, or the sums were "
            "deleted); they are made again",
        )
    elif why != ABSENT:
        _tell(path, f"damaged: {path} ({why}); it is made again")
    return False


def _tell(path: Path, text: str) -> None:
    """One line on standard error, once until the file is written again."""
    if _told.get(path) != text:
        _told[path] = text
        say(text)


def say(text: str) -> None:
    """One line on standard error."""
    print(f"ablate: {text}", file=sys.stderr, flush=True)


def check(path: Path) -> None:
    """Make sure that a file is as it was written, if it was sealed at all.

    Raises:
        Damaged: when it is not; names it.
    """
    why = fault(path)
    if why not in (None, UNSEALED, ABSENT):
        raise Damaged(f"damaged: {path} ({why}); run the same command again: what can be made again is")


def sealed_files(root: Path, *, unsealed: bool = True) -> list[Path]:
    """Every file below a folder that has a sum, gone or not.

    Args:
        unsealed: those without a sum as well, but for locks, logs, journals that grow line by line, and what
            launchers leave in `jobs`.
    """
    found = set()
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "jobs"]
        for name in names:
            if name.startswith(".") and name.endswith(SUM):
                found.add(Path(folder, name[1:].removesuffix(SUM)))
            elif unsealed and not name.startswith(".") and not name.endswith((".lock", ".log", JOURNAL)):
                found.add(Path(folder, name))
    return sorted(found)


def leftovers(root: Path) -> int:
    """How many unfinished files processes left below a folder; those that run now have some too."""
    return sum(1 for _ in root.rglob(f".*{PART}"))


def discard(path: Path) -> None:
    """Delete a sealed file with its sum."""
    path.unlink(missing_ok=True)
    sum_path(path).unlink(missing_ok=True)


def write_text(path: Path, text: str, *, seal: bool = False) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path, seal=seal) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object, *, seal: bool = False) -> None:
    """Write JSON atomically, keys in the order given, NaN refused."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", seal=seal)


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        DataError: when the file is missing or is not JSON.
        Damaged: when it was sealed and is not as it was written.
    """
    check(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); delete it and run again") from None


def write_table(
    path: Path, table: pa.Table, repeating: list[str] | None = None, *, seal: bool = False
) -> None:
    """Write Parquet atomically, compressed with Zstandard.

    Args:
        repeating: the columns worth a dictionary, where that is known; trying it on all costs time.
    """
    with atomic(path, seal=seal) as part:
        pq.write_table(
            table, part, compression="zstd", use_dictionary=True if repeating is None else repeating
        )


def read_table(path: Path) -> pa.Table:
    """Read Parquet.

    Raises:
        Damaged: when it was sealed and is not as it was written.
    """
    check(path)
    return pq.read_table(path)


def share(source: Path, path: Path) -> None:
    """Give a sealed file another name, sealed too: a hard link, or a copy where the file system has none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    discard(path)
    try:
        _write_sums(path, _sums(source))
        path.hardlink_to(source)
    except OSError:
        with atomic(path, seal=True) as part:
            shutil.copyfile(source, part)


class Store:
    """A folder of artefacts, each in a folder of its own named by kind and identity.

    Attributes:
        root: the folder; created when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, kind: str, key: str, identity: Mapping[str, Plain] | None = None) -> Path:
        """The folder of an artefact; with `identity`, what is stored there must be that identity.

        Raises:
            AblateError: when the folder holds another identity under the same key.
        """
        folder = self.root / kind / key
        if identity is not None:
            path = folder / "identity.json"
            once(f"naming {folder}", lambda: write_json(path, identity, seal=True), path)
            if read_json(path) != json.loads(json.dumps(identity)):
                raise AblateError(
                    f"{path} describes another {kind} than the one wanted under this key; "
                    f"delete {folder} and run again"
                )
        return folder


NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
"""What file systems without locks answer."""


class Busy(AblateError):
    """Another process holds the lock."""


@contextmanager
def lock(path: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on `path` for the block; the system frees it when the process dies.

    Args:
        wait: for a process that holds it, and say so; otherwise raise.
    Raises:
        Busy: at once, when another process holds it; names that process.
        DataError: when the file system has no locks.
    """
    with _opened(path) as file:
        if not _locked(file, path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            file.seek(0)
            holder = file.read().strip() or "unknown"
            if not wait:
                raise Busy(
                    f"{what} is already running in process {holder} (lock file {path}); "
                    "wait for it or stop it, then run the same command again"
                )
            say(f"waiting for process {holder}: {what}")
            _locked(file, path, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()} on {socket.gethostname()}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)  # a name that stays is that of a process which was killed


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+")
    except OSError as error:
        raise DataError(
            f"{path}, a lock, cannot be opened for writing: {error.strerror or error}. What is to be made goes beside it: mend the "
            "folder's rights or room, or choose another store or study.dir"
        ) from None


def _locked(file: TextIO, path: Path, how: int) -> bool:
    """Take a lock; False when another process holds it and `how` does not wait."""
    try:
        fcntl.flock(file, how)
        return True
    except BlockingIOError:
        return False
    except OSError as error:
        advice = "the file system says so: look after it, then run the same command again"
        if error.errno in NO_LOCKS:
            advice = (
                "its file system must have locks (Lustre: mounted with flock; NFS: with its lock service); else keep store and "
                "study.dir on one that has"
            )
        elif error.errno == errno.ESTALE:
            advice = "another node has replaced or deleted the folder: run the same command again"
        raise DataError(f"{path} cannot be locked: {error.strerror or error}; {advice}") from None


def abandoned(path: Path) -> bool:
    """Whether the last process that held a lock was killed in it; said once, then it is forgotten."""
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = bool(file.read())
            file.truncate(0)
            return left
    except OSError:  # there never was one, or somebody holds it
        return False


@contextmanager
def making(folder: Path, what: str) -> Iterator[None]:
    """Be alone in making what a folder holds; a second process waits and then looks again.

    What processes that were killed left unfinished in it is cleared away.
    """
    with lock(folder / ".lock", what, wait=True):
        clear_parts(folder)
        yield


LONG_AGO_S = 3600.0
"""No file takes as long to write."""


def clear_parts(folder: Path, older_s: float = 0.0) -> None:
    """Delete what killed processes left unfinished in a folder.

    Args:
        older_s: only what was last written to so long ago; 0 is for who alone writes there.
    """
    for part in folder.rglob(f".*{PART}"):
        with suppress(FileNotFoundError):
            if not older_s or time.time() - part.stat().st_mtime >= older_s:
                part.unlink()
    for made in folder.glob(f"{MAKING}*"):
        shutil.rmtree(made, ignore_errors=True)


def once(what: str, make: Callable[[], None], *paths: Path) -> None:
    """Make sealed files of one folder unless they are all there and whole; one process at a time.

    Args:
        what: is being made, for a process that has to wait.
        make: writes all of `paths`.
    """
    if not all([whole(path) for path in paths]):
        with making(paths[0].parent, what):
            if not all([whole(path) for path in paths]):
                make()


FILES = "files.json"
"""Lists the files of an artefact whose names its maker chooses; written last."""


def whole_files(folder: Path) -> bool:
    """Whether a folder that `once_files` filled is as it was written, every file of it."""
    index = folder / FILES
    return whole(index) and all([whole(folder / name) for name in read_json(index)["files"]])


def once_files(folder: Path, what: str, write: Callable[[Path], None], of: Plain = None) -> None:
    """Fill a folder with sealed files unless they are all there and whole; one process at a time.

    Args:
        what: is being made, for a process that has to wait.
        write: puts the files into a folder that is given to it, in subfolders if it likes.
        of: what the files are made of, plain data; other files in their place are replaced.
    """
    index = folder / FILES

    def found() -> bool:
        return whole_files(folder) and bool(read_json(index)["of"] == of)

    if found():
        return
    with making(folder, what):
        if found():
            return
        for name in read_json(index)["files"] if whole(index) else ():
            discard(folder / name)
        discard(index)
        with tempfile.TemporaryDirectory(dir=folder, prefix=MAKING) as name:
            made = Path(name)
            write(made)
            files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
            for file in files:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                put(made / file, folder / file)
        write_json(index, {"of": of, "files": [file.as_posix() for file in files]}, seal=True)
