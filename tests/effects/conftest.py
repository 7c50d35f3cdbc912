"""Simulated studies with known truth."""

import numpy as np
import pytest

N_ARMS = 8
SEED_SDS = {
    "equal": np.ones(N_ARMS),
    "control_quiet": np.r_[0.05, np.ones(N_ARMS - 1)],
    "half_ten_times_the_variance": np.r_[np.ones(4), np.full(4, 10**0.5)],
    "one_ten_times_the_variance": np.r_[np.ones(N_ARMS - 1), 10**0.5],
    "one_hundred_times_the_variance": np.r_[np.ones(N_ARMS - 1), 10.0],
    "testbed": np.array([0.003, 0.003, 0.01, 0.03, 0.1, 0.1, 0.2, 0.3]),
    "sd_from_1_to_10": np.geomspace(1, 10, N_ARMS),
}


@pytest.fixture(scope="session")
def against_control():
    """Weights of shape (7, 8): the first of 8 arms minus each other."""
    return np.hstack([np.ones((N_ARMS - 1, 1)), -np.eye(N_ARMS - 1)])


@pytest.fixture(scope="session")
def simulate():
    """simulate(noise, n_studies, n_seeds) -> shape (n_studies, 8, n_seeds), no effect in any arm."""

    def make(noise: str, n_studies: int, n_seeds: int, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        own = rng.normal(size=(n_studies, N_ARMS, n_seeds)) * SEED_SDS[noise][:, None]
        return own + rng.normal(size=(n_studies, 1, n_seeds))  # what a seed adds to every arm

    return make
