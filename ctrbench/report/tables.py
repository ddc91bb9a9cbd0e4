"""Tables from run directories. Nothing is trained here."""

import csv
import io
from collections import defaultdict
from pathlib import Path
from typing import Any

from ctrbench.files import write_atomic
from ctrbench.report.group import Group, differing, group_runs
from ctrbench.report.markdown import Rows, markdown
from ctrbench.report.paper import CRITEO_ROWS, TABLE2_CRITEO


def write_report(
    runs: list[Path], folder: Path, title: str, pivot: dict[str, str] | None = None
) -> str:
    """Write ``table.md`` and ``table.csv`` into a folder; returns the text of the table.

    Args:
        pivot: for a second table, of a model's test figure ``value`` under each setting of
            ``columns`` (a key of the config).
    """
    by_data: dict[tuple[str, str], list[Group]] = defaultdict(list)
    all_groups = sorted(group_runs(runs), key=lambda group: _position(group.model))
    for group in all_groups:
        result = group.results[0]
        by_data[result["data"], result["dataset"]["content"]].append(group)
    sections, cells = [f"# {title}"], []
    if pivot:
        sections += [
            f"Test {pivot['value'].replace('_', ' ')} by {pivot['columns']}:",
            markdown(_pivoted(all_groups, **pivot)),
        ]
    for (data, _), groups in by_data.items():
        rows = _rows(groups)
        own = [pivot["columns"]] if pivot else []
        heading = [data, *(f"{key}={groups[0].config[key]}" for key in own)]
        sections += [f"## {', '.join(heading)}", markdown(rows), *_notes(groups)]
        cells += [{"data": ", ".join(heading)} | row for row in rows]
    text = "\n\n".join(sections) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "table.md", text)
    write_atomic(folder / "table.csv", _csv(cells))
    return f"{text}\nwritten to {folder}/table.md and table.csv"


def _position(model: str) -> int:
    """In the registry's order; a model that it does not know stands last."""
    from ctrbench.models.registry import names  # here: it takes torch with it

    return names().index(model) if model in names() else len(names())


def _pivoted(groups: list[Group], columns: str, value: str) -> Rows:
    """A row per model, a column per setting of the key ``columns``, in the order of the runs."""
    rows: dict[str, dict[str, str]] = {}
    for group in groups:
        row = rows.setdefault(group.model, {"model": group.model})
        row[str(group.config[columns])] = group.test_figure(value)
    return list(rows.values())


def _rows(groups: list[Group]) -> Rows:
    named_by = differing(groups)
    rows = []
    for group in groups:
        baseline = [g for g in groups if g.model == "lr" and g.setting == group.setting]
        row = {"model": group.model, "runs": str(len(group.results))}
        if named_by.get(group.model):
            named = named_by[group.model]
            row["settings"] = ", ".join(f"{k}={group.config.get(k)}" for k in named)
        row["keep prob."] = group.keep_probability
        row["batch"] = f"{group.config['trainer.batch_size']:,}"
        for name in ("auc", "logloss"):
            row[name] = group.test_figure(name)
        row["s/epoch"] = _times(group, 1.0)
        one = baseline[0].mean("seconds_per_epoch") if len(baseline) == 1 else None
        row["time / LR"] = _times(group, one) if one else "-"
        if "best_auc" in group.results[0]["metrics"]["test"]:
            row["excess logloss"] = f"{group.mean('metrics', 'test', 'excess_logloss'):.5f}"
        if group.results[0]["data"] == "criteo":
            for version, table in TABLE2_CRITEO.items():
                cell = table.get(group.model)
                row[version] = f"{cell.auc:.4f} / {cell.logloss:.5f}" if cell else "-"
        rows.append(row)
    return rows


def _times(group: Group, unit: float) -> str:
    """Seconds of an epoch over ``unit``, those of a first stage apart (figure 6)."""
    own = f"{group.mean('seconds_per_epoch') / unit:.2f}"
    if group.results[0]["pretrain_seconds_per_epoch"] is None:
        return own
    return f"{own} + {group.mean('pretrain_seconds_per_epoch') / unit:.2f}"


def _notes(groups: list[Group]) -> list[str]:
    result, config = groups[0].results[0], groups[0].config
    rows = result["dataset"]["rows"]
    total = sum(rows.values())
    machines = dict.fromkeys(_machine(result) for group in groups for result in group.results)
    notes = [
        f"AUC and logloss on {rows['test']:,} test rows (train {rows['train']:,}, valid "
        f"{rows['valid']:,}; {_split(config)}), mean ± deviation of several seeds; "
        f"{result['dataset']['features']:,} features in {result['dataset']['fields']} fields. "
        f"Measured on {'; '.join(machines)}."
    ]
    if "best_auc" in result["metrics"]["test"]:
        test = result["metrics"]["test"]
        notes.append(
            f"Best reachable on these rows: AUC {test['best_auc']:.5f}, logloss "
            f"{test['best_logloss']:.5f}; excess logloss is what a model leaves of it."
        )
    if any(g.results[0]["pretrain_seconds_per_epoch"] is not None for g in groups):
        notes.append("Times of fnn: its own + those of the FM that it starts from, per epoch.")
    if result["data"] != "criteo":
        notes.append("This is not a data set of the paper; its figures are not shown.")
        return notes
    notes.append(
        "The paper's columns (AUC / logloss), as its two versions print them; in that of arXiv the "
        "AUCs of lr_dnn and fm_dnn are swapped. Its split is 9:1 of all rows."
    )
    if total != CRITEO_ROWS:
        notes.append(
            f"They are for all {CRITEO_ROWS:,} rows of Criteo; these are {total:,} rows, so the "
            "figures cannot be compared."
        )
    return notes


def _machine(result: dict[str, Any]) -> str:
    about = result["environment"]
    return (
        f"{about['device']}, threads: {about['threads']}, {about['precision']}, "
        f"torch {about['torch']}"
    )


def _split(config: dict[str, Any]) -> str:
    if config["split.by_files"]:
        return "split by the files"
    shares = ":".join(f"{share:g}" for share in config["split.fractions"])
    return f"split {shares}, {config['split.kind']}"


def _csv(rows: Rows) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
