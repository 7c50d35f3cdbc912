"""Runs that failed: hand counts."""

import numpy as np
import pytest

from ablate.effects.failures import failure_p, worst_case


def test_the_failure_rate_is_tested_exactly():
    # 3 of 5 against 0 of 5: of the 120 ways to place 3 failures among 10 runs, 10 lie in one arm and 10 in the other.
    assert failure_p(3, 5, 0, 5) == pytest.approx(20 / 120)
    assert failure_p(0, 5, 0, 5) == 1.0
    # 5 of 5 against 0 of 5: 1 of 252 ways on either side.
    assert failure_p(5, 5, 0, 5) == pytest.approx(2 / 252)
    with pytest.raises(ValueError, match="more failures than runs"):
        failure_p(6, 5, 0, 5)


@pytest.mark.parametrize("higher", [True, False])
def test_a_missing_run_counts_as_the_worst_of_all(higher):
    scores = [[0.8, 0.6, 0.7], [0.9, np.nan, 0.4]]
    # Worst is 0.4 where higher is better: (2.1 - 1.7) / 3; 0.9 where lower is: (2.1 - 2.2) / 3.
    wanted = (2.1 - 1.7) / 3 if higher else (2.1 - 2.2) / 3
    assert worst_case(scores, [1, -1], higher_is_better=higher) == pytest.approx(wanted)
    assert np.isnan(worst_case(np.full((2, 2), np.nan), [1, -1], higher_is_better=True))
