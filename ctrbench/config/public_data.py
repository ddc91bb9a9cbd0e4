"""Public data sets by name."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ctrbench.config.compose import (
    CONF,
    UserFolder,
    choices,
    compose,
    translated_hydra_errors,
)
from ctrbench.data.settings import DownloadSettings
from ctrbench.errors import UserError
from ctrbench.settings import nearest


def public_set(name: str) -> DownloadSettings:
    """Return what ``ctrbench download NAME`` fetches."""
    section = compose([f"data={name}"]).data.get("download") if name in choices("data") else None
    settings: Any = None if section is None else OmegaConf.to_object(section)
    if not isinstance(settings, DownloadSettings):
        folders = [Path(CONF), *([UserFolder.folder] if UserFolder.folder else [])]
        paths = [path for folder in folders for path in folder.glob("data/*.yaml")]
        with translated_hydra_errors():
            public = [path.stem for path in paths if "download" in OmegaConf.load(path)]
        raise UserError(f"{name}: no such public set; {nearest(name, public)}")
    return settings
