"""Hand 1,500 stub runs to a real Slurm whose arrays hold 1,001 jobs: `python arrays.py FOLDER`, SLURM_CONF set.

Each job touches one file, by a shell; what is shown is how the sweep's own code cuts, hands in, waits and leaves the queue.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from ablate.executor.slurm_queue import SlurmQueue
from ablate.study.detached import Batch, DetachedJobs, Step

RUNS = [("arm", seed) for seed in range(1500)]


def main(folder: Path) -> None:
    done, queue = folder / "done", SlurmQueue()
    done.mkdir(parents=True)
    arrays: list[int] = []

    def hand_in(batch: Batch) -> None:
        seeds = " ".join(str(seed) for ((_, seed),) in batch.groups)
        script = f"#!/bin/bash\nseeds=({seeds})\ntouch {done}/${{seeds[$SLURM_ARRAY_TASK_ID]}}\n"
        path = batch.folder / "job.sh"
        path.write_text(script)
        arrays.append(len(batch.groups))
        subprocess.run(
            [
                "sbatch",
                f"--job-name={batch.name}",
                f"--array=0-{len(batch.groups) - 1}",
                "--output=/dev/null",
                str(path),
            ],
            check=True,
            capture_output=True,
        )

    began = time.monotonic()
    jobs = DetachedJobs(folder / "jobs", folder / "study", hand_in, queue, print)
    jobs.run(RUNS, Step.RUNS, lambda some: [[run] for run in some], lambda run: (done / str(run[1])).exists())
    jobs.clear()
    left = subprocess.run(["squeue", "-h", "-r"], capture_output=True, text=True, check=True).stdout
    print(
        f"MaxArraySize {queue.most}: arrays of {arrays}, {len(list(done.iterdir()))} runs done, {len(left.splitlines())} jobs left, "
        f"{time.monotonic() - began:.0f} s"
    )


main(Path(sys.argv[1]).resolve())
