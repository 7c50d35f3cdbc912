"""Work shared among copies of the process: the same results, whatever becomes of a copy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ablate.evaluate import fork_map as module
from ablate.evaluate.fork_map import fork_map, processes_for, shared_array

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def children() -> list[int]:
    return [int(number) for number in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_every_piece_is_done_once_each_process_on_one_thread(processes: int) -> None:
    done, by, on = (shared_array(20, np.int64) for _ in range(3))

    def work(piece: int) -> None:
        done[piece] += 1
        by[piece], on[piece] = os.getpid(), torch.get_num_threads()
        time.sleep(0.05)  # long enough for every copy to come to it

    before, threads = children(), torch.get_num_threads()
    fork_map(work, range(20), processes)
    assert done.tolist() == [1] * 20
    assert len(set(by)) == processes and os.getpid() in by
    assert set(on) == {1 if processes > 1 else threads}
    assert torch.get_num_threads() == threads and children() == before


@pytest.mark.parametrize(
    "ends", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: 1 / 0, lambda: time.sleep(60)]
)
def test_what_a_copy_does_not_end_is_done_here(
    ends: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    done, parent, before = shared_array(6, np.int64), os.getpid(), children()

    def work(piece: int) -> None:
        if os.getpid() != parent:
            ends()
        time.sleep(0.05)
        done[piece] = 1 + piece

    begun = time.monotonic()
    fork_map(work, range(6), 2)
    assert done.tolist() == [1, 2, 3, 4, 5, 6]
    assert time.monotonic() - begun < 10 and children() == before


def test_an_error_here_ends_the_copies_and_is_raised() -> None:
    parent, before = os.getpid(), children()

    def work(piece: int) -> None:
        if os.getpid() == parent:
            raise ValueError("told to")
        time.sleep(60)

    begun = time.monotonic()
    with pytest.raises(ValueError, match="told to"):
        fork_map(work, range(4), 2)
    assert time.monotonic() - begun < 10 and children() == before


def test_copies_of_a_killed_process_stop(tmp_path: Path) -> None:
    done = tmp_path / "done"
    script = (
        "import sys, time\n"
        "from ablate.evaluate.fork_map import fork_map\n"
        "def work(piece):\n"
        "    with open(sys.argv[1], 'a') as file: file.write(f'{piece}\\n')\n"
        "    time.sleep(0.1)\n"
        "fork_map(work, range(1000), 3)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(done)]) as process:
        until = time.monotonic() + 60
        while not (done.exists() and done.read_text().count("\n") > 6) and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
    time.sleep(1)
    left = done.read_text()
    time.sleep(1)
    assert left and done.read_text() == left


def test_one_process_per_thread_and_no_fewer_than_two_pieces_each(threads: Callable[[int], None]) -> None:
    threads(4)
    assert [processes_for(count) for count in (0, 1, 2, 4, 5, 8, 100)] == [1, 1, 1, 2, 2, 4, 4]
    threads(1)
    assert processes_for(100) == 1
