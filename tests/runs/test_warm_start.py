"""A run that continues from the weights of another, feature by feature, by the values."""

import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from support import Compose, ctrbench, run, run_directory, small

from ctrbench.data.store.encode import MultiValued, Vocabulary
from ctrbench.errors import UserError
from ctrbench.models.registry import build
from ctrbench.runs.opened import OpenedRun, read_weights
from ctrbench.runs.plan import RunPlan
from ctrbench.runs.record import RunDirectory
from ctrbench.runs.warm_start import WarmStart
from ctrbench.settings import identity_settings

TABLE = ["data=table", "data.label=clicked", "data.min_count=1", "split=order"]
TYPES = "data.types=[shop:category,city:category,tags:multi]"
ROWS = 800


def write(path: Path, first: int, seed: int) -> Path:
    """Rows whose shops are ``first`` to ``first + 29``: others than in rows of another first."""
    draw = np.random.default_rng(seed)
    shops = draw.integers(30, size=ROWS) + first
    frame = {
        "clicked": (draw.random(ROWS) < 0.2 + 0.6 * (shops % 3 == 0)).astype(int),
        "shop": [f"s{shop}" for shop in shops],
        "city": draw.integers(5, size=ROWS),
        "tags": [[f"t{draw.integers(9) + first // 2}" for _ in range(i % 3)] for i in range(ROWS)],
        "price": draw.normal(size=ROWS) + first / 10,
    }
    pl.DataFrame(frame).write_parquet(path)
    return path


@pytest.fixture
def words(tmp_path: Path) -> Any:
    """The words of a run on old rows, and on new ones."""

    def make(model: str, *more: str) -> tuple[list[str], list[str]]:
        own = [word for word in small(model) if not word.startswith("model.crosses")]
        base = [*TABLE, TYPES, *own, "trainer.batch_size=64", *more]
        old = write(tmp_path / "old.parquet", 0, 0)
        new = write(tmp_path / "new.parquet", 10, 1)
        return [*base, f"data.path={old}"], [*base, f"data.path={new}"]

    return make


def rows_of(opened: OpenedRun, name: str, weight: torch.Tensor) -> dict[Any, list[float]]:
    """The rows of a table by the values of a field."""
    first = 0
    for encoder in opened.encoder.encoders:
        if encoder.field.name == name:
            break
        first += encoder.field.size
    own = encoder.vocabulary if isinstance(encoder, MultiValued) else encoder
    assert isinstance(own, Vocabulary)
    values = ["rare", *own.state().to_list()]
    return {value: weight[first + i].tolist() for i, value in enumerate(values)}


@pytest.mark.parametrize("name", ["deepfm", "dcnv2"])
def test_features_start_where_their_values_ended(name: str, words: Any, settings: Compose) -> None:
    """With a learning rate of next to nothing, the new weights are the first ones."""
    old, new = words(name)
    before = settings(*old)
    run(before)
    small_rate = ["optimizer.lr=1e-30", "optimizer.l2_embedding=0", "trainer.epochs=1"]
    fresh = settings(*new, *small_rate)
    started = settings(*new, *small_rate, f"start_from={run_directory(before).path}")
    run(fresh)
    run(started)
    start, own, other = (OpenedRun(run_directory(s).path) for s in (before, started, fresh))
    table = next(n for n, w in own.model.state_dict().items() if "embedding" in n)
    tables = [opened.model.state_dict()[table] for opened in (start, own, other)]
    for field in ("shop", "tags"):
        old_rows, rows, fresh_rows = (
            rows_of(opened, field, weight)
            for opened, weight in zip((start, own, other), tables, strict=True)
        )
        kept = rows.keys() & old_rows.keys()
        assert 4 < len(kept) < len(rows) and "rare" in kept
        for value, row in rows.items():
            assert np.allclose(row, old_rows[value] if value in kept else fresh_rows[value])
    for weight_name, weight in own.model.state_dict().items():
        if weight_name != table:
            assert torch.allclose(weight, start.model.state_dict()[weight_name], atol=1e-6)


@pytest.mark.parametrize("name", ["lr", "ffm", "hofm", "dlrm", "finalmlp", "din"])
def test_on_the_same_rows_all_weights_are_taken(name: str, settings: Compose) -> None:
    sampled = ["data.negative_rate=0.5"] if name == "lr" else []
    words = [*small(name), *sampled, "data.encodings=[I1:quantile,I2:value]", "trainer.epochs=1"]
    own = settings(*words)
    run(own)
    plan = RunPlan(own)
    store, opened = plan.prepare(), OpenedRun(plan.directory.path)
    torch.manual_seed(7)
    model = build(store.schema, own.model)
    WarmStart(opened, "RUN", store).load(model)
    weights = read_weights(plan.directory.trained_weights())
    assert weights.keys() == model.state_dict().keys()
    for key, weight in model.state_dict().items():
        assert torch.equal(weight, weights[key]), key


