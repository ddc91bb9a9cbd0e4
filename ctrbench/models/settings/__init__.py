"""The settings and properties of the models: a file for each file of formulas, of the same name.

Importing any of them registers them all, so that no settings depend on what else a process has
imported. Nothing here imports torch, so that listing, composing and reporting need none; a model of
one file, whose settings have no file here, is imported as a whole.
"""

import importlib
import pkgutil
from collections.abc import Iterable

import ctrbench.models
from ctrbench.registry import import_all

SHARED = {"base", "properties", "registry", "settings"}


def _modules(path: Iterable[str]) -> set[str]:
    return {module.name for module in pkgutil.iter_modules(path)}


import_all(__name__)
for _name in sorted(_modules(ctrbench.models.__path__) - SHARED - _modules(__path__)):
    importlib.import_module(f"ctrbench.models.{_name}")
