"""Public sets by their names."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ctrbench.command.composition.compose import (
    CONF,
    OwnFolder,
    choices,
    compose,
    one_line_for_hydra,
)
from ctrbench.data.settings import DownloadSettings
from ctrbench.errors import UserError
from ctrbench.settings import nearest


def public_set(name: str) -> DownloadSettings:
    """What ``ctrbench download NAME`` fetches.

    Raises:
        UserError: for a name that is none of a public set.
    """
    about = compose([f"data={name}"]).data.get("download") if name in choices("data") else None
    found: Any = None if about is None else OmegaConf.to_object(about)
    if not isinstance(found, DownloadSettings):
        folders = [Path(CONF), *([OwnFolder.folder] if OwnFolder.folder else [])]
        paths = [path for folder in folders for path in folder.glob("data/*.yaml")]
        with one_line_for_hydra():
            public = [path.stem for path in paths if "download" in OmegaConf.load(path)]
        raise UserError(f"{name}: no such public set; {nearest(name, public)}")
    return found
