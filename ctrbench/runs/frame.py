"""All runs below some folders."""

from pathlib import Path
from typing import Any

from ctrbench.errors import UserError


def find_runs(folders: list[Path]) -> list[Path]:
    """Every finished run at or below the folders."""
    found = {path.parent.resolve(): path.parent for f in folders for path in f.rglob("result.json")}
    runs = sorted(found.values())
    if not runs:
        where = ", ".join(map(str, folders))
        raise UserError(f"{where}: no finished run here; train one, or name its folder")
    return runs


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
