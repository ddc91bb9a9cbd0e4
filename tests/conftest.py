"""Settings by the words of a command, and small data."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # of tests side by side, before torch is imported

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Compose, settings_in, write_criteo_file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test begins first, so that no core waits for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_documentation.py")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is remembered of files is not left with the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Compose:
    """Settings of a small planted run in the test's own folder."""

    return settings_in(tmp_path)


@pytest.fixture
def criteo_file(tmp_path: Path) -> Path:
    """A small file in Criteo's layout."""
    return write_criteo_file(tmp_path)
