"""What the rates of a planted defect cost in trained runs, in a table and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ablate.effects.tolerance import Tolerable, tolerable_dose
from ablate.inspect.dose import Response
from ablate.render.tables import markdown, p_text, signed

HEADER = ("rate", "cost", "95 %, all rates together")


def cost_page(name: str, rates: Sequence[float], response: Response, tolerance: float) -> str:
    """Table and words of one defect, as Markdown.

    Args:
        name: of the defect.
        rates: ascending; those of the rows of `response.scores`.
        tolerance: in the metric's units.
    """
    found = tolerable_dose(response.scores, rates, tolerance, higher_is_better=response.higher_is_better)
    cells = [
        [f"{rate:g}", signed(cost.estimate), f"[{signed(cost.ci_low)}, {signed(cost.ci_high)}]"]
        for rate, cost in zip(rates[1:], found.costs, strict=True)
    ]
    n_seeds = found.per_unit.n_seeds
    head = (
        f"**{name}**: cost in {response.metric} against a rate of {rates[0]:g}, above zero is worse; {n_seeds} seeds. "
        "A rate is a share of the pool's documents; what the stages remove of them is part of what is measured."
    )
    words = cost_words(found, rates, tolerance, response.metric)
    return "\n\n".join([head, markdown(HEADER, cells, remark=False), words])


def cost_words(found: Tolerable, rates: Sequence[float], tolerance: float, metric: str) -> str:
    """From which rate on the tolerance is exceeded, or why that is not said."""
    more = f"{tolerance:g} {metric}"
    said = []
    if found.refused == "one seed":
        return "One seed, or none that all rates share: no interval, and nothing is said of a tolerance."
    slope = f"{signed(found.per_unit.estimate)} [{signed(found.per_unit.ci_low)}, {signed(found.per_unit.ci_high)}] a unit of the rate"
    fits = "" if math.isnan(found.lack_of_fit) else f", lack of fit p = {p_text(found.lack_of_fit)}"
    line = f"The line: {slope}{fits}."
    top = f"{rates[-1]:g}, the highest rate that was run"
    if found.refused == "lack of fit":
        said.append(f"{line} The costs are not on a line, so that no rate is read off one.")
    elif found.refused == "no cost":
        low = (
            f"; if there is one, {more} is not reached below {found.low:.3g}"
            if not math.isnan(found.low)
            else ""
        )
        said.append(f"{line} No cost was seen{low}.")
    elif found.refused == "beyond":
        said.append(f"{line} It reaches {more} only beyond {top}; at the earliest at {found.low:.3g} (95 %).")
    else:
        end = "open: the slope may be zero" if math.isinf(found.high) else f"{found.high:.3g}"
        beyond = " (beyond what was run)" if rates[-1] < found.high < math.inf else ""
        said.append(
            f"{line} It costs more than {more} from a rate of **{found.dose:.3g}** on, 95 % interval "
            f"[{found.low:.3g}, {end}]{beyond}."
        )
    if not math.isnan(found.safe):
        said.append(
            f"Up to a rate of {found.safe:g} nothing above {more} was seen, and it is ruled out (95 %, all rates together)."
        )
    else:
        said.append(f"Not even at {rates[1]:g} is a cost above {more} ruled out (95 %, all rates together).")
    if not math.isnan(found.too_much):
        said.append(f"From {found.too_much:g} on it costs more than that beyond doubt.")
    return " ".join(said)
