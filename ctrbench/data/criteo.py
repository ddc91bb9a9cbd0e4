"""The Criteo Display Advertising file (Kaggle, 2014): 40 tab-separated columns, no header."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ctrbench.data.schema import CATEGORICAL, NUMERIC, Column
from ctrbench.data.settings import CriteoSettings
from ctrbench.data.text import blocks, content_digest, parse
from ctrbench.errors import UserError

NUMERIC_NAMES = [f"I{i}" for i in range(1, 14)]
CATEGORICAL_NAMES = [f"C{i}" for i in range(1, 27)]
PARTS = ("train", "valid", "test")


class Criteo:
    """A source: the raw rows of one file, or of three files that are the split."""

    columns = tuple(
        [Column(name, NUMERIC) for name in NUMERIC_NAMES]
        + [Column(name, CATEGORICAL) for name in CATEGORICAL_NAMES]
    )

    def __init__(self, settings: CriteoSettings) -> None:
        self.files = _files(settings)

    def fingerprint(self) -> str:
        """A hash of the rows' bytes: the same rows elsewhere are the same data."""
        return ":".join(f"{part}={content_digest(path)}" for part, path in self.files.items())

    def slices(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """Frames of whole rows in file order, each with the part it belongs to (`all` if one)."""
        for part, path in self.files.items():
            for line, block in blocks(path):
                yield part, _frame(path, line, block)


def _files(settings: CriteoSettings) -> dict[str, Path]:
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
            raise UserError(f"{path}: {what}; name a file with data.path=FILE")
    return files


def _frame(path: Path, line: int, block: bytes) -> pl.DataFrame:
    """Parse a block; categories become the 32-bit numbers that their hex digits stand for."""
    columns: dict[str, pl.DataType] = {"label": pl.Int64()}
    columns |= dict.fromkeys(NUMERIC_NAMES, pl.Int64())
    columns |= dict.fromkeys(CATEGORICAL_NAMES, pl.String())
    raw = parse(path, line, block, columns)
    wrong = raw["label"].is_in([0, 1]).fill_null(False).not_().arg_max()
    if wrong is not None and raw["label"][wrong] not in (0, 1):
        value = raw["label"][wrong]
        said = "empty" if value is None else value
        raise UserError(f"{path}, line {line + wrong}, column label: {said}; must be 0 or 1")
    hexes = [
        pl.col(name).str.to_integer(base=16, dtype=pl.UInt32, strict=False)
        for name in CATEGORICAL_NAMES
    ]
    frame = raw.with_columns(pl.col("label").cast(pl.UInt8), *hexes)
    for name in CATEGORICAL_NAMES:
        if frame[name].null_count() != raw[name].null_count():
            bad = int((frame[name].is_null() & raw[name].is_not_null()).arg_max() or 0)
            raise UserError(
                f"{path}, line {line + bad}, column {name}: {raw[name][bad][:40]!r} is not a "
                "category of up to 8 hex digits"
            )
    return frame
