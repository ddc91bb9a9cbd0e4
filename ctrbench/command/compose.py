"""From the words of a command to checked settings, with one clear line for a mistake."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ctrbench.data.settings import DownloadSettings
from ctrbench.errors import UserError
from ctrbench.runs.settings import RunSettings
from ctrbench.settings import check, nearest

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parent if (PACKAGE.parent / "conf" / "config.yaml").exists() else PACKAGE
CONF = str(ROOT / "conf")


for _path in sorted((ROOT / "experiments").glob("*.yaml")):
    ConfigStore.instance().store(
        _path.stem, OmegaConf.load(_path), group="experiment", package="_global_"
    )


def to_settings(config: DictConfig) -> RunSettings:
    """Typed and checked settings of a composed config.

    Raises:
        UserError: naming the key, its value and what is allowed.
    """
    own = OmegaConf.masked_copy(config, [key for key in map(str, config) if key != "hydra"])
    _refuse_added_keys(own)
    try:
        typed = OmegaConf.to_object(own)
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key}: has no value; give one in its YAML file") from None
    except OmegaConfBaseException as error:
        raise UserError(_first_line(error)) from None
    settings: Any = RunSettings(**typed) if isinstance(typed, dict) else typed  # type: ignore[arg-type]
    assert isinstance(settings, RunSettings)
    check(settings)
    return settings


def _refuse_added_keys(node: DictConfig, path: str = "") -> None:
    """``+key=value`` and users' YAML files can add keys; none is ignored."""
    schema = RunSettings if not path else OmegaConf.get_type(node)
    if not dataclasses.is_dataclass(schema):
        return
    known = {field.name for field in dataclasses.fields(schema)}
    for key in node:
        name = f"{path}{key!s}"
        if key not in known:
            raise UserError(f"{name}: no such key; {nearest(str(key), known)}")
        if not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            _refuse_added_keys(node[key], f"{name}.")


def compose(overrides: list[str]) -> DictConfig:
    """The config of one job.

    Raises:
        UserError: for an override that does not fit, with the nearest right name.
    """
    try:
        with initialize_config_dir(CONF, version_base="1.3"):
            return hydra_compose("config", overrides, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error)) from None


def explain(error: Exception) -> str:
    """One line for Hydra's several."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={name}: no such choice; {nearest(name, error.options)}"
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.key is not None:
        known = _keys(cause.parent_node)
        if known and str(cause.key) not in known:
            return f"{cause.full_key}: no such key; {nearest(str(cause.key), known)}"
        return _first_line(cause)
    if (tuned := re.match(r"In '(tuned/\w+)'.*\n(.*)\n.*full_key: (\S+)", str(error))) is not None:
        what, why, key = tuned.groups()
        return f"{what}: {key}: {why}; leave the tuned values out with tuned=none"
    return _first_line(error)


def _keys(node: Any) -> list[str]:
    return [str(key) for key in node if key != "hydra"] if isinstance(node, DictConfig) else []


def _first_line(error: Exception) -> str:
    text = str(error).split("\n")[0]
    key = getattr(error, "full_key", None)
    return f"{key}: {text}" if key else text


def public_set(name: str) -> DownloadSettings:
    """What ``ctrbench download NAME`` fetches.

    Raises:
        UserError: for a name that is none of a public set.
    """
    sets = {}
    for path in sorted(Path(CONF).glob("data/*.yaml")):
        about = compose([f"data={path.stem}"]).data.get("download")
        if about is not None:
            sets[path.stem] = about
    if name not in sets:
        raise UserError(f"{name}: no such public set; {nearest(name, sets)}")
    found: Any = OmegaConf.to_object(sets[name])
    assert isinstance(found, DownloadSettings)
    return found
