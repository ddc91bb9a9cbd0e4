"""Public sets over HTTP on the loopback address: whole, cut off, continued, wrong."""

import errno
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.hub import MD5, ROWS, Hub, archive, serving
from support import Compose, ctrbench

from ctrbench.data.settings import DownloadSettings
from ctrbench.data.sources import download as downloading
from ctrbench.data.sources.download import download
from ctrbench.data.sources.registry import open_source
from ctrbench.errors import UserError

SET = DownloadSettings("Frappe_x1", MD5)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(downloading.time, "sleep", lambda _: None)
    with serving() as server:
        yield server


def check(folder: Path) -> None:
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        f"{part}.csv": data for part, data in ROWS.items()
    }


def test_fetched_once(hub: Hub, tmp_path: Path) -> None:
    for _ in range(2):
        download(SET, tmp_path, hub.url)
        check(tmp_path)
    assert hub.requests == [None]


def test_a_cut_connection_is_continued(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [70_000, 0, 50_000]
    download(SET, tmp_path, hub.url)
    check(tmp_path)
    assert hub.requests == [None, "bytes=70000-", "bytes=70000-", "bytes=120000-"]


def test_a_server_without_ranges(hub: Hub, tmp_path: Path) -> None:
    hub.cuts, hub.ranges = [70_000], False
    download(SET, tmp_path, hub.url)
    check(tmp_path)


def test_a_killed_download_goes_on(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "Frappe_x1.fetched.zip.part").write_bytes(hub.data[:90_000])
    download(SET, tmp_path, hub.url)
    check(tmp_path)
    (tmp_path / "test.csv").unlink()
    (tmp_path / "Frappe_x1.fetched.zip.part").write_bytes(hub.data)  # whole, but not yet renamed
    download(SET, tmp_path, hub.url)
    check(tmp_path)
    assert hub.requests == ["bytes=90000-", f"bytes={len(hub.data)}-"]


def test_cut_off_again_and_again(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [100] * downloading.ATTEMPTS
    with pytest.raises(UserError, match=r"cut off; run the command again .*Frappe_x1.zip"):
        download(SET, tmp_path, hub.url)
    assert (tmp_path / "Frappe_x1.fetched.zip.part").stat().st_size == 100 * downloading.ATTEMPTS
    download(SET, tmp_path, hub.url)
    check(tmp_path)


def test_wrong_bytes(hub: Hub, tmp_path: Path) -> None:
    right, hub.data = hub.data, archive(ROWS | {"valid": b"label,user\n"})
    with pytest.raises(UserError, match=r"valid.csv has another checksum .* run the command again"):
        download(SET, tmp_path, hub.url)
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]
    hub.data = b"no archive" * 1000
    with pytest.raises(UserError, match=r"damaged .* it is deleted, run the command again"):
        download(SET, tmp_path, hub.url)
    assert not list(tmp_path.glob("*.zip"))
    by_hand = right[:500] + b"\xff" * 200 + right[700:]
    (tmp_path / "Frappe_x1.zip").write_bytes(by_hand)
    with pytest.raises(UserError, match=r"Frappe_x1.zip: .*; delete it and run the command again"):
        download(SET, tmp_path, hub.url)
    assert (tmp_path / "Frappe_x1.zip").read_bytes() == by_hand
    (tmp_path / "Frappe_x1.zip").unlink()
    with pytest.raises(UserError, match="url=foo: not an address"):
        download(SET, tmp_path, "foo")
    hub.data = right
    download(SET, tmp_path, hub.url)
    check(tmp_path)


def test_an_archive_put_there_by_hand(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "Frappe_x1.zip").write_bytes(hub.data)
    download(SET, tmp_path, "http://127.0.0.1:9/none")
    assert (tmp_path / "Frappe_x1.zip").read_bytes() == hub.data
    (tmp_path / "Frappe_x1.zip").unlink()
    check(tmp_path)


def test_a_full_disk_costs_no_archive(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", fail)
    with pytest.raises(OSError, match="No space"):
        download(SET, tmp_path, hub.url)
    assert (tmp_path / "Frappe_x1.fetched.zip").read_bytes() == hub.data
    monkeypatch.undo()
    download(SET, tmp_path, "http://127.0.0.1:9/none")
    check(tmp_path)


def test_no_network(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(UserError, match=r"refused; .* by hand and put it at .*/Frappe_x1.zip$"):
        download(SET, tmp_path, "http://127.0.0.1:9/none")


def test_the_command(tmp_path: Path, settings: Compose) -> None:
    done = ctrbench("download", "frape_x1", f"results={tmp_path}")
    assert done.returncode == 1 and "did you mean frappe_x1?" in done.stderr
    own = settings("data=frappe_x1", "model=lr")
    with pytest.raises(UserError, match=r"train.csv: no such file; ctrbench download frappe_x1 "):
        open_source(own.data)


def test_whether_rows_are_those_of_the_set(tmp_path: Path, settings: Compose) -> None:
    """By the MD5 of the files, wherever they lie."""
    for part, data in ROWS.items():
        (tmp_path / part).write_bytes(data)
    files = [f"data.{part}={tmp_path / part}" for part in ROWS]
    own = replace(settings("data=frappe_x1", "model=lr", *files).data, download=SET)
    assert open_source(own).as_published() is True
    (tmp_path / "valid").write_bytes(ROWS["valid"] + b"1,y\n")
    assert open_source(own).as_published() is False
    assert open_source(settings("data=planted").data).as_published() is None
