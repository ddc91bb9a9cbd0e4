"""Runs that differ by their seed alone, as one row of a table."""

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ctrbench.errors import UserError
from ctrbench.runs.frame import flatten
from ctrbench.runs.record import RunDirectory


@dataclass
class Group:
    """Runs that differ by their seed alone."""

    config: dict[str, Any]
    results: list[dict[str, Any]]

    @property
    def model(self) -> str:
        """Its name in the registry."""
        return str(self.results[0]["model"])

    @property
    def setting(self) -> tuple[Any, ...]:
        """What a time depends on, beside the model."""
        return (*self.config["environment"], self.config.get("trainer.batch_size"))

    @property
    def keep_probability(self) -> str:
        """Of a hidden unit, as the paper gives it."""
        dropout = self.config.get("model.dropout")
        return "-" if dropout is None else f"{1 - dropout:g}"

    def test_figure(self, name: str) -> str:
        """Its mean and, of several seeds, its deviation."""
        path = ("metrics", "test", name)
        spread = f" ± {self.deviation(*path):.5f}" if len(self.results) > 1 else ""
        return f"{self.mean(*path):.5f}{spread}"

    def mean(self, *keys: str) -> float:
        """Mean of a figure of the results, by its path."""
        return statistics.fmean(self.values(*keys))

    def deviation(self, *keys: str) -> float:
        """Sample standard deviation; 0 for a single run."""
        values = self.values(*keys)
        return statistics.stdev(values) if len(values) > 1 else 0.0

    def values(self, *keys: str) -> list[float]:
        """The figure of every run."""
        found = []
        for result in self.results:
            value: Any = result
            for key in keys:
                value = value[key]
            found.append(float(value))
        return found


def group_runs(runs: list[Path]) -> list[Group]:
    """Group runs whose flattened configs are equal but for the seed."""
    groups: dict[str, Group] = {}
    for path in runs:
        result = RunDirectory(path).result()
        if result is None:
            raise UserError(f"{path}: this run is not finished; run its command again")
        config = yaml.safe_load((path / "config.yaml").read_text())
        for key in ("seed", "results", "experiment", "rows_in"):
            config.pop(key, None)
        config = flatten(config)
        by_files = config.get("data.train") is not None
        for key in ("path", "train", "valid", "test"):  # the content stands for the files
            config.pop(f"data.{key}", None)
        config["split.by_files"] = by_files
        config["content"] = result["dataset"]["content"]
        config["environment"] = [result["environment"][k] for k in ("device", "threads")]
        key = json.dumps(config, sort_keys=True)
        groups.setdefault(key, Group(config, [])).results.append(result)
    return list(groups.values())


def differing(groups: list[Group]) -> dict[str, list[str]]:
    """Per model, the settings in which its groups differ: they name the rows."""
    by_model: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_model[group.model].append(group)
    return {
        model: sorted(
            key
            for key in {key for group in own for key in group.config}
            if not (key.startswith("pretraining.") and _differ("model.pretrain", own))
            and _differ(key, own)
        )
        for model, own in by_model.items()
    }


def _differ(key: str, groups: list[Group]) -> bool:
    return len({json.dumps(group.config.get(key)) for group in groups}) > 1
