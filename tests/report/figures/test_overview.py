"""The figures of a whole section: what they say."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from made import make_run, section_of, texts

from ctrbench.models import registry
from ctrbench.report.figures.overview import cost, leaderboard, learning_curves
from ctrbench.report.names import model_title
from ctrbench.report.published.printed import CRITEO_ROWS


def test_the_front_is_those_that_none_beats(tmp_path: Path) -> None:
    """An epoch takes lr 2 s, fm 5, fnn 8 and 5 of its first stage, others 1."""
    for model, auc in {"lr": 0.7, "fm": 0.75, "ffm": 0.65, "fnn": 0.74}.items():
        make_run(tmp_path, model, auc=auc)
    drawing = cost(section_of(tmp_path))
    assert drawing is not None
    assert "FFM, LR and FM by seconds of training an epoch" in drawing.caption
    assert {"LR", "FM", "FFM", "FNN"} <= set(texts(drawing.svg))


def test_one_model_has_no_front(tmp_path: Path) -> None:
    make_run(tmp_path, "lr")
    assert cost(section_of(tmp_path)) is None


def test_the_papers_dots_stand_beside_its_own_rows_alone(tmp_path: Path) -> None:
    for folder, rows in (("some", 7), ("all", CRITEO_ROWS - 15)):
        make_run(tmp_path / folder, "lr", data="criteo", test_rows=rows)
        drawing = leaderboard(section_of(tmp_path / folder), "lr", set())
        assert ("the paper, IJCAI" in texts(drawing.svg)) == (folder == "all")


def test_the_band_of_those_not_different_from_the_best(tmp_path: Path) -> None:
    for model in ("lr", "fm"):
        make_run(tmp_path, model)
    section = section_of(tmp_path)
    assert "Shaded" in leaderboard(section, "lr", {"fm"}).caption
    assert "Shaded" not in leaderboard(section, "lr", set()).caption


def test_a_worse_model_between_others_is_not_shaded(tmp_path: Path) -> None:
    for model, auc in {"lr": 0.7, "fm": 0.73, "ffm": 0.72, "fnn": 0.71}.items():
        make_run(tmp_path, model, auc=auc)
    svg = leaderboard(section_of(tmp_path), "fm", {"lr"}).svg
    assert svg.count("opacity: 0.15") == 2  # fm, the first, and lr, the last


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_seed_has_no_interval(seeds: int, tmp_path: Path) -> None:
    for seed in range(seeds):
        make_run(tmp_path, "fm", seed, auc=0.7 + seed / 100)
    drawing = leaderboard(section_of(tmp_path), "fm", set())
    assert ("±" in drawing.svg) == ("standard deviation" in drawing.caption) == (seeds > 1)


def test_names_stand_within_the_axes(tmp_path: Path) -> None:
    """Also where nearly all models are as good, and of very many."""
    names, titles = registry.names(), [model_title(name) for name in registry.names()]
    for i, model in enumerate(names[:12]):
        make_run(tmp_path / "some", model, auc=0.7 if i == 0 else 0.9 + i / 1e6)
    for i, model in enumerate(names):
        make_run(tmp_path / "all", model, auc=0.9 - i / 1e3)
    some, every = (cost(section_of(tmp_path / folder)) for folder in ("some", "all"))
    assert some is not None and every is not None
    placed = re.findall(r'<text [^>]*?y="([\d.]+)"[^>]*>([^<]+)</text>', some.svg)
    heights = [float(height) for height, word in placed if unescape(word) in titles]
    size = re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', some.svg)
    assert size is not None and len(heights) >= 12
    assert 0 < min(heights) and max(heights) < float(size[1])
    assert len(set(texts(every.svg)) & set(titles)) > 0.9 * len(names)


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
    assert drawing is not None and "FM" not in texts(drawing.svg)
    assert "Still improving at their last epoch: LR." in drawing.caption


@pytest.mark.parametrize("first", [0.7, 5.0])
def test_one_high_loss_does_not_flatten_the_curves(first: float, tmp_path: Path) -> None:
    for model, start in {"lr": 0.7, "wide_deep": first}.items():
        losses = [start, 0.6, 0.55, 0.52, 0.5]
        lines = [{"train_loss": x, "valid_logloss": min(x, 0.6) + 0.01} for x in losses]
        path = make_run(tmp_path, model) / "history.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)))
    drawing = learning_curves(section_of(tmp_path))
    assert drawing is not None and "Lower than the frame" not in drawing.caption
    assert ("Higher than the frame: losses of Wide & Deep." in drawing.caption) == (first > 1)
    shown = [float(text) for text in texts(drawing.svg) if text.startswith("0.")]
    assert 0.5 <= min(shown) and max(shown) <= 0.8


def test_a_low_loss_beyond_the_frame_is_told(tmp_path: Path) -> None:
    for model, last in {"lr": 0.49, "wide_deep": 0.01}.items():
        losses = [0.6, 0.58, 0.57, 0.56, 0.55, 0.54, last]
        lines = [{"train_loss": x, "valid_logloss": max(x, 0.5) + 0.01} for x in losses]
        path = make_run(tmp_path, model) / "history.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)))
    drawing = learning_curves(section_of(tmp_path))
    assert drawing is not None
    assert "Lower than the frame: losses of Wide & Deep." in drawing.caption
    shown = [float(text) for text in texts(drawing.svg) if text.startswith("0.")]
    assert min(shown) > 0.1


def test_a_single_model_is_named_once(tmp_path: Path) -> None:
    make_run(tmp_path, "lr", auc=0.7)
    assert leaderboard(section_of(tmp_path), "lr", set()).caption == "Only LR, 0.7000."


@pytest.mark.parametrize("seconds", [0.7, 2.5, 90.0])
def test_an_axis_of_seconds_has_two_labels_at_least(seconds: float, tmp_path: Path) -> None:
    """Also where it has one power of ten."""
    make_run(tmp_path, "lr", auc=0.7, slower=0.2 / 2)
    make_run(tmp_path, "fm", auc=0.9, slower=seconds / 5)
    drawing = cost(section_of(tmp_path))
    assert drawing is not None
    numbers = [float(text) for text in texts(drawing.svg) if re.fullmatch(r"[\d.]+", text)]
    assert len([number for number in numbers if not 0.65 < number < 0.95]) >= 2
