"""An accelerator: how much it computes, and what an hour of it costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """For which a plan computes training time and price.

    Attributes:
        name: what it is called.
        peak_flops: dense bf16, per second.
        usd_per_hour: of one; null where no price is known, and none is then computed.
    """

    name: str
    peak_flops: float
    usd_per_hour: float | None = None

    def __post_init__(self) -> None:
        if not self.peak_flops > 0:
            raise ValueError(f"peak_flops must be above zero, got {self.peak_flops}")
        if self.usd_per_hour is not None and not self.usd_per_hour >= 0:
            raise ValueError(f"usd_per_hour must be zero or more, got {self.usd_per_hour}")

    def seconds(self, flops: float, share: float) -> float:
        """Return the time of training, when it reaches a share of the peak."""
        return flops / (self.peak_flops * share)

    def price(self, seconds: float) -> float | None:
        """Return the price in dollars; None where an hour has none."""
        return None if self.usd_per_hour is None else seconds / 3600 * self.usd_per_hour
