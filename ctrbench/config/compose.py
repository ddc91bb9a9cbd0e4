"""Compose overrides into checked settings; a mistake is reported in one line."""

import dataclasses
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ctrbench.components import activate, active_folder
from ctrbench.config.component_values import refuse_names_of_files, store_components
from ctrbench.config.explain import explain_error, explain_value
from ctrbench.config.keys import key_of, keys_of, values_by_key
from ctrbench.config.refusals import (
    FOLDERS,
    refuse_hydra_settings,
    refuse_overrides,
    refuse_unread,
)
from ctrbench.config.settings import RunSettings
from ctrbench.config.suggestions import describe_unknown_key
from ctrbench.config.user_folder import check_user_files
from ctrbench.errors import UserError, one_line
from ctrbench.extensions import import_installed
from ctrbench.files import expanded
from ctrbench.settings import NAME, check, closest, nearest

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parent if (PACKAGE.parent / "conf" / "config.yaml").exists() else PACKAGE
CONF = str(ROOT / "conf")
EXPERIMENTS = ROOT / "experiments"
USER_FOLDER = "--config-dir"  # the provider of its files, in Hydra's words
UNTUNED = ("tuned=none", "tuned@pretraining=none")  # what a group has by itself
SETS_HYDRA = ("hydra", "experiment")  # choices whose files may set what is Hydra's
REFUSED = (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError)


for _path in sorted(EXPERIMENTS.glob("*.yaml")):
    ConfigStore.instance().store(
        _path.stem, OmegaConf.load(_path), group="experiment", package="_global_"
    )


class UserFolder(SearchPathPlugin):
    """A plugin that adds the folder of ``--config-dir`` to Hydra's search path."""

    folder: ClassVar[Path | None] = None

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folder."""
        if self.folder is not None:  # before ours, for tuned values of one's own
            search_path.prepend(USER_FOLDER, f"file://{self.folder}", "main")


Plugins.instance().register(UserFolder)


def use_folder(folder: str | None) -> None:
    """Look for YAML files and components in the user's folder too; None: in no other."""
    UserFolder.folder = None if folder is None else expanded(folder).absolute()
    if folder is None or UserFolder.folder is None:
        activate(None)
        return
    if not UserFolder.folder.is_dir():
        raise UserError(f"--config-dir {folder}: no such folder")
    check_user_files(UserFolder.folder)
    for path in sorted(UserFolder.folder.rglob("*.yaml")):
        name = path.relative_to(UserFolder.folder)
        if name.parts[0] in ("tuned", "search"):  # one's own come before ours
            continue
        is_experiment = name.parent == Path("experiment") and (EXPERIMENTS / name.name).exists()
        if is_experiment or (Path(CONF) / name).exists():
            raise UserError(f"{path}: ctrbench has a {name} of its own; give it another name")
    activate(Path(folder))
    refuse_names_of_files(Path(CONF))


def user_folder_of(hydra: DictConfig) -> str | None:
    """Return the folder of ``--config-dir`` that a config was composed with, by its node
    ``hydra``, which says it in other processes too."""
    sources = hydra.runtime.config_sources
    return next((str(s.path) for s in sources if s.provider == USER_FOLDER), None)


@contextmanager
def translated_hydra_errors() -> Iterator[None]:
    """Turn errors of Hydra, OmegaConf and the YAML parser into :class:`UserError`."""
    try:
        yield
    except REFUSED as error:
        raise UserError(explain_error(error)) from None


