"""Target statistics against scikit-learn's TargetEncoder on the same folds."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import TargetEncoder
from support import Compose, ctrbench, process, run, run_directory, store_of, write_criteo_file

from ctrbench.data.store import cross_fitting
from ctrbench.data.store import prepare as preparing
from ctrbench.data.store.cross_fitting import draw_folds
from ctrbench.data.store.manifest import file_digests
from ctrbench.data.store.opened import Store
from ctrbench.data.store.target_encoder import smoothed_rates
from ctrbench.settings import identity_settings

SHOPS, ROWS = 40, 3000
TABLE = ["data=table", "data.label=clicked", "data.min_count=3"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Rows with frequent, rare and missing shops, and a number."""
    draw = np.random.default_rng(0)
    shops = (SHOPS * draw.random(ROWS) ** 3).astype(int)
    clicks = draw.random(ROWS) < 0.1 + 0.6 * np.sin(shops) ** 2
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["clicked", "shop", "city", "price"])
        for i, (shop, click) in enumerate(zip(shops, clicks, strict=True)):
            once = f"once{i}" if i % 50 == 0 else f"shop{shop}"
            out.writerow([int(click), "" if i % 37 == 0 else once, f"c{i % 7}", f"{i % 11}.5"])
    return path


def column(store: Store, part: str, name: str) -> Any:
    names = [field.name for field in store.schema.fields]
    slots = store.schema.value_slots
    return store.part(part).values_NX[:, slots.index(names.index(name))].astype(np.float64)


def ids_of(store: Store, part: str, name: str) -> Any:
    names = [field.name for field in store.schema.fields]
    return store.part(part).ids_NS[:, names.index(name)]


def encoder_of(ids: Any, labels: Any) -> TargetEncoder:
    return TargetEncoder(smooth="auto", target_type="binary").fit(ids[:, None], labels)


@pytest.mark.parametrize("folds", [2, 5])
def test_rates_are_those_of_scikit_learn(table: Path, folds: int, settings: Compose) -> None:
    """Standardised over the training rows; of other folds for these, of all of them for others."""
    own = [f"data.path={table}", "data.encodings=[shop:target]", f"data.target_folds={folds}"]
    store = store_of(settings(*TABLE, *own))
    names = [field.name for field in store.schema.fields]
    assert names == ["shop", "city", "price", "shop.rate", "shop.count"]
    ids, labels = ids_of(store, "train", "shop"), store.part("train").labels_N
    fold_of = draw_folds(len(ids), folds)
    assert np.ptp(np.bincount(fold_of)) <= 1 and len(set(fold_of)) == folds
    rates = np.empty(len(ids))
    for fold in range(folds):
        own_N = fold_of == fold
        encoder = encoder_of(ids[~own_N], labels[~own_N])
        rates[own_N] = encoder.transform(ids[own_N][:, None])[:, 0]
    mean, std = rates.mean(), rates.std()
    assert np.allclose(column(store, "train", "shop.rate"), (rates - mean) / std, atol=1e-5)
    counts = np.log1p(np.bincount(ids, minlength=len(ids)))
    moments = counts[ids].mean(), counts[ids].std()
    encoder = encoder_of(ids, labels)
    for part in ("train", "valid", "test"):
        of_part = ids_of(store, part, "shop")
        expected = (counts[of_part] - moments[0]) / moments[1]
        assert np.allclose(column(store, part, "shop.count"), expected, atol=1e-5)
        if part != "train":
            rates = encoder.transform(of_part[:, None])[:, 0]
            assert np.allclose(column(store, part, "shop.rate"), (rates - mean) / std, atol=1e-5)
            assert (of_part == 0).any()
    assert (store.part("train").ids_NS[:, names.index("shop.rate")] == 1).all()


def test_an_id_without_rows_has_the_mean_rate_and_one_class_no_other() -> None:
    assert smoothed_rates(np.array([0, 4, 4]), np.array([0, 1, 3]))[0] == 0.5
    assert smoothed_rates(np.array([0, 4]), np.array([0, 4])).tolist() == [1, 1]
    assert smoothed_rates(np.array([0, 0]), np.array([0, 0])).tolist() == [0, 0]


