"""From the words of a command to checked settings, with one clear line for a mistake."""

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
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ctrbench.command.composition.explain import explain, plain
from ctrbench.command.composition.keys import given, key_of, keys_of
from ctrbench.command.composition.meant import no_such_key
from ctrbench.command.composition.refused import FOLDERS, refuse_unread, refuse_words
from ctrbench.errors import UserError, one_line
from ctrbench.runs.settings import RunSettings
from ctrbench.settings import NAME, check, closest, nearest

PACKAGE = Path(__file__).resolve().parents[2]
ROOT = PACKAGE.parent if (PACKAGE.parent / "conf" / "config.yaml").exists() else PACKAGE
CONF = str(ROOT / "conf")
EXPERIMENTS = ROOT / "experiments"
UNTUNED = ("tuned=none", "tuned@pretraining=none")  # what a group has by itself
REFUSED = (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError)


for _path in sorted(EXPERIMENTS.glob("*.yaml")):
    ConfigStore.instance().store(
        _path.stem, OmegaConf.load(_path), group="experiment", package="_global_"
    )


class OwnFolder(SearchPathPlugin):
    """Hydra's search path goes on in the folder of ``--config-dir``."""

    folder: ClassVar[Path | None] = None

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folder."""
        if self.folder is not None:  # before ours, for tuned values of one's own
            search_path.prepend("--config-dir", f"file://{self.folder}", "main")


Plugins.instance().register(OwnFolder)


def use_folder(folder: str | None) -> None:
    """Look for YAML files in a folder of one's own too (None: in no other).

    Raises:
        UserError: if it is no folder, or a file in it would never be read.
    """
    OwnFolder.folder = None if folder is None else Path(folder).absolute()
    if OwnFolder.folder is None:
        return
    if not OwnFolder.folder.is_dir():
        raise UserError(f"--config-dir {folder}: no such folder")
    for path in sorted(OwnFolder.folder.rglob("*.yaml")):
        name = path.relative_to(OwnFolder.folder)
        if name.parts[0] in ("tuned", "search"):  # one's own come before ours
            continue
        is_experiment = name.parent == Path("experiment") and (EXPERIMENTS / name.name).exists()
        if is_experiment or (Path(CONF) / name).exists():
            raise UserError(f"{path}: ctrbench has a {name} of its own; give it another name")


@contextmanager
def one_line_for_hydra() -> Iterator[None]:
    """Raises :class:`UserError` in place of the errors of Hydra, OmegaConf and the YAML parser."""
    try:
        yield
    except REFUSED as error:
        raise UserError(explain(error)) from None


@contextmanager
def hydra_here() -> Iterator[ConfigLoaderImpl]:
    """Hydra's loader of the YAML files."""
    with one_line_for_hydra(), initialize_config_dir(CONF, version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        yield loader


def choices(group: str) -> list[str]:
    """The files of a group."""
    with hydra_here() as loader:
        return sorted(loader.repository.get_group_options(group))


def compose(overrides: list[str]) -> DictConfig:
    """The config of one job.

    Raises:
        UserError: for an override that does not fit, with the nearest right name.
    """
    refuse_words(overrides)
    with hydra_here() as loader:
        try:
            config = _composed(overrides, loader)
        except (AttributeError, TypeError, ValueError, AssertionError) as error:
            what = f"{' '.join(overrides)}: not understood by Hydra"
            raise UserError(f"{what} ({one_line(error)})") from None
        _refuse_unknown_choices(config, loader)
        refuse_unread(overrides, config)
        return config


def _composed(words: list[str], loader: ConfigLoaderImpl) -> DictConfig:
    """As Hydra composes: files are chosen first, then the words that change values apply.

    The words are not in the config's ``hydra.overrides``.
    """
    found = OverridesParser.create().parse_overrides(words)
    chooses = [_is_choice(override, loader) for override in found]
    choosing = tuple(word for word, yes in zip(words, chooses, strict=True) if yes)
    config: DictConfig = pickle.loads(_chosen(choosing, _own_files()))
    changes = [override for override, yes in zip(found, chooses, strict=True) if not yes]
    ConfigLoaderImpl._apply_overrides_to_config(changes, config)
    return config


def _is_choice(override: Override, loader: ConfigLoaderImpl) -> bool:
    """Of a file; or for Hydra alone, to do or to refuse."""
    is_file = loader.repository.group_exists(override.key_or_group)
    return is_file or override.is_hydra_override() or override.is_sweep_override()


@cache
def _chosen(words: tuple[str, ...], _own: tuple[Any, ...]) -> bytes:
    """A pickled config: to compose takes a tenth of a second, and jobs of a sweep, trials and
    experiments have most of their files in common."""
    return pickle.dumps(hydra_compose("config", list(words), return_hydra_config=True))


def _own_files() -> tuple[Any, ...]:
    """The files of one's own folder as they are now: a search writes some."""
    paths = sorted(OwnFolder.folder.rglob("*.yaml")) if OwnFolder.folder else []
    return tuple((path, path.stat().st_mtime_ns) for path in paths)


def _refuse_unknown_choices(config: DictConfig, loader: ConfigLoaderImpl) -> None:
    """Hydra takes an optional file that does not exist, and any path, without a word."""
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


def _options(loader: ConfigLoaderImpl, group: str) -> list[str]:
    """The files of a group, and of the folders in it."""
    options = loader.repository.get_group_options(group)
    for folder in loader.repository.get_group_options(group, ObjectType.GROUP):
        options += [f"{folder}/{name}" for name in _options(loader, f"{group}/{folder}")]
    return options


def with_tuned(overrides: list[str]) -> list[str]:
    """The words, and where tuned values are found of rows that ``data.name=`` gives a name of their
    own, if there are any."""
    told = given(overrides)
    has_values = "recipe" in told or told.get("budget", "none") != "none"  # of its own, or none
    name = "" if has_values else told.get("data.name", "")
    folders = [Path(CONF), *([OwnFolder.folder] if OwnFolder.folder else [])]
    if not NAME.fullmatch(name) or not any((path / "tuned" / name).is_dir() for path in folders):
        return overrides
    found = {"tuned": f"{name}/${{model}}", "tuned@pretraining": f"{name}/fm"}
    return [*overrides, *(f"{key}={value}" for key, value in found.items() if key not in told)]


def untuned(words: list[str]) -> list[str]:
    """The words, which take tuned values only where they ask for some."""
    told = keys_of(words)
    return words if "tuned" in told else [*(w for w in UNTUNED if key_of(w) not in told), *words]


def to_settings(config: DictConfig) -> RunSettings:
    """Typed and checked settings of a composed config.

    Raises:
        UserError: naming the key, its value and what is allowed.
    """
    known = [field.name for field in dataclasses.fields(RunSettings)]
    for key in known:
        if key not in config:
            raise UserError(f"{key}: has no value; give one with {key}=VALUE")
    try:
        _refuse_added_keys(config, [key for key in map(str, config) if key != "hydra"])
        settings = RunSettings(**{key: _typed(config, key) for key in known})
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key}: has no value; give one in its YAML file") from None
    except OmegaConfBaseException as error:
        raise UserError(plain(error)) from None
    check(settings)
    return settings


def _typed(config: DictConfig, key: str) -> Any:
    value = config[key]
    return OmegaConf.to_object(value) if OmegaConf.is_config(value) else value


def _refuse_added_keys(node: DictConfig, keys: list[str], path: str = "") -> None:
    """``+key=value`` and users' YAML files can add keys; none is ignored."""
    schema = RunSettings if not path else OmegaConf.get_type(node)
    if not dataclasses.is_dataclass(schema):
        return
    known = {field.name for field in dataclasses.fields(schema)}
    for key in keys:
        name = f"{path}{key}"
        if key not in known:
            raise UserError(no_such_key(name, node))
        if not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            _refuse_added_keys(node[key], list(map(str, node[key])), f"{name}.")
