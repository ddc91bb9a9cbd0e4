"""The folder of a report: the old one or the new one, whenever it is killed; nothing else stays."""

import os
from pathlib import Path

import pytest

from ctrbench import files
from ctrbench.errors import UserError
from ctrbench.report.output import write_folder

OLD = {"table.md": "old", "figures/old.png": b"old", "index.html": "old"}
NEW = {"table.md": "new", "figures/new.png": b"new", "index.html": "new"}
NO_PROCESS = 10**7  # beyond the numbers that processes have


class Killed(BaseException):
    """A process that ends without any cleaning up."""


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def kill_at(step: int, patch: pytest.MonkeyPatch) -> list[str]:
    """Let the operation of a number on files, and all after it, raise."""
    done: list[str] = []
    for module, name in (
        *((Path, name) for name in ("mkdir", "open", "rename", "unlink")),
        *((os, name) for name in ("link", "fsync", "symlink")),
        *((files.shutil, "rmtree"), (files, "exchange")),
    ):
        real = getattr(module, name)

        def counted(
            *given: object, real: object = real, name: str = name, **named: object
        ) -> object:
            done.append(name)
            if len(done) > step:
                raise Killed
            return real(*given, **named)  # type: ignore[operator]

        patch.setattr(module, name, counted)
    return done


@pytest.mark.parametrize("atomic", [True, False])
def test_killed_at_any_step(atomic: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next report in the folder gives what one that was not killed gives."""
    if not atomic:  # as where there is no renameat2
        monkeypatch.setattr(files.ctypes, "CDLL", lambda *given, **named: object())
    steps = 0
    for step in range(200):
        place = tmp_path / str(step)
        folder = place / "report"
        write_folder(folder, OLD)
        (folder / "mine.txt").write_text("mine")
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: NO_PROCESS)
            done = kill_at(step, patch)
            try:
                write_folder(folder, NEW)
            except Killed:
                steps += 1
            else:
                break
            assert done
        if atomic:
            left = contents(folder)
            assert {left[name] for name in ("table.md", "index.html")} in ({b"old"}, {b"new"})
            assert ("figures/old.png" in left) == (left["table.md"] == b"old")
        write_folder(folder, NEW)
        expected = {name: c if isinstance(c, bytes) else c.encode() for name, c in NEW.items()}
        left = contents(folder)
        del left[".files.json"]
        assert left == expected | {"mine.txt": b"mine"}
        assert {path.name for path in place.iterdir()} <= {"report", ".report.lock"}
    assert steps > 10


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the old report, and says which file it was."""
    folder = tmp_path / "report"
    write_folder(folder, OLD)
    before = contents(folder)

    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as error:
        write_folder(folder, NEW)
    assert error.value.filename
    assert contents(folder) == before and not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("link", ["report", "one/report"])
def test_a_link_is_not_followed(link: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "table.md").write_text("mine")
    path = tmp_path / link
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(elsewhere)
    with pytest.raises(UserError, match="symbolic link"):
        write_folder(path, NEW)
    with pytest.raises(UserError, match="symbolic link"):
        write_folder(path / "name", NEW)
    assert contents(elsewhere) == {"table.md": b"mine"}


def test_links_within_are_not_written_through(tmp_path: Path) -> None:
    """Neither a file nor a folder of the old report that leads elsewhere."""
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "report"
    elsewhere.mkdir()
    (elsewhere / "secret").write_text("mine")
    folder.mkdir()
    (folder / "figures").symlink_to(elsewhere)
    (folder / "table.md").symlink_to(elsewhere / "secret")
    write_folder(folder, NEW)
    assert contents(elsewhere) == {"secret": b"mine"}
    assert (folder / "table.md").read_text() == "new" and not (folder / "table.md").is_symlink()
