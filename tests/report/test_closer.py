"""Calibration and slices, against scikit-learn and rows made to be told apart."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from made import make_run, section_of, texts
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss, roc_auc_score
from support import settings_in, store_of

from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError
from ctrbench.report.figures.orders import effects_text, excess_by_order
from ctrbench.report.group import sections
from ctrbench.report.predictions import calibration, slices
from ctrbench.report.predictions.details import slice_details
from ctrbench.report.predictions.read import Predictions, read_predictions
from ctrbench.report.table import Table
from ctrbench.runs.frame import find_runs, frame


def rows(seed: int = 0, count: int = 4000) -> Predictions:
    """lr knows the rate, fm half of what there is to know, too sure of it."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=count) - 1
    labels = (rng.random(count) < 1 / (1 + np.exp(-true))).astype(np.uint8)
    told = 2 * (true + rng.normal(size=count) / 2)
    return Predictions(labels, {"lr": true, "fm": told}, None)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Predictions:
    """Planted rows, prepared."""
    store = store_of(
        settings_in(tmp_path_factory.mktemp("store"))(
            "model=lr", "data.rows=1000", "data.min_count=4"
        )
    )
    labels = np.asarray(store.part("test").labels_N)
    return Predictions(labels, {"lr": np.arange(float(len(labels)))}, store.folder)


def test_tenths_are_scikit_learns() -> None:
    made = rows()
    table = calibration.deciles(made)
    for model, logits in made.logits.items():
        own = table[table["model"] == model]
        probability = 1 / (1 + np.exp(-logits))
        observed, predicted = calibration_curve(
            made.labels_N, probability, n_bins=10, strategy="quantile"
        )
        assert own["rows"].eq(400).all()
        np.testing.assert_allclose(own["observed"], observed)
        np.testing.assert_allclose(own["predicted"], predicted)
        np.testing.assert_allclose(own["predicted_over_observed"], predicted / observed)


def test_normalised_entropy() -> None:
    made = rows()
    base = log_loss(made.labels_N, np.full(len(made.labels_N), made.labels_N.mean()))
    for row in calibration.calibration_rows(made, calibration.deciles(made)):
        loss = log_loss(made.labels_N, 1 / (1 + np.exp(-made.logits[row["model"].lower()])))
        assert row["normalised entropy"] == f"{loss / base:.4f}"
        assert row["RIG"] == f"{1 - loss / base:.4f}"


def test_what_is_read_of_calibration() -> None:
    made = rows()
    tenths = calibration.deciles(made)
    lr, fm = calibration.calibration_rows(made, tenths)
    assert abs(float(lr["predicted / observed"]) - 1) < 0.1
    assert float(fm["tenth 1"]) < 0.5 < float(lr["tenth 1"])  # too sure
    drawn = calibration.draw_calibration(made, tenths)
    assert "LR, tenth 1 (400 rows): predicted" in drawn.svg and drawn.svg.count("<title>") == 20


def test_few_predictions_have_few_tenths() -> None:
    labels = np.array([0, 1] * 50, np.uint8)
    made = Predictions(labels, {"lr": np.repeat([-1.0, 1.0], 50)}, None)
    tenths = calibration.deciles(made)
    assert list(tenths["rows"]) == [50, 50] and list(tenths["decile"]) == [3, 8]
    assert list(calibration.calibration_rows(made, tenths)[0])[4:] == [
        f"tenth {i}" for i in range(1, 11)
    ]
    dead = Predictions(labels, {"lr": np.zeros(100), "fm": np.arange(100.0)}, None)
    tenths = calibration.deciles(dead)
    assert list(tenths.loc[tenths["model"] == "lr", "rows"]) == [100]
    assert calibration.draw_calibration(dead, tenths).svg.count("<title>") == 11
    no_clicks = Predictions(np.repeat([0, 1], [90, 10]), {"lr": np.arange(100.0)}, None)
    row = calibration.calibration_rows(no_clicks, calibration.deciles(no_clicks))[0]
    assert row["tenth 1"] == "no click" and row["tenth 10"] == "1.00"


def test_slices_by_what_the_baseline_predicts() -> None:
    made = rows()
    (slicing,) = slices.slicings(made)
    found = slices.slice_metrics(made, slicing)
    assert "LR predicts" in slicing.title and len(found) == 10 and found["rows"].eq(800).all()
    fifth = np.argsort(made.logits["lr"], kind="stable")[-800:]
    last = found[(found["slice"] == "highest fifth") & (found["model"] == "fm")].iloc[0]
    expected = roc_auc_score(made.labels_N[fifth], made.logits["fm"][fifth])
    assert last["auc"] == pytest.approx(expected)
    drawn = slices.draw_slices(found, slicing)
    assert drawn is not None and {"LR", "FM", "lowest"} <= set(texts(drawn.svg))
    assert "highest fifth: LR" in drawn.caption
    with pytest.raises(UserError, match="slice=C1: needs the prepared rows"):
        slices.slicings(made, "C1")


def test_a_slice_without_clicks_is_not_scored() -> None:
    made = rows()
    of_N = np.where(made.labels_N == 1, 0, 1)
    found = slices.slice_metrics(
        made, slices.Slicing("by the label", of_N, ["clicks", "none", "empty"])
    )
    assert found["auc"].isna().all() and list(found["slice"].unique()) == ["clicks", "none"]
    assert slices.slice_rows(found)[0]["best"] == "-"
    assert slices.draw_slices(found, slices.Slicing("by the label", of_N, [])) is None


