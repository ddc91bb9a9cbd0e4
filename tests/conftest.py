"""Settings by the words of a command, and small data."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support import Compose, criteo_line

from ctrbench.command.compose import compose, to_settings
from ctrbench.runs.settings import RunSettings

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is remembered of files is not left with the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Compose:
    """Settings of a small planted run in the test's own folder."""

    def make(*overrides: str) -> RunSettings:
        own = ["data.rows=4000", "data.vocabulary=50", "data.min_count=1", "threads=1"]
        if any(word.startswith("data=") for word in overrides):
            own = ["threads=1"]
        base = [f"results={tmp_path}", "trainer.batch_size=512", "trainer.epochs=2"]
        return to_settings(compose(base + own + list(overrides)))

    return make


@pytest.fixture
def criteo_file(tmp_path: Path) -> Path:
    """A small file in Criteo's layout."""
    path = tmp_path / "train.txt"
    path.write_text("".join(criteo_line(int(i % 3 == 0), i) + "\n" for i in range(600)))
    return path
