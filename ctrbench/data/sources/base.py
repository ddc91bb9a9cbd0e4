"""The interface of all sources, and the base class of those that read files."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from ctrbench.data.schema import CATEGORICAL, GROUP, MULTI, TIME, USER, Column, Slice
from ctrbench.data.settings import DataSettings, DownloadSettings, FileSettings
from ctrbench.data.sources.raw import content_digest, why_no_file
from ctrbench.data.split import PARTS
from ctrbench.errors import UserError
from ctrbench.files import expanded


class Source(ABC):
    """Raw rows of columns.

    Attributes:
        settings: what it was opened by.
        columns: of its rows, the label apart.
        by_time: whether the rows are to be split by time.
    """

    settings: DataSettings
    columns: tuple[Column, ...]
    by_time: bool = False

    def check(self) -> None:  # noqa: B027  (a source may have nothing to refuse)
        """Refuse what is wrong already, as far as that shows without reading all rows."""

    def resolved(self) -> Any:
        """Return the settings with all that was inferred from the rows."""
        return self.settings

    @property
    def groupable(self) -> set[str]:
        """Columns of one value a row: they can be groups or users."""
        return {column.name for column in self.columns if column.kind != MULTI}

    @property
    def left_out(self) -> dict[str, str]:
        """Columns that carry no information, and why."""
        return {}

    @property
    def doubts(self) -> dict[str, str]:
        """Columns whose inferred type is uncertain, and how to declare it."""
        return {}

    @property
    def times(self) -> tuple[str, ...]:
        """Columns that can order rows by time, for a history or a split."""
        return ()

    def time_text(self, value: float) -> str:
        """Return a value of TIME as the rows have it."""
        return f"{value:.15g}"

    @property
    def label(self) -> str:
        """The name of the label in rows that are written as a table."""
        return "label"

    def as_in_files(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a frame of this source with its categories as the text that the files have."""
        categories = [column.name for column in self.columns if column.kind == CATEGORICAL]
        return frame.with_columns(pl.col(categories).cast(pl.String))

    def keyed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with the columns GROUP, USER and TIME that the settings name."""
        settings = self.settings
        named = {GROUP: settings.group, USER: settings.history.user, TIME: settings.when}
        return frame.with_columns(pl.col(n).alias(key) for key, n in named.items() if n)

    @property
    def is_split(self) -> bool:
        """Whether the files are training, validation and test rows already."""
        return False

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of the content of the rows, beyond what the settings say."""

    def as_published(self) -> bool | None:
        """Return whether the files are those of a public data set; None where none is named."""
        return None

    @abstractmethod
    def slices(self) -> Iterator[Slice]:
        """Yield all rows, labelled."""


class FileSource(Source):
    """Rows in one file that is split here, or in three that are the split.

    Subclasses say what a row is, by ``columns`` and :meth:`slices_of`.
    """

    settings: FileSettings

    def __init__(self, settings: FileSettings) -> None:
        self.settings = settings

    @abstractmethod
    def slices_of(self, path: Path, part: str = "all", *, labelled: bool = True) -> Iterator[Slice]:
        """Yield the rows of a file in its order.

        Args:
            labelled: every row must have a label, unless the file has no labels at all; else what
                is no label is null.
        """

    @cached_property
    def files(self) -> dict[str, Path]:
        """Files by their split (``all`` if one file is split here)."""
        return _files(self.settings)

    def check(self) -> None:
        """Refuse files that are not there."""
        assert self.files

    @property
    def is_split(self) -> bool:
        return "all" not in self.files

    def fingerprint(self) -> str:
        """Return a hash of the files' bytes: the same rows elsewhere are the same data."""
        return ":".join(f"{part}={content_digest(path)}" for part, path in self.files.items())

    def as_published(self) -> bool | None:
        """Compare the MD5 of the files with the published ones."""
        public = self.settings.download
        if not isinstance(public, DownloadSettings):
            return None
        return [content_digest(path, "md5") for path in self.files.values()] == list(public.md5)

    def slices(self) -> Iterator[Slice]:
        """Yield the rows of all files."""
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
        files = {"all": expanded(settings.path)}
    elif all(named.values()):
        files = {part: expanded(file) for part, file in named.items()}
    else:
        missing = (
            "data.path=FILE"
            if not any(named.values())
            else ", ".join(f"data.{part}=FILE" for part, file in named.items() if not file)
        )
        raise UserError(f"data={settings.name} needs {missing}")
    for part, path in files.items():
        if what := why_no_file(path):
            how = f"name a file with data.{'path' if part == 'all' else part}=FILE"
            if settings.download is not None:
                name = settings.download.archive.lower()
                how = f"ctrbench download {name} fetches it, with the same results=; or {how}"
            raise UserError(f"{path}: {what}; {how}")
    _refuse_twins(files)
    return files


def _refuse_twins(files: dict[str, Path]) -> None:
    """Refuse two files with the same bytes: training rows would be measured on."""
    for (part, path), (other, twin) in combinations(files.items(), 2):
        same_size = path.stat().st_size == twin.stat().st_size
        if same_size and content_digest(path) == content_digest(twin):
            raise UserError(
                f"data.{part}={path} and data.{other}={twin} have the same rows; give each part "
                "rows of its own"
            )
