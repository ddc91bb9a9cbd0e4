"""A published leaderboard beside runs that followed its recipes."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from made import make_run, texts

from ctrbench.config.compose import compose, to_settings
from ctrbench.errors import UserError
from ctrbench.report.figures.published import draw_differences, published_sentence
from ctrbench.report.group import Section, sections
from ctrbench.report.published import leaderboards as module
from ctrbench.report.published.leaderboards import Leaderboard, leaderboards
from ctrbench.report.published.printed import published_rows
from ctrbench.report.report import report_on
from ctrbench.runs.frame import find_runs, frame

ROWS = published_rows("bars", "frappe_x1")
PUBLISHED = {"deepfm": "DeepFM", "lr": "LR", "lr_dnn": "Wide&Deep"}


def follow(folder: Path, model: str, seed: int, auc: float, logloss: float, **more: Any) -> None:
    """A run by a recipe on Frappe_x1."""
    about = {"source": "bars", "data": "frappe_x1", "model": PUBLISHED[model], "reading": None}
    if model == "lr_dnn":
        about["reading"] = "no crosses"
    kept = {"data": "frappe_x1", "rows": ROWS, "recipe": about, "as_published": True}
    make_run(folder, model, seed, auc, logloss=logloss, **(kept | more))


def board(folder: Path, recipe: dict[str, Any] | None = None) -> Leaderboard:
    """The leaderboard, where recipes have these settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_recipe_settings", lambda name: recipe or {"optimizer.lr": 0.1})
        (leaderboard,) = leaderboards(section(folder))
    return leaderboard


def section(folder: Path) -> Section:
    (found,) = sections(frame(find_runs([folder])))
    return found


def test_a_difference_to_what_is_printed(tmp_path: Path) -> None:
    """Of several runs to their mean, where the log has it; else to the printed figure."""
    for seed, auc in enumerate((0.9838, 0.9840)):
        follow(tmp_path, "deepfm", seed, auc, 0.1500)
    follow(tmp_path, "lr", 0, 0.9330, 0.3080)
    rows = board(tmp_path).numbers.set_index("model")
    deepfm, lr = rows.loc["DeepFM"], rows.loc["LR"]
    assert deepfm["auc_difference"] == pytest.approx(0.9839 - deepfm["published_mean_auc"])
    assert deepfm["logloss_difference"] == pytest.approx(0.1500 - 0.1482)
    assert deepfm["runs"] == 2 and deepfm["auc_std"] == pytest.approx(0.0001414, abs=1e-7)
    deviations = f"(within the deviation of the {deepfm['published_runs']:.0f} published runs)"
    assert deepfm["says"] == f"AUC within 0.001 {deviations}, logloss 0.0018 worse"
    assert lr["auc_difference"] == pytest.approx(0.9330 - 0.9356)
    assert lr["says"] == "AUC 0.0026 worse, logloss within 0.001"


def test_the_headline_counts_small_differences(tmp_path: Path) -> None:
    """And draws a row for each difference, the largest gain first."""
    follow(tmp_path, "deepfm", 0, 0.9850, 0.1400)
    follow(tmp_path, "lr", 0, 0.9330, 0.3080)
    found = board(tmp_path)
    sentence = published_sentence(found)
    assert sentence.startswith("1 of 2 within 0.002") and sentence.endswith("-0.0026, LR.")
    (figure,) = draw_differences(found)
    names = [text for text in texts(figure.svg) if text in ("DeepFM", "LR")]
    assert names == ["DeepFM", "LR"] and {"published", "ours"} <= set(texts(figure.svg))
    assert not draw_differences(board(tmp_path, {"optimizer.lr": 7.0}))


def test_in_deviations_of_the_published_runs(tmp_path: Path) -> None:
    follow(tmp_path, "deepfm", 0, 0.9850, 0.1400)
    row = board(tmp_path).numbers.set_index("model").loc["DeepFM"]
    away = (0.9850 - row["published_mean_auc"]) / row["published_std_auc"]
    said = f"AUC 0.0011 better ({away:.1f} deviations of the 5 published runs)"
    assert row["says"] == f"{said}, logloss 0.0082 better"


