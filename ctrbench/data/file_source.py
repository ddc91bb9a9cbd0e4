"""What sources that read files share: one file that is split here, or three that are the split."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from ctrbench.data.download import SETS
from ctrbench.data.schema import Column, Slice
from ctrbench.data.settings import FileSettings
from ctrbench.data.split import PARTS
from ctrbench.data.text import content_digest
from ctrbench.errors import UserError


class FileSource:
    """A source of raw rows; subclasses say what a row is, by ``columns`` and :meth:`slices_of`."""

    columns: tuple[Column, ...]

    def __init__(self, settings: FileSettings) -> None:
        self.settings = settings

    def slices_of(self, path: Path, part: str = "all") -> Iterator[Slice]:
        """The rows of a file in its order, with or without labels.

        Raises:
            UserError: naming file, line and column of what does not fit; so does reading a slice.
        """
        raise NotImplementedError

    @cached_property
    def files(self) -> dict[str, Path]:
        """The files by the part they belong to (``all`` if it is one)."""
        return _files(self.settings)

    def check(self) -> None:
        """Refuse files that are not there."""
        assert self.files

    def resolved(self) -> FileSettings:
        """The settings with all that was found out from the rows."""
        return self.settings

    def fingerprint(self) -> str:
        """A hash of the rows' bytes: the same rows elsewhere are the same data."""
        return ":".join(f"{part}={content_digest(path)}" for part, path in self.files.items())

    def slices(self) -> Iterator[Slice]:
        """The rows of all files."""
        sizes = {path: path.stat().st_size for path in self.files.values()}
        done, total = 0.0, sum(sizes.values())
        for part, path in self.files.items():
            for piece in self.slices_of(path, part):
                yield replace(piece, share=(done + piece.share * sizes[path]) / total)
            done += sizes[path]


def _files(settings: FileSettings) -> dict[str, Path]:
    named = {part: getattr(settings, part) for part in PARTS}
    if settings.path is not None:
        if any(named.values()):
            raise UserError("data.path and data.train are both given; give one file or three")
        files = {"all": Path(settings.path)}
    elif all(named.values()):
        files = {part: Path(file) for part, file in named.items()}
    else:
        missing = (
            "data.path=FILE"
            if not any(named.values())
            else ", ".join(f"data.{part}=FILE" for part, file in named.items() if not file)
        )
        raise UserError(f"data={settings.name} needs {missing}")
    for path in files.values():
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no such file"
            how = (
                f"ctrbench download {settings.name} fetches it"
                if settings.name in SETS
                else "name a file with data.path=FILE"
            )
            raise UserError(f"{path}: {what}; {how}")
    return files
