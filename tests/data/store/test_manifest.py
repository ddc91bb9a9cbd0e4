"""The bytes of a store: looked at once, and again when a file may have changed; what is kept."""

import json
import os
import shutil
from pathlib import Path

import pytest
from support import Compose, ctrbench, store_of

from ctrbench import files
from ctrbench.data.settings import Crosses
from ctrbench.data.sources.planted import Planted
from ctrbench.data.store import manifest
from ctrbench.data.store.crosses import with_crosses
from ctrbench.data.store.opened import Encoding, Store
from ctrbench.errors import UserError
from ctrbench.files import file_signature

CROSSES = [["C1", "C2"]]


@pytest.fixture
def store(settings: Compose) -> Store:
    """With crosses, opened before."""
    return with_crosses(store_of(settings()), Crosses(CROSSES, 1, None))


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose bytes are looked at from now on."""
    seen: list[str] = []
    digest = files.file_digest

    def watched(path: Path) -> str:
        seen.append(path.name)
        return digest(path)

    monkeypatch.setattr(files, "file_digest", watched)
    return seen


def flip(path: Path) -> None:
    """Change a bit in the middle of a file, and nothing of its name, size or inode."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def test_bytes_are_looked_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """With crosses too; a file that was touched alone again."""
    seen = looked_at(monkeypatch)
    Store(store.folder, store.crosses)
    assert seen == []
    (store.folder / "test.ids.npy").touch()
    Store(store.folder, store.crosses)
    Store(store.folder, store.crosses)
    assert seen == ["test.ids.npy"]
    seen.clear()
    store.verify()
    assert {"train.ids.npy", "valid.labels.npy"} < set(seen) and len(seen) > 10


@pytest.mark.parametrize("name", ["train.ids.npy", "test.labels.npy"])
def test_a_changed_byte_is_found_even_at_its_old_time(name: str, store: Store) -> None:
    path = store.folder / name
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(UserError, match=f"{name}: the stored bytes were changed"):
        Store(store.folder)


def test_every_byte_can_be_looked_at(store: Store, settings: Compose, tmp_path: Path) -> None:
    """``prepare --verify`` finds what no time tells: a disk that forgets."""
    path = store.folder / "valid.ids.npy"
    flip(path)
    verified = manifest.verified_path(store.folder)
    known = json.loads(verified.read_text())
    known[path.name][1:] = file_signature(path)
    verified.write_text(json.dumps(known))
    words = ["data.rows=4000", "data.vocabulary=50", "data.min_count=1", f"results={tmp_path}"]
    assert ctrbench("prepare", *words).returncode == 0
    done = ctrbench("prepare", *words, "--verify")
    assert done.returncode == 1
    assert "valid.ids.npy: the stored bytes were changed" in done.stderr


def test_a_store_that_may_only_be_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest.verified_path(store.folder).unlink()

    def refuse(path: Path, data: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(manifest, "write_atomic", refuse)
    assert len(Store(store.folder).part("test").labels_N) > 0


@pytest.mark.parametrize("text", ["", "[1]", "null", '{"train.ids.npy": 1}'])
def test_a_spoilt_memory_is_none(text: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest.verified_path(store.folder).write_text(text)
    seen = looked_at(monkeypatch)
    Store(store.folder)
    assert "train.ids.npy" in seen


def test_a_store_without_its_manifest(store: Store) -> None:
    (store.folder / "store.json").unlink()
    with pytest.raises(UserError, match=r"store.json: no such file; delete .* and run again"):
        Store(store.folder)


def test_the_order_of_keys_is_no_content(store: Store) -> None:
    path = store.folder / "store.json"
    turned = dict(reversed(json.loads(path.read_text()).items()))
    path.write_text(json.dumps(turned))
    assert Store(store.folder).schema.fields == store.schema.fields
    turned["key"] = "another"
    path.write_text(json.dumps(turned))
    with pytest.raises(UserError, match=r"store.json: the stored bytes were changed"):
        Store(store.folder)


@pytest.mark.parametrize("can_link", [True, False])
def test_an_encoding_that_is_kept_needs_no_store(
    can_link: bool,
    store: Store,
    settings: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It holds no rows, shares the store's bytes where it can, and encodes the same."""

    def refuse(path: Path, to: Path) -> None:
        raise OSError(18, "Invalid cross-device link", str(path))

    if not can_link:
        monkeypatch.setattr(os, "link", refuse)
    frame = next(Planted(settings().data).slices()).read()
    ids_NS, _ = store.encoder()(frame)
    store.keep(tmp_path / "kept")
    shared = (tmp_path / "kept/vocabulary").rglob("*.parquet")
    assert {path.stat().st_nlink > 1 for path in shared} == {can_link}
    schema = store.schema
    shutil.rmtree(store.folder)
    kept = Encoding.kept(tmp_path / "kept")
    assert kept.schema == schema
    assert (kept.encoder()(frame)[0] == ids_NS).all()
    files = {path.suffix for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    assert files == {".json", ".parquet"}
    assert not list(tmp_path.glob("kept.*"))  # every byte is looked at again
    flip(tmp_path / "kept/vocabulary/00000.parquet")
    with pytest.raises(UserError, match=r"00000.parquet: the stored bytes were changed"):
        Encoding.kept(tmp_path / "kept")
