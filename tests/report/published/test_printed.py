"""What others printed, against the pages it was read from."""

import pytest

from ctrbench.models.registry import names
from ctrbench.report.published.printed import VERSIONS, published, table2

FILES = ("deepfm_table2", "deepfm_figure6", "deepfm_figures", "bars")


@pytest.mark.parametrize("name", FILES)
def test_every_row_has_its_source(name: str) -> None:
    rows = published(name)
    assert rows["source"].notna().all() and not rows.duplicated().any()
    if name != "bars":
        assert set(rows["model"]) <= set(names())


def test_two_versions_of_table_2() -> None:
    criteo, company = table2("criteo"), table2("company")
    assert set(criteo) == set(company) == set(VERSIONS)
    assert all(len(table) == 9 for table in (*criteo.values(), *company.values()))
    assert tuple(criteo["arXiv"].loc["lr"]) == (0.7686, 0.47762)
    assert tuple(criteo["IJCAI"].loc["deepfm"]) == (0.8016, 0.44985)
    assert tuple(company["IJCAI"].loc["pnn"]) == (0.8663, 0.02638)
    assert table2("planted") == {}
    swapped = [criteo[version].loc[["lr_dnn", "fm_dnn"], "auc"].tolist() for version in VERSIONS]
    assert swapped == [[0.7981, 0.785], [0.7858, 0.798]]  # as printed


def test_the_figures() -> None:
    rows = published("deepfm_figures")
    by_place = rows.groupby("place").agg({"model": "nunique", "value": "nunique", "auc": "size"})
    assert by_place.T.to_dict("list") == {
        "Figure 7": [7, 2, 14],
        "Figure 8": [7, 6, 42],
        "Figure 9": [7, 4, 28],
        "Figure 10": [7, 4, 28],
        "Figure 11": [6, 4, 24],
    }
    row = rows[(rows["place"] == "Figure 8") & (rows["model"] == "fnn") & (rows["value"] == "0.5")]
    assert row[["auc", "logloss"]].to_numpy().tolist() == [[0.8668, 0.026468]]
    assert rows["auc"].between(0.86, 0.88).all() and rows["logloss"].between(0.026, 0.027).all()


def test_figure_6() -> None:
    rows = published("deepfm_figure6").set_index(["device", "model"])
    assert rows.loc[("cpu", "ipnn"), "time_over_lr"] == 37.61
    assert rows["pretrain_time_over_lr"].dropna().to_dict() == {
        ("cpu", "fnn"): 1.32,
        ("gpu", "fnn"): 0.95,
    }


def test_bars() -> None:
    rows = published("bars")
    assert len(rows) == 209
    deepfm = rows[
        (rows["dataset"] == "criteo_x4_001") | rows["dataset"].str.startswith("criteo_x4")
    ]
    assert deepfm.loc[deepfm["model"] == "DeepFM", "auc"].max() == pytest.approx(0.8143, abs=2e-4)
