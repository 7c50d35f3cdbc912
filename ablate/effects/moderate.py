"""Moderated variances: each contrast's own, steadied by the others' as far as they agree.

With 3 seeds a paired variance has 2 degrees of freedom: by luck it is far too small, and its t
quantile is 4.3. Empirical Bayes takes the contrasts' variances as draws from one distribution, learns
its centre s0^2 and tightness d0 from them, and adds d0 degrees of freedom of s0^2 to each.

That is calibrated on average over many contrasts (genes, in the source). We have about seven, several
of which share an arm, and each must be right by itself, so three guards are added:
- d0 is at most the contrast's own degrees of freedom: others never outweigh what was measured here;
- moderation widens a variance, or leaves it: it never makes one smaller;
- a contrast with more than twice the typical variance is not of their kind and keeps its own t.
Coverage of 95 % intervals with normal noise, 8 arms, 7 contrasts with one control, 3 seeds, 10,000
simulated studies, as worst contrast / mean over contrasts, and power at four standard errors:

    seed noise of the arms          paired           pooled           moderated here
    equal                           .95/.95  57 %    .95/.95  96 %    .96/.96  76 %
    one arm 10 times the variance   .95/.95  57 %    .77/.95  81 %    .92/.96  71 %
    one arm 100 times               .95/.95  57 %    .63/.95  31 %    .94/.96  60 %
    standard deviations 1 to 10     .95/.95  56 %    .83/.96  53 %    .92/.96  57 %
    quiet control, others to 100x   .95/.95  56 %    .78/.95  43 %    .94/.96  48 %
    control 10 times the variance   .95/.95  57 %    .77/.77  99 %    .92/.92  81 %

The last line is the limit of the method: what a loud control adds is the same in every contrast, so
they agree for a bad reason. That is why the rule in `contrast.py` moderates only where the arms' own noise
looks equal, and is paired elsewhere: the worst contrast of every line above is then 0.937 or better.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from ablate.effects.estimate import Floats

FEWEST = 4
"""Contrasts with a spread; fewer say too little about how variances are distributed (three of six arms, one
of them loud: family-wise error 6.4 % at 5 %)."""
OUTLIER = 2.0
"""Times the typical variance above which a contrast keeps its own."""


def prior(variance: Floats, df: Floats) -> tuple[float, float]:
    """Fit the scaled inverse chi-square distribution that the variances come from.

    Args:
        variance: shape (n,), above zero, n >= 2.
        df: shape (n,), their degrees of freedom.
    Returns:
        s0^2, the typical variance in the units of `variance`, and d0, the degrees of freedom that it
        is worth: infinity when the variances differ no more than chance would have them.
    Source: Smyth (2004), section 6.2, by moments of the log variances. Reference in tests: recovery
    of known parameters, and the moments themselves.
    """
    log = np.log(variance) - digamma(df / 2) + np.log(df / 2)
    excess = float(log.var(ddof=1) - polygamma(1, df / 2).mean())
    if excess <= polygamma(1, 1e6):
        return float(np.average(variance, weights=df)), math.inf
    half = brentq(lambda x: polygamma(1, math.exp(x)) - excess, -20.0, math.log(1e6))
    d0 = 2.0 * math.exp(half)
    return math.exp(float(log.mean()) + float(digamma(d0 / 2)) - math.log(d0 / 2)), d0


def moderate(variance: Floats, df: Floats, *, borrow: bool = True) -> tuple[Floats, Floats, list[str]]:
    """Steady each contrast's variance by the others'.

    Args:
        variance: shape (n_contrasts,), variance between seeds of each contrast on a common scale; zero
            where no spread was seen, NaN where none was measured.
        df: shape (n_contrasts,), seeds - 1.
        borrow: False to leave every variance that has a spread as it is.
    Returns:
        The variances to use (zero or NaN: no interval), their degrees of freedom, and for each the
        method: "moderated", "paired" (its own) or "borrowed" (the mean of the others').
    Source: Smyth, "Linear Models and Empirical Bayes Methods for Assessing Differential Expression in
    Microarray Experiments", Stat. Appl. Genet. Mol. Biol. 3(1), 2004; the guards are ours.
    """
    variance, df = np.array(variance, dtype=np.float64), np.array(df, dtype=np.float64)
    methods = ["paired"] * variance.size
    spread = variance > 0.0
    if np.count_nonzero(spread) < FEWEST:
        return variance, df, methods
    mean = float(np.average(variance[spread], weights=df[spread]))
    s0, d0 = prior(variance[spread], df[spread])
    for i, (own, own_df) in enumerate(zip(variance.tolist(), df.tolist(), strict=True)):
        if own == 0.0:
            variance[i], methods[i] = mean, "borrowed"
        elif own > 0.0 and borrow:
            # Where the prior is cut down to our size its centre is the plain mean, which large
            # variances pull up: the cautious side.
            centre, weight = (s0, d0) if d0 <= own_df else (mean, own_df)
            if own <= OUTLIER * centre:
                variance[i] = max(own, (weight * centre + own_df * own) / (weight + own_df))
                df[i], methods[i] = weight + own_df, "moderated"
    return variance, df, methods
