"""A report on runs of several data sets, and the page that lists reports."""

from pathlib import Path

import pandas as pd
import pytest
from made import make_run
from support import ctrbench

from ctrbench.report.index import write_index

AUCS = {
    "a": {"lr": 0.70, "fm": 0.72, "deepfm": 0.74},
    "b": {"lr": 0.80, "fm": 0.79, "deepfm": 0.82},
    "c": {"lr": 0.65, "fm": 0.66, "deepfm": 0.655, "ffm": 0.5},
}


def make_runs(folder: Path) -> list[str]:
    for data, aucs in AUCS.items():
        for model, auc in aucs.items():
            for seed in (0, 1):
                where = folder / "runs" / data
                make_run(where, model, seed, auc + seed / 1e3, data=data, effects=data)
    return [str(folder / "runs" / data) for data in AUCS]


def test_a_report_over_data_sets(tmp_path: Path) -> None:
    folders = make_runs(tmp_path)
    done = ctrbench("report", *folders, f"results={tmp_path}", "name=all")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "report" / "all"
    table = pd.read_csv(folder / "over_data.csv").set_index("model")
    scores = pd.DataFrame(AUCS).drop("ffm") + 0.0005
    ranks = (-scores).rank().mean(axis=1)
    assert table["mean_rank"].to_dict() == pytest.approx(ranks.to_dict())
    assert list(table.index) == ["deepfm", "fm", "lr"]  # ffm has runs on one of them
    assert table["wins"].to_dict() == {"deepfm": 2, "fm": 1, "lr": 0}
    errors = 1 - scores
    relative = ((errors - errors.min()) / errors).mean(axis=1)
    assert table["improvability_auc"].to_dict() == pytest.approx(relative.to_dict())
    assert (table["improvability_auc_low"] <= table["improvability_auc"]).all()
    page = (folder / "index.html").read_text()
    assert "DeepFM has the best mean rank over 3 data sets, 1.33" in page
    for data in AUCS:  # each is linked to its part of the page
        assert f'href="#{data}-leaderboard"' in page and f'id="{data}-leaderboard"' in page
    assert "FFM" in done.stdout and (folder / "figures" / "over-data.pdf").exists()


def test_one_data_set_or_one_model(tmp_path: Path) -> None:
    """Nothing is ranked over data sets, neither over encodings or effects of one."""
    for effects in ("x", "y"):
        make_run(tmp_path / "one", "lr", effects=effects)
        make_run(tmp_path / "one", "fm", effects=effects)
    for data in ("a", "b"):
        make_run(tmp_path / "two", "lr", data=data, effects=data)
    for name in ("one", "two"):
        done = ctrbench("report", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
        assert not (tmp_path / name / "report" / "over_data.csv").exists()
        assert "mean rank" not in done.stdout


def test_the_list_of_reports(tmp_path: Path) -> None:
    """It is written with each report, links to all, and replaces no page of another's."""
    folders = make_runs(tmp_path)
    page = tmp_path / "report" / "index.html"
    for folder, name in zip(folders, ("one", "two & three"), strict=False):
        done = ctrbench("report", folder, f"results={tmp_path}", f"name={name.split()[0]}")
        assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert 'href="one/index.html"' in text and 'href="two/index.html"' in text
    assert text.count("the best on the validation rows") == 2
    page.write_text("<p>mine</p>")
    write_index(page.parent)
    assert page.read_text() == "<p>mine</p>"


def test_titles_of_others_are_text(tmp_path: Path) -> None:
    folder = tmp_path / "report" / "x"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<title>&lt;script&gt;1</title>")
    write_index(tmp_path / "report")
    assert "<script>1" not in (tmp_path / "report" / "index.html").read_text()
