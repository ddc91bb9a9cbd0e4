"""MovieLens-1M (GroupLens 2003) as a click data set: user, film and their traits, 739,012 rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl

from ctrbench.data.schema import CATEGORICAL, LABEL, MULTI, Column, Slice
from ctrbench.data.settings import MovieLensSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.sources.raw import content_digest
from ctrbench.data.sources.registry import reads
from ctrbench.data.sources.text import Block, blocks, parse
from ctrbench.errors import UserError
from ctrbench.files import expanded

SLICE_ROWS = 131_072
INTEGER, TEXT = pl.Int64(), pl.String()


@dataclass(frozen=True, eq=False)
class File:
    """A file of the set, under one of the names it goes by."""

    names: tuple[str, str]  # GroupLens's, its cells apart by "::", and one separated otherwise
    separator: bytes
    has_header: bool
    columns: dict[str, pl.DataType]

    def find(self, folder: Path) -> Path:
        """Return the path of the file in a folder, compressed or not."""
        for name in self.names:
            for suffix in ("", ".gz", ".xz", ".zst", ".bz2", ".zip"):
                if (folder / f"{name}{suffix}").is_file():
                    return folder / f"{name}{suffix}"
        raise UserError(
            f"{folder}: no {' or '.join(self.names)} there; name the folder of MovieLens-1M with "
            "data.path=FOLDER"
        )

    def is_grouplens(self, path: Path) -> bool:
        """Return whether a file has the layout of GroupLens."""
        return path.name.startswith(self.names[0])

    def read(self, path: Path) -> pl.DataFrame:
        """Read all rows of the file."""
        is_grouplens = self.is_grouplens(path)
        separator = b"::" if is_grouplens else self.separator
        frames = []
        for block in blocks(path):
            line, data = block.line, block.data
            if self.has_header and not is_grouplens and line == 1:
                line, data = 2, data.partition(b"\n")[2]
            if is_grouplens:
                data = data.decode("latin-1").encode()
            tabbed = Block(line, data.replace(separator, b"\t"), block.share)
            frames.append(parse(path, tabbed, self.columns))
        return pl.concat(frames)


RATINGS = File(
    ("ratings.dat", "ratings.csv"),
    b",",
    has_header=True,
    columns={"user": INTEGER, "item": INTEGER, "rating": INTEGER, "time": TEXT},
)
TIMED = replace(RATINGS, columns=RATINGS.columns | {"time": INTEGER})
USERS = File(
    ("users.dat", "ml1m_users.dat"),
    b"\t",
    has_header=False,
    columns={"user": INTEGER, "gender": TEXT, "age": INTEGER, "occupation": INTEGER, "zip": TEXT},
)
ITEMS = File(
    ("movies.dat", "ml1m_items.dat"),
    b"\t",
    has_header=False,
    columns={"item": INTEGER, "title": TEXT, "genres": TEXT},
)


@reads(MovieLensSettings)
class MovieLens(Source):
    """A source: ratings joined with the traits of their user and film, in the ratings' order.

    GroupLens's ``ratings.dat`` says when a film was rated, the column ``time``.
    """

    columns = (
        *(Column(name, CATEGORICAL) for name in ("user", "item")),
        *(Column(name, CATEGORICAL) for name in ("gender", "age", "occupation", "zip", "year")),
        Column("genres", MULTI),
    )

    settings: MovieLensSettings

    def __init__(self, settings: MovieLensSettings) -> None:
        self.settings = settings
        if settings.path is None:
            raise UserError(f"data={settings.name} needs data.path=FOLDER")
        folder = expanded(settings.path)
        if not folder.is_dir():
            what = "a file" if folder.exists() else "no such folder"
            raise UserError(f"{folder}: {what}; name the folder with data.path=FOLDER")
        self.files = {table: table.find(folder) for table in (RATINGS, USERS, ITEMS)}

    @property
    def times(self) -> tuple[str, ...]:
        return ("time",) if RATINGS.is_grouplens(self.files[RATINGS]) else ()

    def fingerprint(self) -> str:
        """Return a hash of the bytes of the three files."""
        return ":".join(content_digest(path) for path in self.files.values())

    def slices(self) -> Iterator[Slice]:
        """Yield all rows, which are not split yet."""
        rows = self._rows()
        for start in range(0, len(rows), SLICE_ROWS):
            share = min(1.0, (start + SLICE_ROWS) / len(rows))
            yield Slice("all", share, partial(rows.slice, start, SLICE_ROWS))

    def _rows(self) -> pl.DataFrame:
        path = self.files[RATINGS]
        users = self._traits(USERS, "user")
        year = pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int64)
        genres = pl.col("genres").str.split("|")
        items = self._traits(ITEMS, "item").select("item", year.alias("year"), genres)
        ratings = (TIMED if self.settings.when else RATINGS).read(path)
        if self.settings.when:
            _refuse_gap(path, ratings["time"])
        wrong = ratings["rating"].is_between(1, 5).fill_null(False).not_().arg_max()
        if wrong is not None and ratings["rating"][wrong] not in range(1, 6):
            value = ratings["rating"][wrong]
            raise UserError(f"{path}, row {wrong + 1}, column rating: {value}; must be 1 to 5")
        label = (pl.col("rating") > 3).cast(pl.UInt8).alias(LABEL)
        rows = ratings.filter(pl.col("rating") != 3).with_columns(label).drop("rating")
        for name, traits in (("user", users), ("item", items)):
            unknown = rows.filter(~pl.col(name).is_in(traits[name].implode()))
            if len(unknown):
                raise UserError(
                    f"{path}: {name} {unknown[name][0]} is rated but not described in "
                    f"{self.files[USERS if name == 'user' else ITEMS]}; fetch the set again"
                )
            rows = rows.join(traits, on=name, how="left", maintain_order="left")
        return self.keyed(rows).drop("time")

    def _traits(self, table: File, key: str) -> pl.DataFrame:
        traits = table.read(self.files[table])
        if traits[key].n_unique() != len(traits):
            raise UserError(f"{self.files[table]}: a {key} stands in it twice; fetch the set again")
        return traits


def _refuse_gap(path: Path, times: pl.Series) -> None:
    gap = times.is_null().arg_max()
    if gap is not None and times[gap] is None:
        raise UserError(f"{path}, row {gap + 1}, column time: empty; mend or remove the row")
