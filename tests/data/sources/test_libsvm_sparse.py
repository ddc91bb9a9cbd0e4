"""libsvm files of real values, with comments and queries: what libFM, xLearn and svmlight read."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from data.sources.test_libsvm import BAGS, LIBFFM, LIBFM, read, small_blocks, source
from sklearn.datasets import dump_svmlight_file, load_svmlight_file
from support import Compose, run

from ctrbench.data.schema import LABEL
from ctrbench.data.sources import libsvm_fields
from ctrbench.data.sources.libsvm import Libsvm
from ctrbench.errors import UserError

__all__ = ["small_blocks"]  # a fixture
rng = np.random.default_rng(0)
DENSE = rng.normal(size=(200, 13)).round(3) * (rng.random((200, 13)) < 0.4)
DENSE[0, 12] = 0.5  # the last column has a value
CLICKS = rng.integers(2, size=200)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rows.svm"
    dump_svmlight_file(DENSE, CLICKS, str(path), zero_based=False, comment="heart_scale\nby us")
    return path


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_any_subset_of_real_features(
    size: int, path: Path, settings: Compose, small_blocks: object
) -> None:
    """As scikit-learn reads the same file; every index of the file is a column, 0 where absent."""
    small_blocks(size)  # type: ignore[operator]
    expected, labels = load_svmlight_file(str(path))
    rows = pl.concat([piece.read() for piece in source(settings, path).slices()])
    assert rows.columns == [LABEL, *(str(i) for i in range(1, 14))]
    assert rows[LABEL].to_list() == labels.tolist()
    np.testing.assert_array_equal(rows.drop(LABEL).to_numpy(), expected.toarray())


def test_another_file_has_any_subset_too(path: Path, settings: Compose) -> None:
    """Indices that training rows have not are left out, also without labels and by one row."""
    resolved = source(settings, path).resolved()
    other = path.with_name("other.svm")
    other.write_text("3:.25 99:1.5 # new\n99:1\n\n")
    (piece,) = Libsvm(resolved).slices_of(other)
    rows = piece.read()
    assert rows["3"].to_list() == [0.25, 0.0] and "99" not in rows.columns
    assert rows.drop("3").to_numpy().sum() == 0


def test_dense_rows_of_real_features(settings: Compose, tmp_path: Path) -> None:
    """Named by their index, so that a later file may have any subset."""
    lines = [f"{i % 2} 1:{i}.5 2:-{i}e-1" for i in range(9)]
    rows = read(settings, tmp_path, [*lines, "0"][:9])
    assert rows.columns == [LABEL, "1", "2"] and rows["1"][3] == 3.5


@pytest.mark.parametrize("size", [30, 1 << 20])
def test_codes_beside_real_values(
    size: int, settings: Compose, tmp_path: Path, small_blocks: object
) -> None:
    """Indices of value 1 in all rows are codes; those with a real value anywhere are numbers."""
    small_blocks(size)  # type: ignore[operator]
    lines = ["1 3:1 4:1 50:.5", "0 3:1 50:1", "1 4:1 5:1 51:1", "0 51:2.5"]
    rows = read(settings, tmp_path, lines)
    assert rows["features"].to_list() == [["3", "4"], ["3"], ["4", "5"], None]
    assert rows["50"].to_list() == [0.5, 1, 0, 0] and rows["51"].to_list() == [0, 0, 1, 2.5]
    named = [" ".join(f"0:{e}" if ":" in e else e for e in line.split()) for line in lines]
    rows = read(settings, tmp_path, named)
    assert rows.columns == [LABEL, "0", "0_50", "0_51"]
    assert rows["0"].to_list() == [["3", "4"], ["3"], ["4", "5"], None]
    assert rows["0_50"].to_list() == [0.5, 1, 0, 0]


NOISE = {
    "comments": lambda line: f"{line} # 1:2 qid:3",
    "comments at once": lambda line: f"{line}#x",
    "queries": lambda line: line.replace(" ", " qid:7 ", 1),
    "spaces": lambda line: f" {line}  ",
}


@pytest.mark.parametrize("lines", [LIBFM, LIBFFM, BAGS], ids=["libfm", "libffm", "bags"])
@pytest.mark.parametrize("name", NOISE)
def test_comments_queries_and_blank_ends(
    name: str, lines: list[str], settings: Compose, tmp_path: Path
) -> None:
    plain = read(settings, tmp_path, lines)
    noisy = ["# a comment", *map(NOISE[name], lines), "#", "", " "]
    assert read(settings, tmp_path, noisy).equals(plain)


def test_lines_are_counted_with_comments(settings: Compose, tmp_path: Path) -> None:
    lines = ["# one", "1 0:3:1", "# three", "0 0:4:1", "0 0:x:1"]
    with pytest.raises(UserError, match="line 5: '0:x:1' is not"):
        read(settings, tmp_path, lines)
    with pytest.raises(UserError, match="line 3: empty"):
        read(settings, tmp_path, [*lines[:2], "", lines[3]])
    with pytest.raises(UserError, match="only comments"):
        read(settings, tmp_path, ["# one", "# two"])


def test_too_many_real_features(
    settings: Compose, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, and the declaration that is named reads some of them."""
    monkeypatch.setattr(libsvm_fields, "MOST_NUMBERS", 12)
    with pytest.raises(UserError, match=r"13 indices have real .* data.fields=\['1:number:1', ..."):
        source(settings, path).check()
    (piece,) = source(settings, path, "data.fields=['1:number:1','3:number:3']").slices()
    assert piece.read().columns == [LABEL, "1", "3"]


def test_many_fields_are_read_in_small_blocks(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.svm"
    values = " ".join(f"{i}:{i}.5" for i in range(1, 1000))
    path.write_text(f"1 {values}\n" * 300)
    assert len(list(source(settings, path).slices())) > 1


def test_they_train(settings: Compose, path: Path) -> None:
    own = settings("data=libsvm", f"data.path={path}", "model=fm", "data.numeric=unscaled")
    assert run(own)["status"] == "ok"