def test_the_whole_leaderboard_stands_there(tmp_path: Path) -> None:
    follow(tmp_path, "lr_dnn", 0, 0.98, 0.15)
    found = board(tmp_path)
    rows = found.numbers.set_index("model")
    assert len(rows) == 36 and rows["auc_published"].is_monotonic_decreasing
    assert rows.loc["AOANet", "says"] == "not ours" and rows.loc["DeepFM", "says"] == "not run"
    assert rows.loc["Wide&Deep", "ours"] == "lr_dnn"
    shown = found.table().set_index("model").loc["Wide&Deep"]
    assert shown["read as"] == "no crosses" and shown["AUC ours"] == "0.98000"
    assert "1 beside runs of ours, 9 whose recipe our models cannot follow" in found.notes[0]


@pytest.mark.parametrize(
    ("own", "departure"),
    [
        (["seed=3", "device=cpu", "data.train=a", "threads=1", "budget.rows=7"], ""),
        (["optimizer.lr=0.1", "trainer.epochs=2"], "optimizer.lr=0.1, trainer.epochs=2"),
        (["schedule=cosine"], "trainer.schedule.name=cosine"),
        (["data.min_count=5"], "data.min_count=5"),
    ],
)
def test_other_settings_than_the_recipes_are_named(
    own: list[str], departure: str, tmp_path: Path
) -> None:
    values = asdict(to_settings(compose(["recipe=bars/frappe_x1/lr", *own])))
    encoding = {key: value for key, value in values["data"].items() if key != "name"}
    decides = {key: values[key] for key in ("optimizer", "trainer")}
    follow(tmp_path, "lr", 0, 0.9350, 0.3076, encoding=encoding, decides=decides)
    (leaderboard,) = leaderboards(section(tmp_path))
    row = leaderboard.numbers.set_index("model").loc["LR"]
    told = departure and f"not by the recipe: {departure}"
    assert row["says"].startswith(told or "AUC within 0.001, logloss within 0.001")
    assert (row["auc_difference"] != row["auc_difference"]) == bool(told)
    assert row["auc"] == 0.9350


def test_a_recipe_that_there_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str) -> dict[str, Any]:
        raise UserError(f"recipe={name}: no such choice")

    monkeypatch.setattr(module, "_recipe_settings", refused)
    follow(tmp_path, "lr", 0, 0.9350, 0.3076)
    (leaderboard,) = leaderboards(section(tmp_path))
    row = leaderboard.numbers.set_index("model").loc["LR"]
    assert row["says"] == "its recipe is not known here"


def test_other_rows_are_said(tmp_path: Path) -> None:
    follow(tmp_path / "fewer", "lr", 0, 0.9350, 0.3076, rows=ROWS | {"train": 5})
    fewer = board(tmp_path / "fewer")
    row = fewer.numbers.set_index("model").loc["LR"]
    assert row["says"] == "other rows" and row["auc_difference"] != row["auc_difference"]
    assert "5 / 57,722 / 28,860 to train" in fewer.notes[1]


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (True, "the published files themselves"),
        (False, "not known to be"),
        (None, "not known to be"),
    ],
)
def test_files_of_as_many_rows(known: bool | None, told: str, tmp_path: Path) -> None:
    """As many rows are not the same rows: a difference is shown of the published files alone."""
    follow(tmp_path, "lr", 0, 0.9350, 0.3076, as_published=known)
    found = board(tmp_path)
    row = found.numbers.set_index("model").loc["LR"]
    assert told in found.notes[1] and (row["auc_difference"] == row["auc_difference"]) == bool(
        known
    )


def test_nothing_is_published_beside_runs_without_a_recipe(tmp_path: Path) -> None:
    make_run(tmp_path, "lr", 0, data="frappe_x1", rows=ROWS)
    assert leaderboards(section(tmp_path)) == []
    assert "Published on" not in report_on([tmp_path])


def test_it_is_in_every_form_of_the_report(tmp_path: Path) -> None:
    follow(tmp_path, "lr_dnn", 0, 0.9840, 0.149)
    text = report_on([tmp_path])
    assert "Published on frappe_x1 and by the same recipes here:" in text
    folder = tmp_path / "report"
    assert r"Wide\&Deep" in (folder / "table.tex").read_text()
    assert "Wide&amp;Deep" in (folder / "index.html").read_text()
    header, *lines = (folder / "published.csv").read_text().splitlines()
    assert header.startswith("model,ours,runs,auc_published,") and len(lines) == 36
