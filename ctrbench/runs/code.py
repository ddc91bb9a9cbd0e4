"""A digest of the code that trains a run: of the package, and of the model's own files.

The sources are read when this module is imported, right before they are imported themselves: a file
that is edited while a process trains does not change what that process reports. Comments,
docstrings and layout do not count.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ctrbench.components import COMPONENTS, component_digest
from ctrbench.models.registry import declaration_of
from ctrbench.source_code import normalised

PACKAGE = Path(__file__).resolve().parents[1]
MODELS = "ctrbench.models."
# What every run depends on: rows, layers, optimizers, the trainer, and the run itself.
SHARED = (
    *("data", "layers", "optim", "training", "runs/train.py", "runs/scores.py"),
    *("metrics.py", "monitor.py"),
)


def _read(paths: tuple[str, ...]) -> dict[Path, str]:
    files = [path for name in paths for path in [PACKAGE / name, *(PACKAGE / name).rglob("*.py")]]
    return {path: path.read_text() for path in sorted(files) if path.is_file()}


_SOURCES = _read((*SHARED, "models"))


def code_digests(model: str) -> dict[str, str]:
    """Return the digests that ``result.json`` keeps as ``code``: ``package`` and ``model``, of
    what affects a result, and ``text``, of the same files with comments and layout.

    Args:
        model: the name of the run's model.
    """
    shared, own = _files(model)
    return {
        "package": _digest(shared),
        "model": _model_digest(model, own),
        "text": _text_digest(model, shared + own),
    }


def is_other_code(recorded: dict[str, str] | None, model: str) -> bool:
    """Return whether a run of a model was trained by other code than the present one.

    Args:
        recorded: the digests of its record; None of a run of before 0.3.
    """
    shared, own = _files(model)
    if recorded is None or recorded.get("text") == _text_digest(model, shared + own):
        return False
    other_package = recorded.get("package") != _digest(shared)
    return other_package or recorded.get("model") != _model_digest(model, own)


def _files(model: str) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the files that every run depends on, and those of a model of the package."""
    shared = [path for path in _SOURCES if path.relative_to(PACKAGE).parts[0] != "models"]
    if model in COMPONENTS:
        return tuple(shared), ()
    declared = declaration_of(model)
    own = _model_files({declared.module, declared.settings.__module__})
    return tuple(shared), tuple(sorted(own))


def _model_digest(model: str, files: tuple[Path, ...]) -> str:
    return component_digest(model) if model in COMPONENTS else _digest(files)


def _text_digest(model: str, paths: tuple[Path, ...]) -> str:
    """Return a digest that takes no parsing, equal only if nothing at all has changed."""
    texts = [_text(path) for path in paths]
    texts += [component_digest(model)] if model in COMPONENTS else []
    return hashlib.sha256(repr(texts).encode()).hexdigest()[:16]


def _model_files(modules: set[str]) -> set[Path]:
    """Return the files of modules, and of the modules of models that these import."""
    files, pending = set[Path](), set(modules)
    while pending:
        path = _file_of(pending.pop())
        if path not in files:
            files.add(path)
            pending |= set(_imported_models(path))
    return files


def _file_of(module: str) -> Path:
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None, module
    return Path(spec.origin).resolve()


def _imported_models(path: Path) -> Iterator[str]:
    for node in ast.parse(_text(path)).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(MODELS):
            yield str(node.module)


def _text(path: Path) -> str:
    return _SOURCES[path] if path in _SOURCES else path.read_text()


@cache
def _digest(paths: tuple[Path, ...]) -> str:
    text = [(path.name, normalised(_text(path))) for path in paths]
    return hashlib.sha256(repr(text).encode()).hexdigest()[:16]


def differing_code(runs: Iterable[tuple[str, dict[str, str] | None]]) -> list[str]:
    """Say where runs that are compared were trained by different code, in at most two sentences.

    Args:
        runs: the model and the digests of each; None of a run of before 0.3.
    """
    known = [(model, code) for model, code in runs if code is not None]
    packages = {code["package"] for _, code in known}
    by_model: dict[str, set[str]] = {}
    for model, code in known:
        by_model.setdefault(model, set()).add(code["model"])
    texts = []
    if len(packages) > 1:
        texts.append(f"These runs were trained by {len(packages)} versions of the package's code.")
    if several := [f"{model} ({len(own)})" for model, own in by_model.items() if len(own) > 1]:
        texts.append(f"Runs of one model were trained by different code: {', '.join(several)}.")
    return texts
