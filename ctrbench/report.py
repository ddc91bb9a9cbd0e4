"""Tables from run directories. Nothing is trained here."""

import csv
import io
import json
import statistics
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ctrbench.errors import UserError
from ctrbench.files import write_atomic
from ctrbench.paper import CRITEO_ROWS, TABLE2_CRITEO
from ctrbench.records import RunDirectory

Rows = list[dict[str, str]]


def find_runs(folders: list[Path]) -> list[Path]:
    """Every finished run at or below the folders."""
    runs = sorted(path.parent for folder in folders for path in folder.rglob("result.json"))
    if not runs:
        where = ", ".join(map(str, folders))
        raise UserError(f"{where}: no finished run here; train one, or name its folder")
    return runs


@dataclass
class Group:
    """Runs that differ by their seed alone."""

    config: dict[str, Any]
    results: list[dict[str, Any]]

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
        for key in ("seed", "results", "experiment"):
            config.pop(key, None)
        for key in ("path", "train", "valid", "test"):  # the content stands for the files
            config.get("data", {}).pop(key, None)
        config = _flatten(config)
        config["content"] = result["dataset"]["content"]
        config["environment"] = [result["environment"][k] for k in ("device", "threads")]
        key = json.dumps(config, sort_keys=True)
        groups.setdefault(key, Group(config, [])).results.append(result)
    return list(groups.values())


def _flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def write_report(runs: list[Path], folder: Path, title: str) -> str:
    """Write ``table.md`` and ``table.csv`` into a folder; returns the text of the table."""
    by_data: dict[tuple[str, str], list[Group]] = defaultdict(list)
    for group in group_runs(runs):
        result = group.results[0]
        by_data[result["data"], result["dataset"]["content"]].append(group)
    sections, cells = [f"# {title}"], []
    for (data, _), groups in by_data.items():
        rows = _rows(groups)
        sections += [f"## {data}", _markdown(rows), *_notes(groups)]
        cells += [{"data": data} | row for row in rows]
    text = "\n\n".join(sections) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "table.md", text)
    write_atomic(folder / "table.csv", _csv(cells))
    return f"{text}\nwritten to {folder}/table.md and table.csv"


def _rows(groups: list[Group]) -> Rows:
    differing = _differing(groups)
    baseline = [g for g in groups if g.results[0]["model"] == "lr"]
    order = list(TABLE2_CRITEO["arXiv"])
    position = {name: i for i, name in enumerate(order)}
    rows = []
    for group in sorted(groups, key=lambda g: position.get(g.results[0]["model"], len(order))):
        model = group.results[0]["model"]
        row = {"model": model, "runs": str(len(group.results))}
        if differing.get(model):
            row["settings"] = ", ".join(f"{k}={group.config.get(k)}" for k in differing[model])
        for name, digits in (("auc", 5), ("logloss", 5)):
            path = ("metrics", "test", name)
            row[name] = f"{group.mean(*path):.{digits}f} ± {group.deviation(*path):.{digits}f}"
        seconds = group.mean("seconds_per_epoch")
        row["s/epoch"] = f"{seconds:.2f}"
        row["time / LR"] = (
            f"{seconds / baseline[0].mean('seconds_per_epoch'):.2f}" if len(baseline) == 1 else "-"
        )
        if "best_auc" in group.results[0]["metrics"]["test"]:
            row["excess logloss"] = f"{group.mean('metrics', 'test', 'excess_logloss'):.5f}"
        if group.results[0]["data"] == "criteo":
            for version, table in TABLE2_CRITEO.items():
                cell = table.get(model)
                row[version] = f"{cell.auc:.4f} / {cell.logloss:.5f}" if cell else "-"
        rows.append(row)
    return rows


def _differing(groups: list[Group]) -> dict[str, list[str]]:
    """Per model, the settings in which its groups differ: they name the rows."""
    by_model: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_model[group.results[0]["model"]].append(group)
    return {
        model: sorted(
            key
            for key in {key for group in own for key in group.config}
            if len({json.dumps(group.config.get(key)) for group in own}) > 1
        )
        for model, own in by_model.items()
    }


def _notes(groups: list[Group]) -> list[str]:
    result = groups[0].results[0]
    rows, environment = result["dataset"]["rows"], result["environment"]
    total = sum(rows.values())
    notes = [
        f"AUC and logloss on {rows['test']:,} test rows (train {rows['train']:,}, valid "
        f"{rows['valid']:,}), mean ± deviation over seeds; {result['dataset']['features']:,} "
        f"features in {result['dataset']['fields']} fields. Measured on {environment['device']}, "
        f"{environment['threads']} threads, {environment['precision']}, torch "
        f"{environment['torch']}."
    ]
    if "best_auc" in result["metrics"]["test"]:
        test = result["metrics"]["test"]
        notes.append(
            f"Best reachable on these rows: AUC {test['best_auc']:.5f}, logloss "
            f"{test['best_logloss']:.5f}; excess logloss is what a model leaves of it."
        )
    if result["data"] != "criteo":
        notes.append("This is not a data set of the paper; its figures are not shown.")
    elif total != CRITEO_ROWS:
        notes.append(
            f"The paper's columns (AUC / logloss) are for all {CRITEO_ROWS:,} rows of Criteo; "
            f"these are {total:,} rows, so the figures cannot be compared."
        )
    return notes


def _markdown(rows: Rows) -> str:
    header = list(dict.fromkeys(key for row in rows for key in row))
    table = [header, *([row.get(key, "") for key in header] for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in table
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _csv(rows: Rows) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
