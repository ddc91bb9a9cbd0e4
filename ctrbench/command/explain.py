"""One clear line for the several that Hydra, OmegaConf and the YAML parser say."""

import re
import shlex
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ctrbench.settings import nearest

INSIDE = re.compile(r"In '(.+?)'.*\n(.*)\n.*full_key: (\S+)")
SWEPT = re.compile(r"(?:Ambiguous value for argument|Sweep parameters) '(.*)'")
EXTRAS = {  # launchers that are packages, and our extras that install them
    "joblib": "joblib",
    "ray": "ray",
    "submitit_local": "submitit",
    "submitit_slurm": "submitit",
}


def explain(error: Exception) -> str:
    """One line for Hydra's several."""
    if isinstance(error, OverrideParseException):
        return _parsing(error)
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        if group == "hydra/launcher" and name in EXTRAS:
            return f"{group}={name} needs a package: pip install 'ctrbench[{EXTRAS[name]}]'"
        return f"{group}={name}: no such choice; {nearest(name, error.options)}{_plugin(group)}"
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.key is not None:
        known = _keys(cause.parent_node)
        if known and str(cause.key) not in known:
            return f"{cause.full_key}: no such key; {nearest(str(cause.key), known)}"
        return first_line(cause)
    if (inside := INSIDE.match(str(error))) is not None:
        file, why, key = inside.groups()
        hint = "; leave the tuned values out with tuned=none" if file.startswith("tuned/") else ""
        return f"{file}: {key}: {why}{hint}"
    if (swept := SWEPT.match(str(error))) is not None:
        return f"{swept[1]}: several runs need ctrbench train -m; a list is one value as [A,B]"
    if isinstance(error, UnicodeDecodeError):
        return f"a YAML file of --config-dir is not text: {error}"
    return " ".join(str(error).split()) if isinstance(error, yaml.YAMLError) else first_line(error)


def _parsing(error: OverrideParseException) -> str:
    """A word that Hydra's grammar does not take, and whether quotes would help."""
    key, _, value = error.override.partition("=")
    word = quoted(key, value)
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return f"{error.override}: not readable as KEY=VALUE"
    return f"{error.override}: quote the value, then for the shell the word: {shlex.quote(word)}"


def _plugin(group: str) -> str:
    kind = group.rpartition("/")[2]
    installed = f"; others are packages (hydra-NAME-{kind})"
    return installed if group in ("hydra/launcher", "hydra/sweeper") else ""


def _keys(node: Any) -> list[str]:
    return [str(key) for key in node if key != "hydra"] if isinstance(node, DictConfig) else []


def first_line(error: Exception) -> str:
    text = str(error).split("\n")[0]
    key = getattr(error, "full_key", None)
    return f"{key}: {text}" if key else text


def quoted(key: str, value: str) -> str:
    """A word of Hydra's grammar for any value."""
    escaped = re.sub(
        r'(\\*)("|$)', lambda found: found[1] * 2 + found[2].replace('"', '\\"'), value
    )
    return f'{key}="{escaped}"'
