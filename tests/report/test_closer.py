"""Calibration, slices and ranks, against scikit-learn, scipy and rows made to be told apart."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made import make_run, section_of, texts
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss, roc_auc_score
from support import settings_in, store_of

from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError
from ctrbench.report.group import sections
from ctrbench.report.judged import ranks
from ctrbench.report.orders import in_words, left_by_order
from ctrbench.report.predictions import calibration, slices
from ctrbench.report.predictions.scored import Scored, scored
from ctrbench.runs.frame import find_runs, frame


def rows(seed: int = 0, count: int = 4000) -> Scored:
    """lr knows the rate, fm half of what there is to know, too sure of it."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=count) - 1
    labels = (rng.random(count) < 1 / (1 + np.exp(-true))).astype(np.uint8)
    told = 2 * (true + rng.normal(size=count) / 2)
    return Scored(labels, {"lr": true, "fm": told}, None)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Planted rows, prepared."""
    store = store_of(
        settings_in(tmp_path_factory.mktemp("store"))(
            "model=lr", "data.rows=1000", "data.min_count=4"
        )
    )
    labels = np.asarray(store.part("test").labels_N)
    return Scored(labels, {"lr": np.arange(float(len(labels)))}, store.folder)


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
    for row in calibration.reading(made, calibration.deciles(made)):
        loss = log_loss(made.labels_N, 1 / (1 + np.exp(-made.logits[row["model"]])))
        assert row["normalised entropy"] == f"{loss / base:.4f}"
        assert row["RIG"] == f"{1 - loss / base:.4f}"


def test_what_is_read_of_calibration() -> None:
    made = rows()
    tenths = calibration.deciles(made)
    lr, fm = calibration.reading(made, tenths)
    assert abs(float(lr["predicted / observed"]) - 1) < 0.1
    assert float(fm["tenth 1"]) < 0.5 < float(lr["tenth 1"])  # too sure
    drawn = calibration.drawing(made, tenths)
    assert "lr, tenth 1 (400 rows): predicted" in drawn.svg and drawn.svg.count("<title>") == 20


def test_few_predictions_have_few_tenths() -> None:
    labels = np.array([0, 1] * 50, np.uint8)
    made = Scored(labels, {"lr": np.repeat([-1.0, 1.0], 50)}, None)
    tenths = calibration.deciles(made)
    assert list(tenths["rows"]) == [50, 50] and list(tenths["decile"]) == [3, 8]
    assert list(calibration.reading(made, tenths)[0])[4:] == [f"tenth {i}" for i in range(1, 11)]
    dead = Scored(labels, {"lr": np.zeros(100), "fm": np.arange(100.0)}, None)
    tenths = calibration.deciles(dead)
    assert list(tenths.loc[tenths["model"] == "lr", "rows"]) == [100]
    assert calibration.drawing(dead, tenths).svg.count("<title>") == 11
    no_clicks = Scored(np.repeat([0, 1], [90, 10]), {"lr": np.arange(100.0)}, None)
    row = calibration.reading(no_clicks, calibration.deciles(no_clicks))[0]
    assert row["tenth 1"] == "no click" and row["tenth 10"] == "1.00"


def test_slices_by_what_the_baseline_predicts() -> None:
    made = rows()
    (slicing,) = slices.slicings(made)
    found = slices.scores(made, slicing)
    assert "lr predicts" in slicing.title and len(found) == 10 and found["rows"].eq(800).all()
    fifth = np.argsort(made.logits["lr"], kind="stable")[-800:]
    last = found[(found["slice"] == "highest fifth") & (found["model"] == "fm")].iloc[0]
    expected = roc_auc_score(made.labels_N[fifth], made.logits["fm"][fifth])
    assert last["auc"] == pytest.approx(expected)
    drawn = slices.drawing(found, slicing)
    assert drawn is not None and {"lr", "fm", "lowest fifth"} <= set(texts(drawn.svg))
    assert "highest fifth: lr" in drawn.says
    with pytest.raises(UserError, match="slice=C1: needs the prepared rows"):
        slices.slicings(made, "C1")


def test_a_slice_without_clicks_is_not_scored() -> None:
    made = rows()
    of_N = np.where(made.labels_N == 1, 0, 1)
    found = slices.scores(made, slices.Slicing("by the label", of_N, ["clicks", "none", "empty"]))
    assert found["auc"].isna().all() and list(found["slice"].unique()) == ["clicks", "none"]
    assert slices.reading(found)[0]["best"] == "-"
    assert slices.drawing(found, slices.Slicing("by the label", of_N, [])) is None


def test_labels_of_the_run_alone(tmp_path: Path) -> None:
    """No store: the packed labels of the run directories are all that is needed."""
    made = rows(count=1003)
    for model, logits in made.logits.items():
        path = make_run(tmp_path, model, test_rows=1003)
        np.save(path / "logits.npy", logits.astype(np.float32))
        np.save(path / "labels.npy", np.packbits(made.labels_N))
    other = make_run(tmp_path, "ffm", test_rows=3)
    np.save(other / "logits.npy", np.zeros(3, np.float32))  # of other rows, and no labels
    found = scored(section_of(tmp_path))
    assert found is not None and set(found.logits) == {"lr", "fm"} and found.store is None
    np.testing.assert_array_equal(found.labels_N, made.labels_N)


def test_nothing_at_hand(tmp_path: Path) -> None:
    make_run(tmp_path, "lr")
    assert scored(section_of(tmp_path)) is None


AUC = {"lr": [0.70, 0.71, 0.70], "fm": [0.74, 0.70, 0.73], "ffm": [0.75, 0.76, 0.74]}


def test_ranks_over_common_seeds(tmp_path: Path) -> None:
    for model, values in AUC.items():
        for seed, auc in enumerate(values):
            make_run(tmp_path, model, seed, auc)
    make_run(tmp_path, "lr", 3, 0.9)  # which the others lack
    found = ranks.ranks(section_of(tmp_path))
    assert found is not None and list(found.by_seed) == ["ffm", "fm", "lr"]
    assert list(found.mean) == pytest.approx([1, 7 / 3, 8 / 3])
    assert found.p == pytest.approx(stats.friedmanchisquare(*AUC.values()).pvalue)
    # Demšar 2006, table 5: q of 3 models at .05 is 2.343
    assert found.critical == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 3)), rel=1e-3)
    drawn = ranks.drawing(found)
    assert "first in 3 of 3 common seeds" in drawn.says
    assert "not told apart from ffm: fm, lr" in drawn.says
    assert "<title>fm: mean rank 2.33, from 2 to 3</title>" in drawn.svg


def test_one_seed_has_no_ranks(tmp_path: Path) -> None:
    for model in ("lr", "fm"):
        make_run(tmp_path, model)
    assert ranks.ranks(section_of(tmp_path)) is None


def excess(path: Path, value: float) -> None:
    result = json.loads((path / "result.json").read_text())
    result["metrics"]["test"]["excess_logloss"] = value
    (path / "result.json").write_text(json.dumps(result))


def left(folder: Path, effects: list[str]) -> Any:
    for model, share in (("lr", 3), ("fm", 1)):
        for i, own in enumerate(effects):
            excess(make_run(folder, model, effects=own), share * (i + 1) / 100)
    table: pd.DataFrame = frame(find_runs([folder]))
    return left_by_order(sections(table))


def test_what_is_left_by_order(tmp_path: Path) -> None:
    drawn = left(tmp_path, ["[0.5, 0.5, 0, 0]", "[1, 0, 0, 0]"])
    assert drawn.says.startswith("order 1: fm leaves least, 0.0200; orders 1, 2: fm leaves")
    assert {"order 1", "orders 1, 2", "lr", "fm"} <= set(texts(drawn.svg))


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
    assert in_words("[0.4, 0.4, 0.2, 0]") == "40% order 1, 40% order 2, 20% order 3"
    assert in_words("[0.25, 0.25, 0.25, 0.25]") == "orders 1, 2, 3, 4"


def test_slices_of_prepared_rows(shared_store: Scored) -> None:
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