@contextmanager
def initialized_hydra() -> Iterator[ConfigLoader]:
    """Initialise Hydra, and give its loader of the YAML files."""
    import_installed()
    store_components(Path(CONF), UserFolder.folder)
    with translated_hydra_errors(), initialize_config_dir(CONF, version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def choices(group: str) -> list[str]:
    """Return the names of the files in a group."""
    with initialized_hydra() as loader:
        return options_in(group, loader)


def options_in(group: str, loader: ConfigLoader, kind: ObjectType = ObjectType.CONFIG) -> list[str]:
    """Return the names of the files in a group, or of its folders."""
    sources = [source for source in loader.get_sources() if source.is_group(group)]
    return sorted({name for source in sources for name in source.list(group, kind)})


def compose(overrides: list[str]) -> DictConfig:
    """Return the config of one job."""
    refuse_overrides(overrides)
    with initialized_hydra() as loader:
        try:
            config = _compose_overrides(overrides, loader)
        except (AttributeError, LookupError, TypeError, ValueError, AssertionError) as error:
            what = f"{' '.join(overrides)}: not understood by Hydra"
            raise UserError(f"{what} ({one_line(error)})") from None
        _refuse_unknown_choices(config, loader)
        refuse_unread(overrides, config)
        return config


def _compose_overrides(words: list[str], loader: ConfigLoader) -> DictConfig:
    """Return the config that Hydra composes from the overrides.

    The choices of files are composed by Hydra and cached; plain values are then set in a copy, in
    the order given. Whatever is not plain, or does not fit, is left to Hydra and its messages.
    """
    choosing, changing = split_choices(words, loader)
    if any(override.type is not OverrideType.CHANGE or override.package for override in changing):
        return hydra_compose("config", words, return_hydra_config=True)
    config = _compose_files(choosing, loader)
    try:
        for override in changing:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
    except OmegaConfBaseException:
        return hydra_compose("config", words, return_hydra_config=True)
    return config


def compose_choices(jobs: list[list[str]]) -> list[DictConfig]:
    """Return the config of each job's choices of files, without its values; equal ones are one."""
    with initialized_hydra() as loader:
        choices = [tuple(split_choices(job, loader)[0]) for job in jobs]
        configs = {words: _compose_files(list(words), loader) for words in dict.fromkeys(choices)}
    return [configs[words] for words in choices]


def split_choices(words: list[str], loader: ConfigLoader) -> tuple[list[str], list[Override]]:
    """Split overrides into those that choose files (or are for Hydra), and those of values."""
    choosing, changing = [], []
    for word, override in zip(words, OverridesParser.create().parse_overrides(words), strict=True):
        is_group = any(source.is_group(override.key_or_group) for source in loader.get_sources())
        if is_group or override.is_hydra_override() or override.is_sweep_override():
            choosing.append(word)
        else:
            changing.append(override)
    return choosing, changing


def _compose_files(words: list[str], loader: ConfigLoader) -> DictConfig:
    """Return the config of the files that overrides choose.

    An experiment that only describes itself is added to the config of the others, so that the jobs
    of all experiments share these.
    """
    names = [word.partition("=")[2] for word in words if word.startswith("experiment=")]
    section = _experiment_section(names[0], loader) if len(names) == 1 else None
    chosen = [word for word in words if section is None or not word.startswith("experiment=")]
    config: DictConfig = pickle.loads(_pickled_config(tuple(chosen), _user_files()))
    if section is not None:
        OmegaConf.update(config, "experiment", section)
        config.hydra.runtime.choices.experiment = names[0]
    return config


def _experiment_section(name: str, loader: ConfigLoader) -> Any:
    """Return the section ``experiment`` of an experiment's file if it is the only one, else
    None."""
    path = f"experiment/{name}"
    for source in loader.get_sources():
        if NAME.fullmatch(name) and source.is_config(path):
            file: Any = source.load_config(path)
            is_alone = list(file.config) == ["experiment"]
            is_global = file.header.get("package") == "_global_"
            return file.config.experiment if is_alone and is_global else None
    return None


@cache
def _pickled_config(words: tuple[str, ...], _own: tuple[Any, ...]) -> bytes:
    """Return a pickled config. Composing takes 0.1 s, and the jobs of a sweep, trials and
    experiments share most of their choices."""
    config = hydra_compose("config", list(words), return_hydra_config=True)
    can_set_hydra = UserFolder.folder or any(key_of(word).startswith(SETS_HYDRA) for word in words)
    if words and can_set_hydra:
        refuse_hydra_settings(config.hydra, pickle.loads(_pickled_config((), _own)).hydra)
    return pickle.dumps(config)


def _user_files() -> tuple[Any, ...]:
    """Return what the user's folder holds: its YAML files and when they changed, since a search
    adds some, and the digest of its code."""
    paths = sorted(UserFolder.folder.rglob("*.yaml")) if UserFolder.folder else []
    code = active_folder()
    return (code and code.digest, *((path, path.stat().st_mtime_ns) for path in paths))


def _refuse_unknown_choices(config: DictConfig, loader: ConfigLoader) -> None:
    """Refuse optional files that do not exist, and paths, which Hydra accepts silently."""
    chosen = config.hydra.runtime.choices
    names = (chosen["data"], config.data.get("name"))
    assumed = {
        "tuned": [f"{name}/{chosen['model']}" for name in names],
        "tuned@pretraining": [f"{name}/fm" for name in names],
    }
    for key, choice in chosen.items():
        group = key.partition("@")[0]
        if choice is None or choice in assumed.get(key, ()) or "/" in group:
            continue
        parts = choice.split("/") if group in FOLDERS else [choice]
        is_ours = all(map(NAME.fullmatch, parts)) and Path(CONF, group, f"{choice}.yaml").is_file()
        if not is_ours and choice not in (options := _options(loader, group)):
            if closest(choice, options) is None:  # folders tell more than the first of many files
                options = [re.sub("(?<=/)[^/]+$", "MODEL", option) for option in options]
            raise UserError(f"{key}={choice}: no such choice; {nearest(choice, set(options))}")


def _options(loader: ConfigLoader, group: str) -> list[str]:
    """Return the names of the files in a group and in its folders."""
    options = options_in(group, loader)
    for folder in options_in(group, loader, ObjectType.GROUP):
        options += [f"{folder}/{name}" for name in _options(loader, f"{group}/{folder}")]
    return options


def with_tuned_values(overrides: list[str]) -> list[str]:
    """Return the overrides with those that find tuned values of a data set which ``data.name=``
    renames, if there are any."""
    values = values_by_key(overrides)
    has_values = "recipe" in values or values.get("budget", "none") != "none"  # of its own, or none
    name = "" if has_values else values.get("data.name", "")
    folders = [Path(CONF), *([UserFolder.folder] if UserFolder.folder else [])]
    if not NAME.fullmatch(name) or not any((path / "tuned" / name).is_dir() for path in folders):
        return overrides
    tuned = {"tuned": f"{name}/${{model}}", "tuned@pretraining": f"{name}/fm"}
    return [*overrides, *(f"{key}={value}" for key, value in tuned.items() if key not in values)]


def without_tuned_values(words: list[str]) -> list[str]:
    """Return the overrides with tuned values turned off unless they ask for some."""
    keys = keys_of(words)
    return words if "tuned" in keys else [*(w for w in UNTUNED if key_of(w) not in keys), *words]


def to_settings(config: DictConfig) -> RunSettings:
    """Return the typed and checked settings of a composed config."""
    options = [field.name for field in dataclasses.fields(RunSettings)]
    for key in options:
        if key not in config:
            raise UserError(f"{key}: has no value; give one with {key}=VALUE")
    try:
        _refuse_added_keys(config, [key for key in map(str, config) if key != "hydra"])
        settings = RunSettings(**{key: _typed(config, key) for key in options})
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key}: has no value; give one in its YAML file") from None
    except OmegaConfBaseException as error:
        raise UserError(explain_value(error)) from None
    check(settings)
    return settings


def _typed(config: DictConfig, key: str) -> Any:
    value = config[key]
    return OmegaConf.to_object(value) if OmegaConf.is_config(value) else value


def _refuse_added_keys(node: DictConfig, keys: list[str], path: str = "") -> None:
    """Refuse keys that ``+key=value`` or the user's YAML files add."""
    schema = RunSettings if not path else OmegaConf.get_type(node)
    if not dataclasses.is_dataclass(schema):
        return
    options = {field.name for field in dataclasses.fields(schema)}
    for key in keys:
        name = f"{path}{key}"
        if key not in options:
            raise UserError(describe_unknown_key(name, node))
        if not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            _refuse_added_keys(node[key], list(map(str, node[key])), f"{name}.")
