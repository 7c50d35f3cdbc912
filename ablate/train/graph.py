"""Many small kernels launched as one: a CUDA graph of a step's gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LAUNCHED_FLOPS = 1e13
"""Up to so many FLOP a step is captured: on an H200 one of 1.9e10, at 0.8M parameters, took 22 ms launched kernel by kernel,
of which the GPU worked 1.2; the 1e14 of 150M parameters take it 300 ms. In between nothing was measured. Above, a graph
would save little, and it keeps the activations' memory."""


class Captured:
    """A function of tensors that stay where they are, and of one batch after another of the same shape.

    What it returns is overwritten by the next call.

    Args:
        function: called with the batch; reads no tensor's value on the host.
        batch: an example.
    """

    def __init__(self, function: Callable[[Tensor], tuple[Tensor, ...]], batch: Tensor) -> None:
        self._batch = batch.clone()
        # The first calls choose kernels and allocate their workspaces, which a capture must not.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                function(self._batch)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        # Another thread reads batches ahead; only what this one does is captured.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._out = function(self._batch)

    def __call__(self, batch: Tensor) -> tuple[Tensor, ...]:
        """What the function makes of the batch."""
        self._batch.copy_(batch)
        self._graph.replay()
        return self._out
