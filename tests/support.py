"""What tests of several rooms share: small settings, small data, the command as a process."""

import contextlib
import dataclasses
import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctrbench.command import cli
from ctrbench.config.compose import compose, to_settings, use_folder
from ctrbench.config.settings import RunSettings
from ctrbench.data.schema import Schema
from ctrbench.data.settings import HistorySettings
from ctrbench.data.store.history import past_fields
from ctrbench.data.store.opened import Store
from ctrbench.models.registry import properties_of
from ctrbench.runs.plan import RunPlan
from ctrbench.runs.record import RunDirectory
from ctrbench.runs.run import run as run_plan

Compose = Callable[..., RunSettings]
REAL = Path(os.environ.get("CTRBENCH_REAL_DATA", "/nonexistent"))
needs_real_rows = pytest.mark.skipif(
    not REAL.is_dir(), reason="CTRBENCH_REAL_DATA names no folder of real rows"
)
# For what takes long: models of every optimizer and first stage, and of every kind of layer too.


def slow(values: Iterable[Any]) -> list[Any]:
    """Return parameters of a test that `pytest -m slow` runs."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in sorted(values)]


FEW = ("lr", "ffm", "ccpm", "fnn", "pnn", "wide_deep", "deepfm")
KINDS = (*FEW, "dcnv2", "cin", "autoint", "afn", "fibinet", "finalmlp", "edcn")
PAST = ("gru4ctr", "din")  # read a history
PLACE = "/the/folder/of/a/test"
ENCODINGS = "data.encodings=[I1:quantile,I2:value]"
# Three evaluations an epoch, of seven steps.
OFTEN = [
    "trainer.eval_every=3",
    "trainer.patience=100",
]
# What keeps the tests of a model quick.
SMALL_MLP = ["model.hidden=[16,16]"]
SMALL_ATTENTION = ["model.attention_layers=2", "model.attention_dim=8"]
SMALL = {
    "lr": [],
    "fm": [],
    "ffm": ["model.embedding_dim=2"],
    "ccpm": [],
    **{name: [] for name in ("hofm", "afm", "fwfm", "crossnet", "crossnet_v2", "fmfm")},
    "cin": ["model.cin_maps=[4,4]"],
    "xdeepfm": ["model.cin_maps=[4,4]", *SMALL_MLP],
    "autoint": SMALL_ATTENTION,
    "autoint_plus": [*SMALL_ATTENTION, *SMALL_MLP],
    "fibinet": ["model.bilinear=all", *SMALL_MLP],
    "dlrm": ["model.bottom=[8]", *SMALL_MLP],
    "afn": ["model.logarithmic_neurons=8", *SMALL_MLP],
    "afn_plus": ["model.logarithmic_neurons=8", "model.second_hidden=[16]", *SMALL_MLP],
    "masknet": ["model.mask_ratio=0.1", "model.mask_units=8", *SMALL_MLP],
    # its regulation divides by the fields at first: it learns too late for a small run
    "edcn": ["model.embedding_dim=2", "model.dropout=0", "model.temperature=null"],
    "finalmlp": ["model.second_hidden=[20]", "model.gate=[8]", "model.hidden=[16,10]"],
    "rnn": ["model.state_dim=8"],
    "gru4ctr": ["model.state_dim=8", *SMALL_MLP],
    "fnn": [*SMALL_MLP, "pretraining.trainer.epochs=2", "pretraining.trainer.batch_size=512"],
    "wide_deep": [*SMALL_MLP, "model.crosses=[[C5,C6],[C1,C2,C3]]"],
}


# The rows that a model with a past reads.
HISTORY = "data.history={user:user,time:time,of:[C1],length:4,labels:true}"


def asked(name: str) -> list[str]:
    """The words of a model, and of the rows that it asks for."""
    return [f"model={name}", *([HISTORY] if properties_of(name).sequential else [])]


def small(name: str) -> list[str]:
    """The words of a small run of a model."""
    return [*asked(name), *SMALL.get(name, SMALL_MLP)]


def with_history(schema: Schema, names: Sequence[str], length: int, *, labels: bool) -> Schema:
    """A schema and the past of some of its fields."""
    history = HistorySettings("user", "time", list(names), length, labels)
    return Schema(schema.fields + past_fields(history, schema.fields), schema.crosses)


def settings_in(folder: Path) -> Compose:
    """Settings, by the words of a command, of small runs in a folder: planted ones, unless the
    words say otherwise."""

    def make(*overrides: str) -> RunSettings:
        own = ["data.rows=4000", "data.vocabulary=50", "data.min_count=1", "threads=1"]
        if any(word.startswith("data=") for word in overrides):
            own = ["threads=1"]
        base = [f"results={folder}", "device=cpu", "tuned=none", "tuned@pretraining=none"]
        base += ["trainer.batch_size=512", "trainer.epochs=2"]
        words = [word.replace(str(folder), PLACE) for word in (*base, *own, *overrides)]
        return _moved(_composed(*words), str(folder))

    return make


@cache
def _composed(*words: str) -> RunSettings:
    """Composing takes a tenth of a second, and many tests differ in their folder alone."""
    return to_settings(compose(list(words)))


def _moved(value: Any, folder: str) -> Any:
    """A copy of settings, in another folder."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return dataclasses.replace(
            value, **{name: _moved(getattr(value, name), folder) for name in names}
        )
    if isinstance(value, list):
        return [_moved(item, folder) for item in value]
    return value.replace(PLACE, folder) if isinstance(value, str) else value


def run(settings: RunSettings) -> dict[str, Any]:
    """Train; the result."""
    return run_plan(RunPlan(settings))


def run_directory(settings: RunSettings) -> RunDirectory:
    """Where the run of the settings lies."""
    return RunPlan(settings).directory


def store_of(settings: RunSettings) -> Store:
    """The prepared rows of a run."""
    return RunPlan(settings).prepare()


def criteo_line(label: int | str, seed: int) -> str:
    """A row in Criteo's layout, some of its cells missing."""
    rng = np.random.default_rng(seed)
    integers = [str(rng.integers(-1, 500)) if rng.random() > 0.2 else "" for _ in range(13)]
    categories = [f"{rng.integers(9):08x}" if rng.random() > 0.1 else "" for _ in range(26)]
    return "\t".join([str(label), *integers, *categories])


def write_criteo_file(folder: Path) -> Path:
    """A small file in Criteo's layout."""
    path = folder / "train.txt"
    path.write_text("".join(criteo_line(int(i % 3 == 0), i) + "\n" for i in range(600)))
    return path


@dataclass
class Done:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


def ctrbench(*words: str, cwd: Path | None = None) -> Done:
    """The command in this process, which costs a tenth of one of its own."""
    root = logging.getLogger()
    before = sys.argv, root.handlers, root.level, Path.cwd()
    out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
    sys.argv, root.handlers = ["ctrbench", *words], []
    os.chdir(cwd or ".")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run(list(words))
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv, root.handlers, level, folder = before
        root.setLevel(level)
        use_folder(None)
        os.chdir(folder)
    return Done(int(code or 0), out.buffer.getvalue().decode(), err.getvalue())


def process(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command as a process."""
    command = [sys.executable, "-m", "ctrbench", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)
