"""Launchers of Hydra that are plugins."""

import importlib.util
from pathlib import Path

import pytest

PACKAGES = {"joblib": "hydra_joblib_launcher", "submitit_local": "hydra_submitit_launcher"}


def needs(launcher: str) -> None:
    """Skip where the launcher's package is not installed."""
    found = importlib.util.find_spec("hydra_plugins")
    places = [] if found is None else list(found.submodule_search_locations or [])
    if not any((Path(place) / PACKAGES[launcher]).is_dir() for place in places):
        pytest.skip(f"hydra/launcher={launcher} is not installed")
