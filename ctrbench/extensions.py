"""Components from outside the package: models, optimizers and data layouts of a user's own.

The files ``models/*.py``, ``optimizers/*.py`` and ``sources/*.py`` of a folder that the user names
are modules ``ctrbench.extensions.DIGEST.models.NAME``, and register themselves when they are
imported. The environment variable carries the folder to the processes that a launcher starts, which
import a file when they unpickle one of its classes. No bytecode is kept: what runs is the text of
which the digest is recorded.
"""

import hashlib
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from ctrbench.errors import UserError
from ctrbench.files import expanded

__path__: list[str] = []  # a package, whose modules the finder below gives
KINDS = ("models", "optimizers", "sources")
VARIABLE = "CTRBENCH_CONFIG_DIR"
PREFIX = f"{__name__}."
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CodeFolder:
    """The Python files of a folder.

    Attributes:
        given: its path as the user wrote it, for messages.
        root: its absolute path.
        digest: of its path and of the text of all files.
        texts: by the path within the folder.
    """

    given: Path
    root: Path
    digest: str
    texts: dict[str, str]

    @property
    def package(self) -> str:
        """The name of the package whose modules are its files."""
        return f"{PREFIX}{self.digest}"

    def module_of(self, name: str) -> str:
        """Return the name of the module of a file."""
        return ".".join([self.package, *Path(name).with_suffix("").parts])

    @property
    def components(self) -> list[str]:
        """The files that register something: all but those whose name begins with ``_``."""
        return [name for name in self.texts if not Path(name).name.startswith("_")]


_PENDING = [f"ctrbench.{kind}" for kind in KINDS]  # groups of entry points
_FOLDERS: dict[str, CodeFolder] = {}


def read_code(folder: Path) -> CodeFolder:
    """Read the Python files of a folder."""
    root = expanded(str(folder)).absolute()
    texts = {}
    for path in [path for kind in KINDS for path in sorted((root / kind).glob("*.py"))]:
        try:
            texts[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{folder / path.relative_to(root)}: not text ({error})") from None
    digest = hashlib.sha256(repr((str(root), texts)).encode()).hexdigest()[:16]
    return _FOLDERS.setdefault(digest, CodeFolder(folder, root, digest, texts))


def is_outside(module: str) -> bool:
    """Return whether a module is none of the package's own."""
    return module.startswith(PREFIX) or module.partition(".")[0] != __name__.partition(".")[0]


class _Finder(MetaPathFinder, Loader):
    """Finds the modules of folders that were read, and of that in the environment."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(PREFIX):
            return None
        digest, *parts = name.removeprefix(PREFIX).split(".")
        if digest not in _FOLDERS and VARIABLE in os.environ:
            read_code(Path(os.environ[VARIABLE]))
        code = _FOLDERS.get(digest)
        file = "/".join(parts)
        if code is None:
            return None
        if not parts or any(each.startswith(f"{file}/") for each in code.texts):
            return ModuleSpec(name, self, is_package=True)
        if f"{file}.py" not in code.texts:
            return None
        spec = ModuleSpec(name, self, origin=str(code.root / f"{file}.py"))
        spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        text = source_text(module.__name__)
        if text is not None:
            exec(compile(text, str(module.__file__), "exec"), module.__dict__)


sys.meta_path.append(_Finder())


def source_text(module: str) -> str | None:
    """Return the text that a module of a folder was made from; None for any other module."""
    digest, *parts = module.removeprefix(PREFIX).split(".")
    if not module.startswith(PREFIX) or digest not in _FOLDERS:
        return None
    return _FOLDERS[digest].texts.get("/".join(parts) + ".py")


def import_installed() -> None:
    """Import the components of installed packages, by the entry points ``ctrbench.models``,
    ``ctrbench.optimizers`` and ``ctrbench.sources``."""
    while _PENDING:  # emptied first: a component may look others up while it is imported
        for entry in entry_points(group=_PENDING.pop()):
            try:
                entry.load()
            except Exception as error:  # whatever the package does; others are of use without it
                reason = " ".join(str(error).split())
                log.warning(
                    "the package %s gives %s=%s, which cannot be imported (%s: %s); "
                    "correct or uninstall it",
                    *(entry.dist.name if entry.dist else entry.value, entry.group, entry.name),
                    *(type(error).__name__, reason),
                )
