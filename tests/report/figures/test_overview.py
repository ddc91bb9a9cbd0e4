"""The figures of a whole section: what they say."""

import json
from pathlib import Path
from typing import Any

import pytest
from made import make_run, section_of, texts

from ctrbench.report.figures.overview import cost, leaderboard, learning_curves
from ctrbench.report.published.printed import CRITEO_ROWS


def test_the_front_is_those_that_none_beats(tmp_path: Path) -> None:
    """An epoch takes lr 2 s, fm 5, fnn 8 and 5 of its first stage, others 1."""
    for model, auc in {"lr": 0.7, "fm": 0.75, "ffm": 0.65, "fnn": 0.74}.items():
        make_run(tmp_path, model, auc=auc)
    drawing = cost(section_of(tmp_path))
    assert drawing is not None
    assert "ffm, lr, fm by seconds of training an epoch" in drawing.says
    assert {"lr", "fm", "ffm", "fnn"} <= set(texts(drawing.svg))


def test_one_model_has_no_front(tmp_path: Path) -> None:
    make_run(tmp_path, "lr")
    assert cost(section_of(tmp_path)) is None


def test_the_papers_dots_stand_beside_its_own_rows_alone(tmp_path: Path) -> None:
    for folder, rows in (("some", 7), ("all", CRITEO_ROWS - 15)):
        make_run(tmp_path / folder, "lr", data="criteo", test_rows=rows)
        drawing = leaderboard(section_of(tmp_path / folder), set())
        assert ("the paper, IJCAI" in texts(drawing.svg)) == (folder == "all")


def test_the_band_of_those_level_with_the_best(tmp_path: Path) -> None:
    for model in ("lr", "fm"):
        make_run(tmp_path, model)
    section = section_of(tmp_path)
    assert "shaded" in leaderboard(section, {"fm"}).says
    assert "shaded" not in leaderboard(section, set()).says


def test_a_damaged_history_stops_nothing(tmp_path: Path) -> None:
    good: list[dict[str, Any]] = [{"train_loss": 0.5, "valid_logloss": x} for x in (0.5, 0.4)]
    written = {
        "lr": "\n".join(map(str, good)).replace("'", '"'),
        "fm": '{"train_loss": 0.',
        "ffm": "",
    }
    for model, text in written.items():
        (make_run(tmp_path, model) / "history.jsonl").write_text(text)
    drawing = learning_curves(section_of(tmp_path))
    assert drawing is not None and "fm" not in texts(drawing.svg)
    assert "Still improving at their last evaluation: lr." in drawing.says


@pytest.mark.parametrize("first", [0.7, 5.0])
def test_one_high_loss_does_not_flatten_the_curves(first: float, tmp_path: Path) -> None:
    for model, start in {"lr": 0.7, "wide_deep": first}.items():
        losses = [start, 0.6, 0.55, 0.52, 0.5]
        lines = [{"train_loss": x, "valid_logloss": min(x, 0.6) + 0.01} for x in losses]
        path = make_run(tmp_path, model) / "history.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)))
    drawing = learning_curves(section_of(tmp_path))
    assert drawing is not None
    assert ("Higher than the frame: losses of wide_deep." in drawing.says) == (first > 1)
    shown = [float(text) for text in texts(drawing.svg) if text.startswith("0.")]
    assert 0.5 <= min(shown) and max(shown) <= 0.8
