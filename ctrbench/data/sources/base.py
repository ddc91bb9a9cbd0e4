"""The interface of all sources, and the base class of those that read files."""

import json
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
from ctrbench.data.sources.folders import (
    Partition,
    check_one_kind,
    find_files,
    is_empty,
    names_several,
)
from ctrbench.data.sources.raw import content_digest, why_no_file
from ctrbench.data.split import PARTS
from ctrbench.errors import UserError


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

    @property
    def weight(self) -> str | None:
        """The name of the column of weights; None where all rows count the same."""
        return None

    @staticmethod
    def category_text(column: pl.Series) -> pl.Series:
        """Return the values of a categorical column, or some of them, as the files have them."""
        return column.cast(pl.String)

    def as_in_files(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a frame of this source with its categories as the text that the files have."""
        categories = [column.name for column in self.columns if column.kind == CATEGORICAL]
        return frame.with_columns(self.category_text(frame[name]) for name in categories)

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
    """Rows in files that are split here, or in those of three splits.

    Subclasses say what a row is, by ``columns`` and :meth:`slices_of`.

    Attributes:
        header_lines: at the beginning of a text file.
        keep: columns of the raw rows that frames have too, as ``KEPT`` and the name, where rows
            have other columns than the source's.
        partitions: the values of columns that the folders of a file give, where several files are
            named.
    """

    settings: FileSettings
    header_lines = 0
    keep: tuple[str, ...] = ()

    def __init__(self, settings: FileSettings) -> None:
        self.settings = settings
        self.partitions: dict[Path, Partition] = {}

    @abstractmethod
    def slices_of(self, path: Path, part: str = "all", *, labelled: bool = True) -> Iterator[Slice]:
        """Yield the rows of a file in its order.

        Args:
            labelled: every row must have a label, unless the file has no labels at all; else what
                is no label is null.
        """

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """Files by their split (``all`` if they are split here)."""
        named = _named_files(self.settings)
        files = {}
        for part, value in named.items():
            key = _key(part)
            how = f"name a file with {key}=FILE"
            if self.settings.download is not None:
                name = self.settings.download.archive.lower()
                how = f"ctrbench download {name} fetches it, with the same results=; or {how}"
            files[part] = self.find(key, value, how)
        if not any(map(names_several, named.values())):
            self.partitions.clear()
        _refuse_twins(files)
        return files

    def find(self, key: str, named: Any, how: str) -> list[Path]:
        """Return the files that a user names, without those of several that have no rows, and keep
        what their folders say.

        Args:
            named: a file, a folder, a pattern, or a list of these.
            how: to name a file, for the message where one is not there.
        """
        found = find_files(key, named)
        for path in found:
            if what := why_no_file(path):
                raise UserError(f"{path}: {what}; {how}")
        self.partitions |= found
        paths = list(found)
        if names_several(named):
            paths = [path for path in paths if not is_empty(path, self.header_lines)]
            if not paths:
                raise UserError(f"{key}={named}: its files have no rows; name files with rows")
            check_one_kind(paths)
        return paths

    @property
    def paths(self) -> list[Path]:
        """All files, in the order of their rows."""
        return [path for paths in self.files.values() for path in paths]

    def named(self, part: str) -> str:
        """Return the option that names the files of a split."""
        return f"{_key(part)}={_named_files(self.settings)[part]}"

    def check(self) -> None:
        """Refuse files that are not there."""
        assert self.files

    @property
    def is_split(self) -> bool:
        return "all" not in self.files

    def fingerprint(self) -> str:
        """Return a hash of the files' bytes and of what their folders say: the same rows elsewhere
        are the same data."""
        return ":".join(
            f"{part}={'+'.join(map(self._fingerprint_of, paths))}"
            for part, paths in self.files.items()
        )

    def _fingerprint_of(self, path: Path) -> str:
        partition = self.partitions.get(path)
        digest = content_digest(path)
        return f"{digest}{json.dumps(partition, sort_keys=True)}" if partition else digest

    def as_published(self) -> bool | None:
        """Compare the MD5 of the files with the published ones."""
        public = self.settings.download
        if not isinstance(public, DownloadSettings):
            return None
        return [content_digest(path, "md5") for path in self.paths] == list(public.md5)

    def slices(self) -> Iterator[Slice]:
        """Yield the rows of all files."""
        sizes = {path: path.stat().st_size for path in self.paths}
        done, total = 0.0, sum(sizes.values())
        for part, paths in self.files.items():
            for path in paths:
                for piece in self.slices_of(path, part):
                    yield replace(piece, share=(done + piece.share * sizes[path]) / total)
                done += sizes[path]


def _key(part: str) -> str:
    return f"data.{'path' if part == 'all' else part}"


def _named_files(settings: FileSettings) -> dict[str, Any]:
    """Return what a user names, by the split (``all`` if it is to be split here)."""
    named = {part: getattr(settings, part) for part in PARTS}
    if settings.path is not None:
        if any(named.values()):
            raise UserError("data.path and data.train are both given; give one file or three")
        return {"all": settings.path}
    if all(named.values()):
        return named
    missing = (
        "data.path=FILE"
        if not any(named.values())
        else ", ".join(f"data.{part}=FILE" for part, file in named.items() if not file)
    )
    raise UserError(f"data={settings.name} needs {missing}")


def _refuse_twins(files: dict[str, list[Path]]) -> None:
    """Refuse two files with the same bytes: training rows would be measured on."""
    sizes = {path: path.stat().st_size for paths in files.values() for path in paths}
    for (part, paths), (other, twins) in combinations(files.items(), 2):
        shared = {sizes[path] for path in paths} & {sizes[twin] for twin in twins}
        digests = {content_digest(path): path for path in paths if sizes[path] in shared}
        for twin in twins:
            if sizes[twin] in shared and (path := digests.get(content_digest(twin))) is not None:
                raise UserError(
                    f"data.{part}={path} and data.{other}={twin} have the same rows; give each "
                    "part rows of its own"
                )
