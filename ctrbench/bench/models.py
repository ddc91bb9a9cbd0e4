"""The tables of ``ctrbench bench``: one model in detail, or several beside each other."""

import json
from pathlib import Path
from typing import Any

from ctrbench.bench.measurement import measure
from ctrbench.bench.synthetic import FIELDS
from ctrbench.config.compose import without_tuned_values
from ctrbench.config.settings import RunSettings
from ctrbench.config.suggestions import suggesting_keys
from ctrbench.config.verb_settings import BenchSettings, bench_settings
from ctrbench.errors import UserError
from ctrbench.files import write_atomic
from ctrbench.markdown import markdown
from ctrbench.models.registry import names
from ctrbench.results import Results
from ctrbench.sweep.jobs import plan_sweep

COUNTED = (
    "operations: forward and backward pass; 2 for each multiply-add of a matmul, else 1 for each "
    "number that is read or written"
)
SHOWN = {"products": "matmul", "memory": "memory"}  # as tables name what limits a step


@suggesting_keys(BenchSettings, "bench.")
def plan_measurement(words: list[str]) -> tuple[list[RunSettings], BenchSettings]:
    """Return the runs whose steps are to be measured, one of each model, and the settings of the
    measurement. Tuned values are off unless asked for: they exist for some models and data sets
    only."""
    own = bench_settings([word for word in words if word.startswith("bench.")])
    plans = plan_sweep(
        without_tuned_values([word for word in words if not word.startswith("bench.")])
    )
    plans[0].results.check()
    runs = [one.settings for one in plans]
    one_of_each(runs)
    return runs, own


def bench_models(words: list[str]) -> str:
    """Measure, and return the table; the figures are also written to ``bench/MODEL_PRECISION.json``
    below the reports, those of several to ``bench/models_PRECISION.json``."""
    runs, own = plan_measurement(words)
    runs = sorted(runs, key=lambda run: names().index(run.model.name))
    figures = measure(runs, own)
    name = runs[0].model.name if len(runs) == 1 else "models"
    path = write_figures(figures, runs[0], f"bench/{name}_{runs[0].precision}.json")
    lines = [
        describe_measurement(figures),
        *(_detailed(figures) if len(runs) == 1 else _compared(figures)),
    ]
    return "\n".join([*lines, str(path)])


def one_of_each(runs: list[RunSettings]) -> None:
    """Refuse a sweep over anything but models: it would have a model twice."""
    chosen = [run.model.name for run in runs]
    if len(set(chosen)) < len(chosen):
        raise UserError("bench takes a list of models alone: model=lr,fm,deepfm")


def write_figures(figures: dict[str, Any], run: RunSettings, name: str) -> Path:
    """Write figures as JSON below the reports."""
    path = Results(run.results).report(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(figures, indent=1) + "\n")
    return path


def describe_measurement(figures: dict[str, Any]) -> str:
    """Return a line about what was measured and where."""
    here = figures["environment"]
    return (
        f"{', '.join(one['model'] for one in figures['models'])}: {FIELDS} fields, "
        f"{figures['features']:,} features, batch {figures['batch_size']:,}; {here['device']}, "
        f"{here['threads']} threads, {here['precision']}, torch {here['torch']}"
    )


def _compared(figures: dict[str, Any]) -> list[str]:
    rows = [_row(one) for one in figures["models"]]
    machine = figures["machine"]
    return [
        "",
        markdown(rows),
        "",
        f"medians and quartiles of {figures['rounds']} interleaved rounds; ratios are medians of "
        "pairs of a round",
        COUNTED,
        f"limits: the model's matmuls by themselves, or its bytes at "
        f"{machine['copy_bytes_per_second'] / 1e9:.0f} GB/s; a square matmul does "
        f"{machine['square_flops'] / 1e9:.0f} GFLOP/s; peak memory "
        f"{figures['peak_memory_bytes'] / 2**20:,.0f} MiB",
    ]


def _row(one: dict[str, Any]) -> dict[str, str]:
    step, limits = one["seconds"]["step, real-like ids"], one["limit_seconds"]
    by = max(limits, key=limits.__getitem__)
    row = {
        "model": one["model"],
        "step ms": f"{1e3 * step['median']:.2f}",
        "quartiles": f"{1e3 * step['quarter']:.2f} to {1e3 * step['three_quarters']:.2f}",
        "rows/s": f"{one['rows_per_second']['real-like']:,.0f}",
    }
    if "time_over_lr" in one:
        row["time / LR"] = f"{one['time_over_lr']['median']:.2f}"
        row["operations / LR"] = f"{one['operations_over_lr']:,.1f}"
    return row | {
        "limit ms": f"{1e3 * limits[by]:.2f} ({SHOWN[by]})",
        "step / limit": f"{one['times_the_limit']:.1f}",
    }


def _detailed(figures: dict[str, Any]) -> list[str]:
    (one,), machine, epoch = figures["models"], figures["machine"], figures["epoch"]
    limits, rate = one["limit_seconds"], one["rows_per_second"]
    lines = [f"  {'ms':24}{'median':>10}   quartiles"]
    for name, taken in one["seconds"].items():
        middle, low, high = (1e3 * taken[k] for k in ("median", "quarter", "three_quarters"))
        lines.append(f"  {SHOWN.get(name, name):24}{middle:10.2f}   {low:.2f} to {high:.2f}")
    for kind, touched in one["touched_rows"].items():
        lines.append(
            f"  {kind} ids: {rate[kind]:,.0f} rows/s; a batch touches {touched:,.0f} different "
            f"rows at {one['places']:,} places"
        )
    return [
        *lines,
        f"  limit by matmul {1e3 * limits['products']:.2f} ms (a square one does "
        f"{machine['square_flops'] / 1e9:.0f} GFLOP/s), by memory {1e3 * limits['memory']:.2f} ms "
        f"({one['step_bytes'] / 1e6:.0f} MB at "
        f"{machine['copy_bytes_per_second'] / 1e9:.0f} GB/s)",
        f"  the step takes {one['times_the_limit']:.1f} times its limit; peak memory "
        f"{figures['peak_memory_bytes'] / 2**20:,.0f} MiB",
        f"  {one['operations'] / 1e6:,.1f} million operations ({COUNTED.partition(': ')[2]})",
        f"  an epoch over files of {epoch['rows']:,} rows: {epoch['seconds']:.1f} s, "
        f"{epoch['rows'] / epoch['seconds']:,.0f} rows/s; anonymous memory at its end "
        f"{epoch['anonymous_bytes'] / 2**20:,.0f} MiB",
        "  feeding from "
        + ", ".join(f"{p} {r / 1e6:.1f} M rows/s" for p, r in figures["feeding"].items()),
    ]
