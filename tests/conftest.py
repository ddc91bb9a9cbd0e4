"""Settings by the words of a command, and small data."""

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support import Compose, criteo_line

from ctrbench.command.compose import compose, to_settings
from ctrbench.runs.settings import RunSettings

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start
PLACE = "/the/folder/of/a/test"


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
        words = [word.replace(str(tmp_path), PLACE) for word in (*base, *own, *overrides)]
        return moved(composed(*words), str(tmp_path))

    return make


@functools.cache
def composed(*words: str) -> RunSettings:
    """Composing takes a tenth of a second, and many tests differ in their folder alone."""
    return to_settings(compose(list(words)))


def moved(value: Any, folder: str) -> Any:
    """A copy of settings, in another folder."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return dataclasses.replace(
            value, **{name: moved(getattr(value, name), folder) for name in names}
        )
    if isinstance(value, list):
        return [moved(item, folder) for item in value]
    return value.replace(PLACE, folder) if isinstance(value, str) else value


@pytest.fixture
def criteo_file(tmp_path: Path) -> Path:
    """A small file in Criteo's layout."""
    path = tmp_path / "train.txt"
    path.write_text("".join(criteo_line(int(i % 3 == 0), i) + "\n" for i in range(600)))
    return path
