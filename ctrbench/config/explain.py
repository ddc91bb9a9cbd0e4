"""One line for an error of Hydra, OmegaConf or the YAML parser."""

import contextlib
import re
import shlex
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ctrbench.config.suggestions import describe_unknown_key
from ctrbench.optim.settings import OptimizerSettings
from ctrbench.quoting import quote_items, quote_text, shell_word
from ctrbench.settings import classes_with, extending, nearest

INSIDE = re.compile(r"In '(.+?)'.*\n(.*)\n.*full_key: (\S+)")
MERGED = re.compile(r"Error merging override \+*([^=]+)=(.*)")
SWEPT = re.compile(r"(?:Ambiguous value for argument|Sweep parameters) '(.*)'")
FUNCTION = re.compile(r"(glob|choice|sort|shuffle)\((.*)\)")
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


def explain_error(error: Exception) -> str:
    """Return one line for an error of Hydra."""
    if isinstance(error, OverrideParseException):
        return _explain_syntax(error)
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        if group == "hydra/launcher" and name in EXTRAS:
            return f"{group}={name} needs a package: pip install 'ctrbench[{EXTRAS[name]}]'"
        return f"{group}={name}: no such choice; {nearest(name, error.options)}{_plugin(group)}"
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        node = cause.parent_node
        if isinstance(node, DictConfig) and cause.key is not None and cause.key not in list(node):
            return describe_unknown_key(str(cause.full_key), node)
        return explain_value(cause, word=MERGED.match(str(error)))
    if (inside := INSIDE.match(str(error))) is not None:
        return _explain_file(*inside.groups())
    if (swept := SWEPT.match(str(error))) is not None:
        word = quote_override(*swept[1].split("=", 1))
        return (
            f"{swept[1]}: several runs need ctrbench train -m; a list is one value as [A,B], text "
            f"with commas is quoted: {shlex.quote(word)}"
        )
    if isinstance(error, UnicodeDecodeError):
        return f"a YAML file of --config-dir is not text: {error}"
    return " ".join(str(error).split()) if isinstance(error, yaml.YAMLError) else _first_line(error)


def explain_value(
    error: OmegaConfBaseException, prefix: str = "", word: re.Match[str] | None = None
) -> str:
    """Return one line for a value that does not fit its key.

    Args:
        prefix: of the key.
        word: that gave the value, as KEY and VALUE, where the error may not know it.
    """
    key, value = error.full_key, error.value
    if value is None and word is not None:
        key, value = word.groups()
    return _explain_value(f"{prefix}{key or ''}", _first_line(error), value)


def _explain_value(key: str, why: str, value: Any = None) -> str:
    for pattern, reason in WRONG.items():
        if (match := re.search(pattern, why)) is not None:
            return f"{key}={match[1] if match.lastindex else 'null'}: {reason}"
    if NO_LIST.search(why) is not None:
        override_text, items = (
            (key, "A,B") if value is None else (f"{key}={value}", str(value).strip("{}"))
        )
        override = f"{key}=" + quote_items(f"[{items}]")
        return f"{override_text}: give a list, {shell_word(override)}"
    return f"{key}: {why}" if key else why


def _explain_file(file: str, why: str, key: str) -> str:
    """Explain a value in a YAML file that its settings class does not accept."""
    if not file.startswith("tuned/"):
        return f"{file}: {_explain_value(key, why)}"
    section, _, option = key.rpartition(".")
    if section == "optimizer" and classes_with(option, OptimizerSettings):
        for name, cls in extending(OptimizerSettings).items():
            if why.endswith(f"not in '{cls.__name__}'"):
                return (
                    f"optimizer={name}: the tuned values of this model are another optimizer's; "
                    "leave them out with tuned=none"
                )
    return f"{file}: {_explain_value(key, why)}; leave the tuned values out with tuned=none"


def _explain_syntax(error: OverrideParseException) -> str:
    """Explain an override that Hydra's grammar does not accept, and whether quotes would help."""
    key, _, value = error.override.partition("=")
    readings = [f"{key}={quote_items(value)}"] if value[:1] in ("[", "{") else []
    if (function := FUNCTION.fullmatch(value)) is not None:  # its argument is what needs the quotes
        readings.append(f"{key}={function[1]}({quote_text(function[2])})")
    for override in (*readings, quote_override(key, value)):
        with contextlib.suppress(HydraException):
            OverridesParser.create().parse_override(override)
            word = shell_word(override)
            return f"{error.override}: quote the value, then for the shell the word: {word}"
    return f"{error.override}: not readable as KEY=VALUE"


def _plugin(group: str) -> str:
    kind = group.rpartition("/")[2]
    installed = f"; others are packages (hydra-NAME-{kind})"
    return installed if group in ("hydra/launcher", "hydra/sweeper") else ""


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]


def quote_override(key: str, value: str) -> str:
    """Return an override of any value in Hydra's grammar."""
    return f"{key}={quote_text(value)}"
