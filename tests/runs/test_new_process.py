"""What a finished run is used for in a process that has trained nothing, for every model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import SMALL, SMALL_MLP, run, run_directory, settings_in, slow

from ctrbench.models import registry

HISTORY = "data.history={user:user,time:time,of:[item],length:3}"
CROSSES = ["model.crosses=[[item,place]]", "model.cross_min_count=1"]
# Imports what `ctrbench predict` imports, then uses each run in a process of its own.
USE = """
import multiprocessing, sys
import pandas, torch
import ctrbench
from ctrbench.command.cli import main
import ctrbench.runs.export, ctrbench.runs.interface, ctrbench.runs.predict, ctrbench.runs.rows

def use(verb, run, rows):
    if verb == "predictions":
        assert len(ctrbench.open_run(run).predictions(pandas.read_csv(rows))) == 60
        return
    sys.argv = ["ctrbench", verb, run, *([rows] if verb == "predict" else [])]
    main()

verb, rows, *runs = sys.argv[1:]
if verb == "export":  # what torch imports for it is imported once
    torch.export.export(torch.nn.Identity(), (torch.ones(2),))
context = multiprocessing.get_context("fork")
for run in runs:
    process = context.Process(target=use, args=(verb, run, rows))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{verb} {run}: status {process.exitcode}")
"""


def own_words(name: str) -> list[str]:
    """The words of a small run of a model on the table."""
    words = {"wide_deep": CROSSES, "dlrm": ["model.bottom=[4]"]}.get(name, [])
    if registry.properties_of(name).sequential:
        words = [HISTORY]
    small = [word for word in SMALL.get(name, SMALL_MLP) if not word.startswith("model.crosses")]
    return [f"model={name}", *small, *words]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small table."""
    rng, count = np.random.default_rng(0), 60
    frame = pl.DataFrame(
        {
            "click": rng.integers(2, size=count),
            "user": [f"u{i}" for i in rng.integers(5, size=count)],
            "item": [f"i{i}" for i in rng.integers(4, size=count)],
            "place": [f"p{i}" for i in rng.integers(3, size=count)],
            "time": np.arange(count),
        }
    )
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    frame.write_csv(path)
    return path


@pytest.fixture(scope="module")
def runs(rows: Path) -> list[str]:
    """A finished run of every registered model."""
    compose = settings_in(rows.parent)
    table = ["data=table", f"data.path={rows}", "data.label=click", "data.min_count=1"]
    table += ["data.types=[time:number]", "trainer.epochs=1", "trainer.batch_size=20"]
    directories = []
    for name in registry.names():
        settings = compose(*own_words(name), *table)
        run(settings)
        directories.append(str(run_directory(settings).path))
    return directories


@pytest.mark.parametrize("verb", ["predict", "export", *slow(["predictions"])])
def test_every_model_is_used_in_a_new_process(verb: str, rows: Path, runs: list[str]) -> None:
    command = [sys.executable, "-c", USE, verb, str(rows), *runs]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
