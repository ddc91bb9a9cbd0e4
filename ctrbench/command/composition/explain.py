"""One clear line for the several that Hydra, OmegaConf and the YAML parser say."""

import re
import shlex
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ctrbench.command.composition.meant import no_such_key
from ctrbench.optim.settings import OptimizerSettings
from ctrbench.settings import classes_with, extending, nearest

INSIDE = re.compile(r"In '(.+?)'.*\n(.*)\n.*full_key: (\S+)")
MERGED = re.compile(r"Error merging override \+*([^=]+)=(.*)")
SWEPT = re.compile(r"(?:Ambiguous value for argument|Sweep parameters) '(.*)'")
NO_LIST = re.compile(r"is not a ListConfig|Cannot merge DictConfig with ListConfig")
WRONG = {  # values, as OmegaConf says it and in plain words
    r"Value '(.*)' of type '\w+' could not be converted to Integer": "not a whole number",
    r"Value '(.*)' of type '\w+' could not be converted to Float": "not a number",
    r"Value '(.*)' is not a valid bool": "not true or false",
    r"Value (.*) \(\w+\) is incompatible with type hint 'str'": "not text; quote it",
    r"Cannot convert '\w+' to string: '(.*)'": "not one value",
    r"is not a subclass of \w+Settings\. value: (.*)": "give its keys, {KEY: VALUE, ...}",
    r"is not Optional|Incompatible value 'None'": "needs a value",
}
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
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        node = cause.parent_node
        if isinstance(node, DictConfig) and cause.key is not None and cause.key not in list(node):
            return no_such_key(str(cause.full_key), node)
        return plain(cause, word=MERGED.match(str(error)))
    if (inside := INSIDE.match(str(error))) is not None:
        return _inside(*inside.groups())
    if (swept := SWEPT.match(str(error))) is not None:
        return f"{swept[1]}: several runs need ctrbench train -m; a list is one value as [A,B]"
    if isinstance(error, UnicodeDecodeError):
        return f"a YAML file of --config-dir is not text: {error}"
    return " ".join(str(error).split()) if isinstance(error, yaml.YAMLError) else _first_line(error)


def plain(
    error: OmegaConfBaseException, prefix: str = "", word: re.Match[str] | None = None
) -> str:
    """One line for a value that does not fit its key.

    Args:
        prefix: of the key.
        word: that gave the value, as KEY and VALUE, where the error may not know it.
    """
    key, value = error.full_key, error.value
    if value is None and word is not None:
        key, value = word.groups()
    return _plain(f"{prefix}{key or ''}", _first_line(error), value)


def _plain(key: str, why: str, value: Any = None) -> str:
    for pattern, told in WRONG.items():
        if (found := re.search(pattern, why)) is not None:
            return f"{key}={found[1] if found.lastindex else 'null'}: {told}"
    if NO_LIST.search(why) is not None:
        word, items = (key, "A,B") if value is None else (f"{key}={value}", str(value).strip("{}"))
        return f"{word}: give a list, {key}=[{items}]"
    return f"{key}: {why}" if key else why


def _inside(file: str, why: str, key: str) -> str:
    """What a YAML file says and its class does not take."""
    if not file.startswith("tuned/"):
        return f"{file}: {_plain(key, why)}"
    section, _, option = key.rpartition(".")
    if section == "optimizer" and classes_with(option, OptimizerSettings):
        for name, cls in extending(OptimizerSettings).items():
            if why.endswith(f"not in '{cls.__name__}'"):
                return (
                    f"optimizer={name}: the tuned values of this model are another optimizer's; "
                    "leave them out with tuned=none"
                )
    return f"{file}: {_plain(key, why)}; leave the tuned values out with tuned=none"


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


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]


def quoted(key: str, value: str) -> str:
    """A word of Hydra's grammar for any value."""
    escaped = re.sub(
        r'(\\*)("|$)', lambda found: found[1] * 2 + found[2].replace('"', '\\"'), value
    )
    return f'{key}="{escaped}"'