def test_labels_of_the_run_alone(tmp_path: Path) -> None:
    """No store: the packed labels of the run directories are all that is needed."""
    made = rows(count=1003)
    for model, logits in made.logits.items():
        path = make_run(tmp_path, model, test_rows=1003)
        np.save(path / "logits.npy", logits.astype(np.float32))
        np.save(path / "labels.npy", np.packbits(made.labels_N))
    other = make_run(tmp_path, "ffm", test_rows=3)
    np.save(other / "logits.npy", np.zeros(3, np.float32))  # of other rows, and no labels
    found = read_predictions(section_of(tmp_path))
    assert found is not None and set(found.logits) == {"lr", "fm"} and found.store is None
    np.testing.assert_array_equal(found.labels_N, made.labels_N)


def test_nothing_at_hand(tmp_path: Path) -> None:
    make_run(tmp_path, "lr")
    assert read_predictions(section_of(tmp_path)) is None


def excess(path: Path, value: float) -> None:
    result = json.loads((path / "result.json").read_text())
    result["metrics"]["test"]["excess_logloss"] = value
    (path / "result.json").write_text(json.dumps(result))


def left(folder: Path, effects: list[str]) -> Any:
    for model, share in (("lr", 3), ("fm", 1)):
        for i, own in enumerate(effects):
            excess(make_run(folder, model, effects=own), share * (i + 1) / 100)
    table: pd.DataFrame = frame(find_runs([folder]))
    return excess_by_order(sections(table))


def test_what_is_left_by_order(tmp_path: Path) -> None:
    drawn = left(tmp_path, ["[0.5, 0.5, 0, 0]", "[1, 0, 0, 0]"])
    assert drawn.caption.startswith("Order 1: FM leaves least, 0.0200; orders 1, 2: FM leaves")
    assert {"order 1", "orders 1, 2", "LR", "FM"} <= set(texts(drawn.svg))


def test_rows_without_effects_are_left_out_of_orders(tmp_path: Path) -> None:
    for model in ("lr", "fm"):
        path = make_run(tmp_path / "clicks", model, effects="x")
        config = yaml.safe_load((path / "config.yaml").read_text())
        del config["data"]["effects"]
        (path / "config.yaml").write_text(yaml.safe_dump(config))
    assert left(tmp_path, ["[0.5, 0.5, 0, 0]", "[1, 0, 0, 0]"]) is not None
    assert left(tmp_path / "planted", ["[1, 0, 0, 0]"]) is None


def test_one_set_of_effects_is_not_drawn(tmp_path: Path) -> None:
    assert left(tmp_path, ["[1, 0, 0, 0]"]) is None


@pytest.mark.parametrize(
    ("bin_", "said"), [(-1, "-1"), (2, "2"), (3, "3 to 4"), (4, "5"), (6, "8 to 9"), (40, "")]
)
def test_bins_of_squared_logarithms_are_told_by_their_numbers(bin_: int, said: str) -> None:
    own = slices.squared_logarithms(bin_)
    numbers = [x for x in range(-3, 2000) if bin_ == (x if x <= 2 else int(math.log(x) ** 2) + 2)]
    told = [f"{number:,}" for number in sorted({numbers[0], numbers[-1]})]
    assert own == " to ".join(told) and (not said or own == said)


def test_effects_in_words() -> None:
    assert effects_text("[0.4, 0.4, 0.2, 0]") == "40% order 1, 40% order 2, 20% order 3"
    assert effects_text("[0.25, 0.25, 0.25, 0.25]") == "orders 1, 2, 3, 4"


def test_slices_of_prepared_rows(shared_store: Predictions) -> None:
    """By the rarest value of a row, and by a field's values, counted by hand."""
    store = Store(shared_store.store or Path())
    train, test = (np.asarray(store.part(name).ids_NS) for name in ("train", "test"))
    by_field, by_rarest = slices.slicings(shared_store, "C1")
    rarest = np.full(len(test), 10**9)
    for slot, field in enumerate(store.schema.fields):
        for value in range(field.size):
            seen = (train[:, slot] == value).sum() if value else 0
            rows = test[:, slot] == value
            rarest[rows] = np.minimum(rarest[rows], seen)
    digits = np.where(rarest == 0, 0, np.floor(np.log10(np.maximum(rarest, 1))) + 1)
    np.testing.assert_array_equal(by_rarest.of_N, digits)
    assert store.manifest["settings"]["min_count"] == 4
    assert by_rarest.names[:3] == ["fewer than 4", "4 to 9", "10 to 99"]
    place = [field.name for field in store.schema.fields].index("C1")
    most = pd.Series(test[:, place]).value_counts()
    assert (by_field.of_N == 0).sum() == most.iloc[0] and by_field.names[-1] == "all others"
    assert len(set(by_field.names)) == len(by_field.names)
    with pytest.raises(UserError, match="slice=C111: no such field; did you mean C11"):
        slices.slicings(shared_store, "C111")


@pytest.mark.parametrize("content", ["", "{}", '{"parts": 3}', "[" * 10**5])
def test_a_damaged_store_is_named_and_other_slices_are_made(content: str, tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text(content)
    labels_N = np.tile([0, 1], 200).astype(np.uint8)
    logits_N = np.linspace(-1, 1, 400)
    rows = Predictions(labels_N, {"lr": logits_N, "fm": logits_N[::-1].copy()}, tmp_path)
    reason, *details = slice_details(rows, None)
    assert isinstance(reason, Table) and str(tmp_path) in str(reason.rows)
    assert details and all("by the rate that LR predicts" in item.title for item in details)
    with pytest.raises(UserError):
        slice_details(rows, "C1")
