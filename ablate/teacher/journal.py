"""Answers on disk: a line is appended and synced the moment an answer arrives, so it is paid for once."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any

from ablate.errors import DataError
from ablate.reading.records import clean_text
from ablate.store import lock
from ablate.teacher.question import Answer


class Journal:
    """Answers by document key; safe to use from several threads.

    Attributes:
        answers: key -> answer.
    """

    def __init__(self, path: Path, file: FileIO, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self._path, self._file, self._lock = path, file, Lock()

    def add(self, key: str, answer: Answer) -> None:
        """Keep an answer; it is on the disk when this returns. The first answer to a question stays its answer."""
        self.add_all({key: answer})

    def add_all(self, answers: Mapping[str, Answer]) -> None:
        """Keep several answers that came together; they are on the disk when this returns."""
        with self._lock:
            new = {
                key: replace(answer, text=clean_text(answer.text))
                for key, answer in answers.items()
                if key not in self.answers
            }
            rows = [
                json.dumps({"key": key, **_said(answer)}, ensure_ascii=False) for key, answer in new.items()
            ]
            lines = "".join(f"{row}\n" for row in rows).encode()
            end = os.fstat(self._file.fileno()).st_size
            try:
                if self._file.write(lines) < len(lines):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self._file.fileno())
            except OSError as error:
                with suppress(OSError):  # half a line must not stand before the next one
                    self._file.truncate(end)
                raise DataError(
                    f"cannot write {self._path}: {error.strerror or error}. What was answered before is kept; "
                    "free some space or mend the folder's rights and run the same command again"
                ) from error
            self.answers |= new


def _said(answer: Answer) -> dict[str, Any]:
    """An answer's fields but those that the teacher says nothing of, as answers were kept before there were such."""
    row = dict(vars(answer))
    if row["finish_reason"] is None:
        del row["finish_reason"]
    return row


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """The journal in a folder, for one process at a time.

    A last line that a crash cut off is left out; its question is asked again.

    Raises:
        Busy: when another process writes to it.
        DataError: for a damaged line before the last.
    """
    path = folder / "answers.jsonl"
    with lock(folder / "answers.lock", "asking this teacher"):
        answers, torn = read_answers(path)
        with path.open("ab", buffering=0) as file:
            if torn is not None:
                file.truncate(torn)
            yield Journal(path, file, answers)


def read_answers(path: Path) -> tuple[dict[str, Answer], int | None]:
    """Answers by key, and where a cut-off last line begins.

    Raises:
        DataError: for a damaged line before the last.
    """
    answers: dict[str, Answer] = {}
    if not path.exists():
        return answers, None
    begin = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return answers, begin
            try:
                row = json.loads(line)
                key = row.pop("key")
                answers.setdefault(key, Answer(**row))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise DataError(
                    f"{path}, line {number} is damaged ({error}); delete that line and run again: "
                    "its question will be asked once more"
                ) from None
            begin += len(line)
    return answers, None
