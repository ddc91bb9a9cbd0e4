"""The source of a component from outside the package, and a digest of it."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec, resolve_name
from pathlib import Path

from ctrbench.extensions import PREFIX, source_text

MODELS = "ctrbench.models."  # a model may derive from one of the package


def normalised(text: str) -> str:
    """Return the syntax tree of a source, without comments, docstrings and layout."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)


def source_texts(module: str) -> dict[str, str]:
    """Return the texts of a module, of those of its package that it imports, directly or not, and
    of models that it derives from, by name."""
    texts, pending = dict[str, str](), [module]
    while pending:
        name = pending.pop()
        text = None if name in texts else _text(name)
        if text is not None:
            texts[name] = text
            pending += [
                each
                for each in _imported(text, name)
                if each.startswith((f"{package_of(module)}.", MODELS))
            ]
    return texts


def source_digest(texts: dict[str, str]) -> str:
    """Return a digest of what texts do, whatever folder they lie in."""
    code = {name.removeprefix(f"{package_of(name)}."): normalised(t) for name, t in texts.items()}
    return hashlib.sha256(repr(sorted(code.items())).encode()).hexdigest()[:16]


def package_of(module: str) -> str:
    """Return the folder of a module as a package, or of an installed module the first package."""
    parts = module.split(".")
    return ".".join(parts[: 3 if module.startswith(PREFIX) else 1])


def _imported(text: str, module: str) -> Iterator[str]:
    """Yield the names of modules that a module may import: those of ``from NAME import PART`` and
    ``NAME.PART``."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            if node.level:
                name = resolve_name(name, module.rpartition(".")[0])
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _text(module: str) -> str | None:
    """Return the text of a module; None if it has none, or is no module."""
    if (text := source_text(module)) is not None:
        return text
    if module == "__main__":  # a script, or a notebook, which has no file
        path = getattr(sys.modules[module], "__file__", None)
        return Path(path).read_text() if path else None
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    path = None if spec is None else spec.origin
    return Path(path).read_text() if path and path.endswith(".py") else None
