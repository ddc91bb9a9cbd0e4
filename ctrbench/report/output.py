"""The folder of a report: written beside the old one and put in its place as a whole."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ctrbench.errors import UserError
from ctrbench.files import exchange, finish_exchange, link_or_copy, locked, temporary_folder
from ctrbench.report.index import write_index

REPORTS = "report"  # of a results folder, that holds several reports
WRITTEN = ".files.json"  # the names of the files that a report wrote
# Of a report that was written before it kept their names.
TABLES = ("index.html", "table.md", "table.tex", "table.csv")
MORE_TABLES = ("published.csv", "claims.csv", "calibration.csv", "slices.csv")
FIGURE = re.compile(r"\]\((figures/[\w.+-]+)\.png\)")


def write_folder(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write the files of a report, in place of those of the report before it.

    A reader sees the old report or the new one, whenever this is killed and if the disk is full.
    Files that no report wrote stay.

    Args:
        files: content by path within the folder.
    """
    _refuse_links(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock")):
        finish_exchange(folder)  # that a killed command began
        with temporary_folder(folder) as new:
            _write(new, files)
            _take_over(folder, new, set(files))
            if folder.exists():
                exchange(folder, new)
            else:
                new.rename(folder)
    if folder.parent.name == REPORTS:
        write_index(folder.parent)


def _refuse_links(folder: Path) -> None:
    """Refuse links: a folder from elsewhere must not lead writing to another place."""
    parents = [folder.parent] if folder.parent.name == REPORTS else []
    for path in (folder, *parents):
        if path.is_symlink():
            raise UserError(
                f"{path}: is a symbolic link, to {os.readlink(path)}; remove it, or name another "
                "folder with results=FOLDER"
            )
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}: is a file; name another folder with results=FOLDER")


def _write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    listed = json.dumps(sorted([*files, WRITTEN]), indent=1) + "\n"
    for name, content in {**files, WRITTEN: listed}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = error.filename or str(path)  # a failed write does not say of what
            raise


def _take_over(old: Path, new: Path, written: set[str]) -> None:
    """Move files that no report wrote from the old folder to the new one."""
    if not old.is_dir():
        return
    reports = _written_before(old) | written | {WRITTEN}
    for root, folders, names in os.walk(old):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in (*names, *links):
            path = Path(root) / name
            inner = path.relative_to(old)
            if inner.as_posix() not in reports:
                _copy(path, new / inner)


def _copy(path: Path, to: Path) -> None:
    """Copy a file or a link, unless the report has something else of its name."""
    if os.path.lexists(to) or any(parent.is_file() for parent in to.parents):
        return
    if path.is_symlink():
        to.parent.mkdir(parents=True, exist_ok=True)
        to.symlink_to(os.readlink(path))
    else:
        link_or_copy(path, to)


def _written_before(folder: Path) -> set[str]:
    """Return the files of the report that lies in a folder."""
    try:
        listed = json.loads((folder / WRITTEN).read_text())
        return {name for name in listed if isinstance(name, str)}
    except (OSError, ValueError, TypeError, RecursionError):
        pass
    try:
        text = (folder / "table.md").read_text(errors="replace")
    except OSError:
        return set()
    figures = FIGURE.findall(text)
    drawn = {f"{name}{suffix}" for name in figures for suffix in (".png", ".svg")}
    return {*TABLES, *MORE_TABLES, *drawn}
