"""One folder for the tests of this room: they share its prepared rows and its finished runs."""

from pathlib import Path

import pytest
from support import Compose, settings_in, write_criteo_file


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the shared runs lie."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="session")
def shared(folder: Path) -> Compose:
    """Settings of small runs that tests may share, and must not change."""
    return settings_in(folder)


@pytest.fixture(scope="session")
def rows_file(folder: Path) -> Path:
    """A small file in Criteo's layout, of those runs."""
    return write_criteo_file(folder)


@pytest.fixture
def settings(tmp_path: Path, folder: Path) -> Compose:
    """Settings of small runs of a test's own, on the shared rows."""
    (folder / "stores").mkdir(exist_ok=True)
    (tmp_path / "stores").symlink_to(folder / "stores")
    return settings_in(tmp_path)