def test_no_row_sees_its_label(table: Path, settings: Compose) -> None:
    """Where labels are drawn, the rates of values that are nearly all different rank nothing."""
    lines = table.read_text().splitlines()
    draw = np.random.default_rng(1)
    rows = [f"{draw.integers(2)},v{draw.integers(900)},c,{i}.5" for i in range(ROWS)]
    table.write_text("\n".join([lines[0], *rows]) + "\n")
    own = [*TABLE, f"data.path={table}", "data.encodings=[shop:target]", "data.min_count=1"]
    store = store_of(settings(*own))
    rates, clicked = column(store, "train", "shop.rate"), store.part("train").labels_N > 0
    assert rates[clicked].mean() - rates[~clicked].mean() < 0.1


@pytest.mark.parametrize("model", ["deepfm", "dlrm"])
def test_predict_reads_the_rates_that_training_kept(
    model: str, settings: Compose, tmp_path: Path
) -> None:
    """All categorical fields of Criteo's layout; in another process too."""
    rows = write_criteo_file(tmp_path)
    words = ["data=criteo", f"data.path={rows}", "data.encodings=[*:target]", "split=order"]
    own = settings(*words, f"model={model}", "data.exclude=[C5,C7.count]", "data.min_count=2")
    result = run(own)
    assert result["dataset"]["fields"] == 38 + 2 * 25 - 1
    test = tmp_path / "test.txt"
    test.write_text("".join(rows.read_text().splitlines(keepends=True)[540:]))
    call = process if model == "dlrm" else ctrbench
    done = call("predict", str(run_directory(own).path), str(test))
    assert done.returncode == 0, done.stderr
    logits = np.load(run_directory(own).logits)
    assert np.allclose(np.loadtxt(done.stdout.splitlines()), 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_killed_while_they_are_written(
    table: Path, settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*TABLE, f"data.path={table}", "data.encodings=[*:target]"]
    whole = store_of(settings(*words, f"results={tmp_path}/whole")).folder
    own = settings(*words, f"results={tmp_path}/killed")
    fill = cross_fitting._fill

    def fail(work: Path, part: str, *more: Any) -> None:
        fill(work, part, *more)
        if part == "valid":
            raise OSError("the disk is gone")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="gone"):
        patch.setattr(cross_fitting, "_fill", fail)
        store_of(own)
    monkeypatch.setattr(preparing, "ENCODE_ROWS", 500)
    assert file_digests(store_of(own).folder) == file_digests(whole)


WRONG = {
    "price:target": "data.encodings=price:target",
    "shops:target": "no field shops",
    "shop:target,shop:target": "shop:target: shop stands in it twice",
    "shop:mean": "data.encodings=shop:mean",
    "*:sum": "data.encodings=*",
}


@pytest.mark.parametrize("encodings", WRONG)
def test_what_has_no_target_statistic_is_refused(encodings: str, table: Path) -> None:
    done = ctrbench("prepare", *TABLE, f"data.path={table}", f"data.encodings=[{encodings}]")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert WRONG[encodings] in done.stderr


def test_an_excluded_field_and_a_column_of_the_same_name(table: Path) -> None:
    words = ["prepare", *TABLE, f"data.path={table}", "data.encodings=[shop:target]"]
    done = ctrbench(*words, "data.exclude=[shop]")
    assert done.returncode == 1 and "data.encodings=shop:target: shop is excl" in done.stderr
    table.write_text(table.read_text().replace("city", "shop.rate", 1))
    done = ctrbench(*words)
    assert done.returncode == 1 and "has a column shop.rate" in done.stderr


def test_the_folds_are_part_of_the_identity_only_where_chosen(settings: Compose) -> None:
    assert "target_folds" not in identity_settings(settings().data)
    assert identity_settings(settings("data.target_folds=4").data)["target_folds"] == 4
