"""Batch, learning rate and budget that suit a model's size, from published ladders of small models.

Porian et al. 2024 ("Resolving Discrepancies in Compute-Optimal Scaling of Language Models", arXiv 2406.19146) found
the best batch and learning rate as powers of the size; OLMo-core's model ladder takes them as

    batch = 2,048 x 160 (N / 108M)^(2/3) tokens,    learning rate = 0.0047 (N / 108M)^(-1/3)

(`olmo_core/model_ladder/wsds_chinchilla_run_configurator.py`; it halves the rate for its own schedule, which holds it
constant, where ours decays by a cosine). N counts parameters without the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NotRequired, TypedDict

ANCHOR, RATE, BATCH = 108_000_000, 0.0047, 2048 * 160
"""Size at which the fits give this rate and so many tokens a batch."""
SMALLEST = 4_000_000
"""The smallest model of the ladders (DataDecide, Magnusson et al. 2025); below it they say nothing."""
FAR = 8.0
"""Times off the ladder from which on a recipe is warned about: FineWeb's own rate is a sixth of the ladder's at its size."""


class Shape(TypedDict):
    """The keys of the group `proxy` that a size is counted from, as `ProxyConfig` has them."""

    hidden_size: int
    layers: int
    heads: int
    kv_heads: NotRequired[int | None]
    intermediate_size: int
    context: int


def body_parameters(proxy: Shape) -> int:
    """Parameters without the embeddings: the layers' matrices and all norms.

    Args:
        proxy: the group `proxy`.
    """
    width, inner, heads = proxy["hidden_size"], proxy["intermediate_size"], proxy["heads"]
    shared = width // heads * (proxy.get("kv_heads") or heads)
    layer = 2 * width * width + 2 * width * shared + 3 * width * inner + 2 * width
    return proxy["layers"] * layer + width


def ladder_lr(parameters: int) -> float:
    """Peak learning rate, two significant digits."""
    return float(f"{RATE * (parameters / ANCHOR) ** (-1 / 3):.2g}")


def ladder_batch(parameters: int, context: int) -> int:
    """Tokens a step: the nearest number of whole sequences, at least one."""
    fitted: float = BATCH * (parameters / ANCHOR) ** (2 / 3)
    return max(1, round(fitted / context)) * context


def off_ladder(proxy: Shape, *, lr: float, batch_tokens: int) -> str | None:
    """A warning where a recipe is far from what suits the size; None where it is not, or where ladders say nothing."""
    size = body_parameters(proxy)
    if size < SMALLEST:
        return None
    rate, batch = ladder_lr(size), ladder_batch(size, proxy["context"])
    far = []
    if not rate / FAR <= lr <= rate * FAR:
        far.append(f"train.lr={lr:g}, where published ladders of this size have about {rate:g}")
    if not batch / FAR <= batch_tokens <= batch * FAR:
        far.append(f"train.batch_tokens={batch_tokens:,}, where they have about {batch:,}")
    if not far:
        return None
    return f"warning: {' and '.join(far)} ({size / 1e6:,.0f}M parameters without embeddings); train=ladder takes theirs"


RESOLVERS: dict[str, Callable[..., float]] = {
    "ladder_lr": lambda proxy: ladder_lr(body_parameters(proxy)),
    "ladder_batch": lambda proxy: ladder_batch(body_parameters(proxy), proxy["context"]),
    "ladder_tokens": lambda proxy, per_parameter: body_parameters(proxy) * per_parameter,
}
"""What `conf/train/ladder.yaml` asks of the group `proxy`."""
