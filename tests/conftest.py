"""Settings by the words of a command, and small data."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ctrbench.compose import compose, to_settings
from ctrbench.run_settings import RunSettings

# What keeps the tests of a model quick.
SMALL_MLP = ["model.hidden=[16,16]"]
SMALL = {
    "lr": [],
    "fm": [],
    "ffm": ["model.embedding_dim=2"],
    "ccpm": [],
    "fnn": [*SMALL_MLP, "pretraining.trainer.epochs=2", "pretraining.trainer.batch_size=512"],
    "wide_deep": [*SMALL_MLP, "model.crosses=[[C5,C6],[C1,C2,C3]]"],
}
Compose = Callable[..., RunSettings]
REAL = Path(__file__).parents[2] / "shared" / "data"

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start


def small(name: str) -> list[str]:
    """The words of a small run of a model."""
    return [f"model={name}", *SMALL.get(name, SMALL_MLP)]


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


def criteo_line(label: int | str, seed: int) -> str:
    """A row in Criteo's layout, some of its cells missing."""
    rng = np.random.default_rng(seed)
    integers = [str(rng.integers(-1, 500)) if rng.random() > 0.2 else "" for _ in range(13)]
    categories = [f"{rng.integers(9):08x}" if rng.random() > 0.1 else "" for _ in range(26)]
    return "\t".join([str(label), *integers, *categories])


@pytest.fixture
def criteo_file(tmp_path: Path) -> Path:
    """A small file in Criteo's layout."""
    path = tmp_path / "train.txt"
    path.write_text("".join(criteo_line(int(i % 3 == 0), i) + "\n" for i in range(600)))
    return path
