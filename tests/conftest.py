"""What all tests share: a small pool on disk, and where the real data lie."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch is imported: the threads of two workers on two cores would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest

from ablate.classifier.linear import Linear
from ablate.classifier.student import train_student
from ablate.pool.pool import Pool, build_pool
from ablate.pool.source import Document, Skipped, Source
from ablate.store import Store

hypothesis.settings.register_profile("ablate", deadline=None)  # how long an example takes is the machine's
hypothesis.settings.load_profile("ablate")

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("ABLATE_SHARED_DATA", ROOT.parent / "shared" / "data"))


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = (
    "THE PAGE IS NOT TESTED IN A BROWSER: {}. `pip install -e '.[browser]'` and `apt-get install chromium`"
)


@dataclass(frozen=True)
class InMemory(Source):
    """Documents given directly."""

    items: tuple[Document | Skipped, ...]

    def request(self) -> dict[str, Any]:
        return {"items": [ascii(item) for item in self.items]}

    def documents(self) -> Iterator[Document | Skipped]:
        yield from self.items


MakePool = Callable[[Store, Sequence[Document | Skipped]], Pool]


@pytest.fixture(scope="session")
def make_pool() -> MakePool:
    """Makes a pool of given documents, in order."""
    return lambda store, documents: build_pool(InMemory(tuple(documents)), store)


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A trained student, for stages that need one."""
    folder = tmp_path_factory.mktemp("student")
    texts = ["the rain fell on a small town", "click here and win a prize"]
    train_student(Linear(buckets=64), texts, np.array([1.0, 0.0]), folder, binary=True, seed=0, recipe={})
    return str(folder)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data in {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's chromium through Playwright; the test is skipped, loudly, where either is absent."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip(NO_BROWSER.format("Playwright is not installed"))
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(NO_BROWSER.format("no chromium is installed"))
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()
