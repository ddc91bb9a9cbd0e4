"""Rows of Criteo's layout that are refused, in one line, and leave nothing."""

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import Compose, criteo_line, store_of

from ctrbench.config.settings import RunSettings
from ctrbench.data.sources.criteo import Criteo
from ctrbench.errors import UserError


def spoil(line: int, column: int, cell: str) -> Callable[[list[str]], None]:
    def apply(lines: list[str]) -> None:
        cells = lines[line - 1].split("\t")
        cells[column] = cell
        lines[line - 1] = "\t".join(cells)

    return apply


def drop_cell(lines: list[str]) -> None:
    lines[6] = lines[6].rpartition("\t")[0]


def add_cell(lines: list[str]) -> None:
    lines[7] += "\tx"


def move_cell(lines: list[str]) -> None:
    """As many columns as there should be, but not in every line."""
    drop_cell(lines)
    add_cell(lines)


def one_class(lines: list[str]) -> None:
    lines[:] = ["0" + line[1:] for line in lines]


BAD_ROWS = {
    "too few columns": (drop_cell, "line 7: 39 columns, expected 40"),
    "too many columns": (add_cell, "line 8: 41 columns, expected 40"),
    "a column moved": (move_cell, "line 7: 39 columns, expected 40"),
    "label": (spoil(3, 0, "2"), "line 3, column label: '2' is not a label; must be 0 or 1"),
    "no label": (spoil(4, 0, ""), "line 4, column label: empty is not a label; must be 0 or 1"),
    "text label": (spoil(5, 0, "perhaps"), "line 5, column label: 'perhaps' is not a label"),
    "text integer": (spoil(9, 2, "many"), "line 9, column I2: 'many' is not an integer"),
    "not hex": (spoil(11, 15, "xyz"), "line 11, column C2: 'xyz' is not a category"),
    "one class": (one_class, "only one class"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_rows(name: str, settings: Compose, criteo_file: Path, tmp_path: Path) -> None:
    mistake, message = BAD_ROWS[name]
    lines = criteo_file.read_text().splitlines()
    mistake(lines)
    criteo_file.write_text("\n".join(lines) + "\n")
    _refused(settings("data=criteo", f"data.path={criteo_file}"), message, tmp_path)


def _refused(settings: RunSettings, message: str, results: Path) -> None:
    """One line, and nothing but an empty lock is left."""
    with pytest.raises(UserError) as error:
        store_of(settings)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert [p for p in results.glob("stores/*/*") if p.suffix != ".lock"] == []


@pytest.mark.parametrize("suffix", ["gz", "xz", "zst"])
def test_truncated_archive(
    suffix: str, settings: Compose, criteo_file: Path, tmp_path: Path
) -> None:
    import zstandard

    raw = criteo_file.read_bytes()
    compress: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "xz": lzma.compress,
        "zst": zstandard.compress,
    }
    packed = tmp_path / f"rows.{suffix}"
    packed.write_bytes(compress[suffix](raw)[:-2000])
    _refused(settings("data=criteo", f"data.path={packed}"), "damaged or cut off", tmp_path)


def test_empty_file_and_empty_vocabulary(
    settings: Compose, criteo_file: Path, tmp_path: Path
) -> None:
    few = settings("data=criteo", f"data.path={criteo_file}", "data.min_count=100000")
    _refused(few, "no column is of use; column I1: no value occurs 100000 times", tmp_path)
    criteo_file.write_text("")
    empty = settings("data=criteo", f"data.path={criteo_file}")
    _refused(empty, "the file is empty", tmp_path)


ROW = criteo_line(1, 0)


@pytest.fixture
def criteo(settings: Compose) -> Criteo:
    """The source without a file."""
    return Criteo(settings("data=criteo").data)


@hypothesis_settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=80), at=st.integers(0, len(ROW)))
def test_any_bytes_are_read_or_refused(
    data: bytes, at: int, criteo: Criteo, tmp_path: Path
) -> None:
    """Alone, and within a row that is right."""
    path = tmp_path / "rows.txt"
    for content in (data, ROW.encode()[:at] + data + ROW.encode()[at:]):
        path.write_bytes(content)
        try:
            for piece in criteo.slices_of(path):
                assert len(piece.read()) == content.count(b"\n") + (content[-1:] != b"\n")
        except UserError as error:
            assert "\n" not in str(error)
