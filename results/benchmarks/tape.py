"""What the hand-made backward tape is worth: a step's gradients by it and by autograd, over the same kernels.

    python results/benchmarks/tape.py --out results/benchmarks/tape.md

Both make the same gradients (checked; autograd rounds them to the type that is computed in, the tape leaves some in
fp32), from the same weights and sequences, in turn, in one process. A pair's ratio is autograd's time over the tape's;
shown are the medians. The tape (`Tape` in `ablate/train/kernels.py`) stays while it saves 5 % of the gradients of a
proxy that sweeps train.
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path
from statistics import median

import torch
from omegaconf import OmegaConf
from torch import Tensor

from ablate.config import CONF, make
from ablate.train.config import has_amx
from ablate.train.device import keep_freed_memory
from ablate.train.kernels import interleaved, split_half
from ablate.train.proxy import ProxyConfig
from ablate.train.stack import StackedLoss, _apply, build_weights

RUNGS = {"tiny": 1024, "1m": 4096, "3m": 8192}
"""Proxy -> vocabulary."""
BATCH_TOKENS, WARM = 1024, 3


class ByAutograd(StackedLoss):
    """The same kernels, followed by autograd's graph in place of the tape."""

    def gradients(
        self, matrices: Tensor, vectors: Tensor, sequences: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `StackedLoss.gradients` with the tape."""
        of_matrices, of_vectors = torch.empty_like(matrices), torch.empty_like(vectors)
        with torch.no_grad():
            exact, weights, wanted = map(
                self._cut, (matrices, matrices.to(self.dtype, copy=True), of_matrices)
            )
            for mine, theirs in zip(self._queries_keys(weights), self._queries_keys(exact), strict=True):
                interleaved(mine, self.head).copy_(split_half(theirs, self.head))
        leaves = [part.detach().requires_grad_() for part in (*weights, *self._norms(vectors))]
        weights, norms = leaves[: len(weights)], leaves[len(weights) :]
        losses = self._run(_apply, weights, norms, sequences, self._by_kernels(_apply, self._blocks))
        found = torch.autograd.grad(losses.sum(), leaves)
        with torch.no_grad():
            of_weights, of_norms = found[: len(weights)], found[len(weights) :]
            for mine, theirs in zip(wanted, of_weights, strict=True):
                mine.copy_(theirs)
            for mine, theirs in zip(
                self._queries_keys(wanted), self._queries_keys(list(of_weights)), strict=True
            ):
                split_half(mine, self.head).copy_(interleaved(theirs, self.head))
            torch.cat(of_norms, 1, out=of_vectors.view(len(vectors), -1, self.proxy.hidden_size))
        return losses.detach().clone(), of_matrices, of_vectors


def compare(rung: str, runs: int, dtype: torch.dtype, pairs: int) -> list[str]:
    """A row: milliseconds by autograd and by the tape, and the median ratio of the pairs."""
    proxy = make(OmegaConf.load(CONF / "proxy" / f"{rung}.yaml"), "proxy")
    assert isinstance(proxy, ProxyConfig)
    device, vocabulary = torch.device("cpu"), RUNGS[rung]
    weights = build_weights(proxy, vocabulary, range(runs), device)
    generator = torch.Generator().manual_seed(0)
    shape = (runs, BATCH_TOKENS // proxy.context, proxy.context + 1)
    sequences = torch.randint(0, vocabulary, shape, generator=generator)
    ways = [kind(proxy, vocabulary, device, dtype) for kind in (ByAutograd, StackedLoss)]
    assert all(way.turns is not None for way in ways), "the tape is for CPUs and contexts that it is used at"
    ours = [way.gradients(*weights.parts, sequences) for way in ways]
    near = 1e-2 if dtype == torch.bfloat16 else 1e-5
    for one, other in zip(*ours, strict=True):
        assert float((one - other).norm() / other.norm()) < near, "the two ways differ"
    times: list[list[float]] = [[], []]
    for number in range(WARM + pairs):
        for place in (0, 1) if number % 2 else (1, 0):
            begin = time.perf_counter()
            ways[place].gradients(*weights.parts, sequences)
            if number >= WARM:
                times[place].append(time.perf_counter() - begin)
    ratio = median(one / other for one, other in zip(*times, strict=True))
    shown = [f"{1000 * median(each):.1f}" for each in times]
    return [
        rung,
        str(runs),
        str(dtype).removeprefix("torch."),
        str(torch.get_num_threads()),
        *shown,
        f"**{ratio:.3f}**",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    keep_freed_memory()
    rows = []
    for threads in given.threads:
        torch.set_num_threads(threads)
        for dtype in (torch.bfloat16, torch.float32) if has_amx() else (torch.float32,):
            for rung, runs in (("tiny", 1), ("tiny", 8), ("1m", 1), ("1m", 4), ("3m", 1)):
                rows.append(compare(rung, runs, dtype, given.pairs))
                print(*rows[-1], flush=True)
    head = ["proxy", "runs in lockstep", "computed in", "threads", "autograd, ms", "tape, ms", "ratio"]
    table = ["| " + " | ".join(cells) + " |" for cells in (head, [":--"] + ["--:"] * 6, *rows)]
    text = (
        f"# What the backward tape is worth\n\n`python results/benchmarks/tape.py`; torch {torch.__version__}, "
        f"{platform.machine()}, {'AMX' if has_amx() else 'no AMX'}, {given.pairs} pairs each, {BATCH_TOKENS:,} tokens a run and "
        "step. Gradients of a step, without clipping and AdamW.\n\n" + "\n".join(table) + "\n"
    )
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
