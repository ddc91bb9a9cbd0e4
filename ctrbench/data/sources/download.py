"""Public data sets by name: fetched from the hub of BARS, continued where cut off, and checked."""

import shutil
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tqdm import tqdm

from ctrbench.data.settings import DownloadSettings
from ctrbench.data.split import PARTS
from ctrbench.errors import UserError
from ctrbench.files import file_digest, locked, remove_leftovers

HUB = "https://huggingface.co/datasets/reczoo/{0}/resolve/main/{0}.zip"
ATTEMPTS = 6
CHUNK = 1 << 20
TIMEOUT_S = 30.0


def download(public: DownloadSettings, folder: Path, url: str | None = None) -> list[Path]:
    """Download the three files of a public data set to a folder, unless they are there.

    An archive that a person put into the folder is taken in place of the hub's, and left there.

    Args:
        url: of the archive elsewhere, a mirror's.
    """
    sums = public.md5
    paths = [folder / f"{part}.csv" for part in PARTS]
    remove_leftovers(folder.parent)
    by_hand, fetched = (folder / f"{public.archive}{kind}" for kind in (".zip", ".fetched.zip"))
    if all(p.exists() and file_digest(p, "md5") == md5 for p, md5 in zip(paths, sums, strict=True)):
        with suppress(OSError):  # of a process that was killed; the folder may be read-only
            fetched.unlink(missing_ok=True)
        return paths
    with locked(folder.with_suffix(".lock")):
        folder.mkdir(exist_ok=True)
        archive = by_hand if by_hand.exists() else fetched
        if not archive.exists():
            _fetch(url or HUB.format(public.archive), fetched, by_hand)
        wrong = None
        try:
            for path, md5 in zip(paths, sums, strict=True):
                _extract(archive, path, md5)
        except _WrongError as error:
            wrong = error
        fetched.unlink(missing_ok=True)
    if wrong is not None:
        advice = "it is deleted, run" if archive == fetched else "delete it and run"
        raise UserError(f"{archive}: {wrong}; {advice} the command again")
    return paths


class _WrongError(Exception):
    """An archive that is not the published one."""


def _fetch(url: str, archive: Path, by_hand: Path) -> None:
    """Download to ``archive.part``, continuing it if it is there, and rename it when complete.

    Args:
        by_hand: where a person may put it.
    """
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
        f"{by_hand}"
    )


def _append(url: str, side: Path) -> bool:
    """Download the bytes that are missing, and return whether the file is complete."""
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
    """Extract a file of the archive, and rename it into place if its checksum is right."""
    side = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [n for n in opened.namelist() if n.rpartition("/")[2] == path.name]
            if len(names) != 1:
                raise _WrongError(f"has no {path.name}")
            with opened.open(names[0]) as packed, side.open("wb") as file:
                shutil.copyfileobj(packed, file, CHUNK)
        if file_digest(side, "md5") != md5:
            raise _WrongError(f"{path.name} has another checksum than the published one")
        side.replace(path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _WrongError(f"damaged ({error})") from None
    finally:
        side.unlink(missing_ok=True)
