"""Files by their content, whatever their name says; what is no text is named."""

import bz2
import gzip
import io
import lzma
import shlex
import subprocess
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest
import zstandard
from support import Compose

from ctrbench.data.sources.cells import read_cells
from ctrbench.data.sources.registry import open_source
from ctrbench.data.sources.text import blocks
from ctrbench.errors import UserError

TEXT = ("clicked,city\n" + "1,Köln\n0,北京市\n" * 3000).encode()
ROWS = [("1", "Köln"), ("0", "北京市")] * 3000


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, TEXT)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("rows.csv")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    return file.getvalue()


def parquet() -> bytes:
    file = io.BytesIO()
    pl.DataFrame(ROWS, schema=["clicked", "city"], orient="row").write_parquet(file)
    return file.getvalue()


COMPRESSED = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "gzip in parts": gzip.compress(TEXT[:999]) + gzip.compress(TEXT[999:]),
    "xz": lzma.compress(TEXT),
    "zstandard": zstandard.compress(TEXT),
    "bzip2": bz2.compress(TEXT),
    "zip": zipped("rows.csv"),
    "zip of a Mac": zipped("rows.csv", "__MACOSX/._rows.csv"),
    "Parquet": parquet(),
}


@pytest.mark.parametrize("name", ["rows", "rows.CSV.GZ", "rows.csv.bz2", "rows.parquet.gzip"])
@pytest.mark.parametrize("kind", COMPRESSED)
def test_rows_by_content(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(COMPRESSED[kind])
    assert pl.concat(read().frame for _, read in read_cells(path)).rows() == ROWS


@pytest.mark.parametrize("kind", ["gzip", "xz", "zstandard", "bzip2", "zip"])
def test_cut_off_files(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(COMPRESSED[kind][:-40])
    with pytest.raises(UserError, match="damaged or cut off"):
        list(blocks(path))


REFUSED = {
    "tar": (tarred(), "tar"),
    "tar.gz": (gzip.compress(tarred()), "tar"),
    "several files": (zipped("a.csv", "b.csv"), "zip archive of 2 files"),
    "Excel": (zipped("[Content_Types].xml", "xl/workbook.xml"), "Excel"),
    "compressed twice": (gzip.compress(gzip.compress(TEXT)), "compressed twice"),
    "compressed Parquet": (gzip.compress(parquet()), "Parquet"),
    "SQLite": (b"SQLite format 3\0" + bytes(100), "SQLite"),
    "UTF-16": (TEXT.decode().encode("utf-16"), "UTF-16 text; convert"),
    "UTF-16, big": (b"\xfe\xff" + TEXT.decode().encode("utf-16-be"), "UTF-16 text; convert"),
    "UTF-16 without a mark": (b"a,b\n1,2\n".decode().encode("utf-16-le"), "UTF-16LE"),
    "UTF-16.gz": (gzip.compress(TEXT.decode().encode("utf-16")), "UTF-16 text; decompress"),
    "GBK": (TEXT.decode().replace("Köln", "上海").encode("gbk"), "line 2: not UTF-8.*GBK"),
    "Latin-1": (b"clicked,city\n1,K\xf6ln\n", "line 2: not UTF-8.*WINDOWS-1252"),
    "old Mac": (b"clicked,city\r1,x\r0,y\r", "carriage returns"),
}


@pytest.mark.parametrize("reader", ["table", "libsvm"])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_text(kind: str, reader: str, settings: Compose, tmp_path: Path) -> None:
    """Named in one line by every reader of text."""
    data, message = REFUSED[kind]
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    words = ["data.label=clicked"] if reader == "table" else []
    with pytest.raises(UserError, match=message) as error:
        source = open_source(settings(f"data={reader}", f"data.path={path}", *words).data)
        [piece.read() for piece in source.slices()]
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["UTF-16", "UTF-16 without a mark", "GBK", "Latin-1", "old Mac"])
def test_the_remedy_works_as_printed(kind: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_bytes(REFUSED[kind][0])
    with pytest.raises(UserError) as error:
        [read() for _, read in read_cells(old)]
    command = str(error.value).rpartition(": ")[2]
    command = command.replace("OLD", shlex.quote(str(old))).replace("NEW", shlex.quote(str(new)))
    subprocess.run(["sh", "-c", command], check=True)
    assert sum(len(read().frame) for _, read in read_cells(new)) >= 1


def test_a_long_line_is_no_quotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ctrbench.data.sources import text

    monkeypatch.setattr(text, "UNCLOSED_BYTES", 1000)
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"clicked,a\n1,x\n0," + b"y" * 5000))
    with pytest.raises(UserError, match="no end of the line"):
        list(blocks(path, 100))
