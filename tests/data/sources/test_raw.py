"""Files that users name: what is no file, what is the same file, and a hash remembered."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
from support import Compose

from ctrbench.data.sources import raw
from ctrbench.data.sources.cells import read_cells
from ctrbench.data.sources.registry import open_source
from ctrbench.data.sources.text import blocks
from ctrbench.errors import UserError


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, Path]:
    """Paths that are no files, by what they are."""
    paths = {
        "no such file": tmp_path / "none.csv",
        "a folder": tmp_path,
        "a pipe or a device, not a file": tmp_path / "pipe.csv",
        "too many levels of symbolic links": tmp_path / "loop.csv",
        "not a file's name": Path("a\0b"),
    }
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    return paths


def test_what_is_no_file(odd: dict[str, Path], settings: Compose) -> None:
    """Said in training, where the option is named, and in reading any file."""
    for what, path in odd.items():
        if "\0" not in str(path) and what != "a folder":  # whose files are read
            own = settings("data=criteo", f"data.path={path}").data
            with pytest.raises(UserError, match=f"{path}: {what}; .* data.path=FILE"):
                open_source(own)
        for read in (blocks, read_cells):
            with pytest.raises(UserError, match=f": {what}; name a file of rows"):
                next(read(path))


def test_the_home_folder(
    criteo_file: Path, settings: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell leaves ~ as it is after a key."""
    monkeypatch.setenv("HOME", str(criteo_file.parent))
    open_source(settings("data=criteo", f'data.path="~/{criteo_file.name}"').data)


@pytest.mark.parametrize("words", [["data=criteo"], ["data=movielens"]])
def test_no_such_home_folder(words: list[str], settings: Compose) -> None:
    with pytest.raises(UserError, match=r"^~nosuchuser/x: no such home folder"):
        open_source(settings(*words, 'data.path="~nosuchuser/x"').data)


def test_the_option_of_the_part_is_named(criteo_file: Path, settings: Compose) -> None:
    words = [f"data.train={criteo_file}", f"data.valid={criteo_file}x", "data.test=no"]
    with pytest.raises(UserError, match=r"train.txtx: no such file; .* data.valid=FILE"):
        open_source(settings("data=criteo", *words).data)


def test_parts_of_the_same_rows_are_refused(criteo_file: Path, settings: Compose) -> None:
    text = criteo_file.read_text()
    other, third, twin = (criteo_file.with_name(name) for name in ("other", "third", "twin"))
    other.write_text(text[::-1])  # of the same size
    third.write_text(text[:100])
    twin.write_text(text)
    words = [f"data.train={criteo_file}", f"data.valid={other}"]
    assert open_source(settings("data=criteo", *words, f"data.test={third}").data)
    both = f"data.train={criteo_file} and data.test={twin} have the same rows"
    with pytest.raises(UserError, match=both):
        open_source(settings("data=criteo", *words, f"data.test={twin}").data)


def another_process() -> Any:
    """The module as another process has it: nothing remembered in memory."""
    spec = importlib.util.spec_from_file_location("another_raw", str(raw.__file__))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_hash_is_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    path = tmp_path / "rows"
    path.write_bytes(b"one")
    first, status = raw.content_digest(path), path.stat()
    (note,) = cache.glob("ctrbench/digests/*.json")
    note.write_text(note.read_text().replace(first, "remembered"))
    assert another_process().content_digest(path) == "remembered"
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = another_process().content_digest(path)
    assert second == raw.content_digest(path) != first
    note.write_text("{")
    assert another_process().content_digest(path) == second


def test_a_cache_that_cannot_be_written_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(another_process().content_digest(tmp_path / "file")) == 32
