"""Public data sets by name: fetched from the hub of BARS, continued where cut off, and checked."""

import hashlib
import logging
import shutil
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tqdm import tqdm

from ctrbench.data.split import PARTS
from ctrbench.errors import UserError
from ctrbench.files import locked
from ctrbench.settings import nearest

HUB = "https://huggingface.co/datasets/reczoo/{0}/resolve/main/{0}.zip"
ATTEMPTS = 6
CHUNK = 1 << 20
TIMEOUT_S = 30.0
log = logging.getLogger(__name__)

# Archive, and MD5 of its train, valid and test files, as published with the sets
# (github.com/reczoo/Datasets).
SETS: dict[str, tuple[str, tuple[str, str, str]]] = {
    "criteo_x1": (
        "Criteo_x1",
        (
            "30b89c1c7213013b92df52ec44f52dc5",
            "f73c71fb3c4f66b6ebdfa032646bea72",
            "2c48b26e84c04a69b948082edae46f8c",
        ),
    ),
    "criteo_x4": (
        "Criteo_x4",
        (
            "4a53bb7cbc0e4ee25f9d6a73ed824b1a",
            "fba5428b22895016e790e2dec623cb56",
            "cfc37da0d75c4d2d8778e76997df2976",
        ),
    ),
    "avazu_x4": (
        "Avazu_x4",
        (
            "de3a27264cdabf66adf09df82328ccaa",
            "33232931d84d6452d3f956e936cab2c9",
            "3ebb774a9ca74d05919b84a3d402986d",
        ),
    ),
    "frappe_x1": (
        "Frappe_x1",
        (
            "ba7306e6c4fc19dd2cd84f2f0596d158",
            "88d51bf2173505436d3a8f78f2a59da8",
            "3470f6d32713dc5f7715f198ca7c612a",
        ),
    ),
    "movielenslatest_x1": (
        "MovielensLatest_x1",
        (
            "efc8bceeaa0e895d566470fc99f3f271",
            "e1930223a5026e910ed5a48687de8af1",
            "54e8c6baff2e059fe067fb9b69e692d0",
        ),
    ),
}


def download(name: str, folder: Path, url: str | None = None) -> list[Path]:
    """The three files of a public set in a folder, fetched unless they are there.

    An archive that a person put into the folder is taken in place of the hub's.

    Args:
        url: of the archive elsewhere, a mirror's.

    Raises:
        UserError: for an unknown name, no connection, or bytes that are not the published ones.
    """
    if name not in SETS:
        raise UserError(f"{name}: no such public set; {nearest(name, SETS)}")
    archive_name, sums = SETS[name]
    paths = [folder / f"{part}.csv" for part in PARTS]
    if all(path.exists() and _md5(path) == md5 for path, md5 in zip(paths, sums, strict=True)):
        return paths
    archive = folder / f"{archive_name}.zip"
    with locked(folder.with_suffix(".lock")):
        folder.mkdir(exist_ok=True)
        if not archive.exists():
            _fetch(url or HUB.format(archive_name), archive)
        for path, md5 in zip(paths, sums, strict=True):
            _extract(archive, path, md5)
        archive.unlink()
    return paths


def _fetch(url: str, archive: Path) -> None:
    """Append to ``archive.part`` until it is whole, then rename it."""
    side = archive.with_name(f"{archive.name}.part")
    reason = ""
    for attempt in range(ATTEMPTS):
        before = side.stat().st_size if side.exists() else 0
        try:
            if _append(url, side):
                side.replace(archive)
                return
            reason = "the connection was cut off"
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # nothing behind what we have
                side.replace(archive)
                return
            reason = f"HTTP {error.code}"
            if error.code < 500:
                break
        except ValueError:
            raise UserError(f"url={url}: not an address; give http://... or https://...") from None
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        got = side.stat().st_size if side.exists() else 0
        if got == before:  # no progress: give the other side some time
            time.sleep(min(0.1 * 4**attempt, 10))
    raise UserError(
        f"{url}: {reason}; run the command again to go on, or fetch the file by hand and put it at "
        f"{archive}"
    )


def _append(url: str, side: Path) -> bool:
    """Fetch what is behind the bytes there are; whether that is all."""
    start = side.stat().st_size if side.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        if start and response.status != 206:  # the server starts over
            start = 0
        total = start + int(response.headers.get("Content-Length", 0))
        with side.open("ab" if start else "wb") as file:
            bar = tqdm(total=total or None, initial=start, unit="B", unit_scale=True, disable=None)
            with bar:
                for chunk in _chunks(response):
                    file.write(chunk)
                    bar.update(len(chunk))
    return not total or side.stat().st_size >= total


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(CHUNK):
        yield chunk


def _extract(archive: Path, path: Path, md5: str) -> None:
    """One file of the archive, renamed into place when its sum is right."""
    side = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [n for n in opened.namelist() if n.rpartition("/")[2] == path.name]
            if len(names) != 1:
                raise UserError(f"{archive}: has no {path.name}; delete it and run again")
            with opened.open(names[0]) as packed, side.open("wb") as file:
                shutil.copyfileobj(packed, file, CHUNK)
        if _md5(side) != md5:
            archive.unlink()
            raise UserError(
                f"{archive}: {path.name} has another checksum than the published one; the archive "
                "is deleted, run the command again"
            )
        side.replace(path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        archive.unlink()
        raise UserError(f"{archive}: damaged ({error}); it is deleted, run again") from None
    finally:
        side.unlink(missing_ok=True)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