def test_crosses_are_refused(settings: Compose) -> None:
    own = settings(*small("wide_deep"), "trainer.epochs=1")
    run(own)
    plan = RunPlan(own)
    with pytest.raises(UserError, match="start_from=RUN: crosses"):
        WarmStart(OpenedRun(plan.directory.path), "RUN", plan.prepare())


def test_it_is_part_of_the_identity(words: Any, settings: Compose) -> None:
    old, new = words("fm")
    first, second = settings(*old), settings(*old, "seed=1")
    run(first)
    run(second)
    plain = RunPlan(settings(*new))
    starts = [f"start_from={run_directory(own).path}" for own in (first, second)]
    plans = [RunPlan(settings(*new, start)) for start in starts]
    assert len({plain.identity, *(plan.identity for plan in plans)}) == 3
    own = plans[1].identity_settings["start_from"]
    assert own["seed"] == 1 and own["identity"] == RunPlan(second).identity
    assert "start_from" not in plain.identity_settings
    assert "start_from" not in identity_settings(settings(*new))


def test_resumed_to_the_same_bytes(
    words: Any, settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = words("deepfm")
    run(settings(*old))
    start = f"start_from={run_directory(settings(*old)).path}"
    parts = settings(*new, start, "trainer.epochs=3", "trainer.patience=9")
    whole = run_directory(parts).path
    run(parts)
    weights = (whole / "model.safetensors").read_bytes()
    shutil.rmtree(whole)
    write_history = RunDirectory.write_history

    def write_and_stop(self: Any, history: list[dict[str, Any]]) -> None:
        write_history(self, history)
        if len(history) == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunDirectory, "write_history", write_and_stop)
        run(parts)
    assert run_directory(parts).checkpoint.exists()
    run(parts)
    assert (whole / "model.safetensors").read_bytes() == weights


def test_bins_of_quantiles_by_their_edges(words: Any, settings: Compose) -> None:
    """The bin of a price starts from the bin that the price was in, or the next one."""
    old, new = words("fm", "data.bins=8", "data.exclude=[tags]")
    before = settings(*old)
    run(before)
    started = settings(*new, "optimizer.lr=1e-30", f"start_from={run_directory(before).path}")
    run(started)
    start, own = (OpenedRun(run_directory(s).path) for s in (before, started))
    prices = pl.Series([0.0, 1.0, 2.0, 3.0])
    weights = []
    for opened in (start, own):
        sizes = [encoder.field.size for encoder in opened.encoder.encoders]
        price = opened.encoder.encoders[-1]
        table = opened.model.get_parameter("embedding.weight")[sum(sizes[:-1]) :]
        weights.append((price.ids(prices), table))
    (old_ids, old_table), (ids, table) = weights
    for old_id, id_ in zip(old_ids, ids, strict=True):
        near = [table[id_] - old_table[min(old_id + i, len(old_table) - 1)] for i in (0, 1)]
        assert min(float(difference.detach().abs().max()) for difference in near) < 1e-6


def test_other_fields_and_models_are_refused(words: Any, settings: Compose, tmp_path: Path) -> None:
    old, new = words("fm")
    before = settings(*old)
    run(before)
    start = f"start_from={run_directory(before).path}"
    cases = {
        ("data.exclude=[city]",): "its fields differ",
        ("data.encodings=[price:value]",): "its fields differ",
        ("model.embedding_dim=3",): "embedding_dim",
        ("model=lr",): "its model has name=fm",
        ("start_from=nowhere",): "start_from=nowhere: not a finished run",
        ("model=fnn",): "starts from a pre-training run",
    }
    base = [f"results={tmp_path}", "tuned=none", "trainer.epochs=1", "threads=1", "device=cpu"]
    for more, message in cases.items():
        own = {word.partition("=")[0]: word for word in [*base, *new, start, *more]}
        if "lr" in more[0] or "fnn" in more[0]:
            own = {key: word for key, word in own.items() if key == "model" or "model." not in key}
        done = ctrbench("train", *own.values())
        assert done.returncode == 1, done.stderr
        assert message in done.stderr.splitlines()[-1], done.stderr
