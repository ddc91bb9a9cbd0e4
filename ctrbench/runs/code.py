"""A digest of the code that trains a run: of the package, and of the model's own files.

The sources are read when this module is imported, right before they are imported themselves: a file
that is edited while a process trains does not change what that process reports. Comments,
docstrings and layout do not count.
"""

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).resolve().parents[1]
MODELS = "ctrbench.models"
# What every run depends on: rows, layers, optimizers, the trainer, and the run itself.
SHARED = ("data", "layers", "optim", "training", "runs/run.py", "metrics.py", "monitor.py")


def _read(paths: tuple[str, ...]) -> dict[Path, str]:
    files = [path for name in paths for path in [PACKAGE / name, *(PACKAGE / name).rglob("*.py")]]
    return {path: path.read_text() for path in sorted(files) if path.is_file()}


_SOURCES = _read((*SHARED, "models"))


def code_digests(model: type) -> dict[str, str]:
    """Return the digests that ``result.json`` keeps as ``code``.

    Args:
        model: the class of the run's model.
    """
    shared = [path for path in _SOURCES if path.relative_to(PACKAGE).parts[0] != "models"]
    own = [Path(inspect.getfile(module)) for module in _modules(model)]
    return {"package": _digest(tuple(shared)), "model": _digest(tuple(sorted(own)))}


def _modules(model: type) -> list[ModuleType]:
    """The modules of a model's classes, and the modules of models that these take names from."""
    found: dict[str, ModuleType] = {}
    waiting = [cls.__module__ for cls in model.__mro__]
    while waiting:
        name = waiting.pop()
        is_own = name == model.__module__ or name.partition(f"{MODELS}.")[1]
        if is_own and name not in found:
            found[name] = sys.modules[name]
            values = vars(found[name]).values()
            waiting += [getattr(value, "__module__", None) or "" for value in values]
    return list(found.values())


@cache
def _digest(paths: tuple[Path, ...]) -> str:
    text = [(path.name, _normalised(path)) for path in paths]
    return hashlib.sha256(repr(text).encode()).hexdigest()[:16]


@cache
def _normalised(path: Path) -> str:
    """The syntax tree of a source, without docstrings."""
    tree = ast.parse(_SOURCES[path] if path in _SOURCES else path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)


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
