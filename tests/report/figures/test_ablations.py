"""Ablations: what is drawn and what is said of it."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import make_run, section_of, texts

from ctrbench.errors import UserError
from ctrbench.report.figures.ablations import ablations, heat_maps, is_logarithmic, sweeps
from ctrbench.report.figures.drawing import INK, apart, canvas, look, name_dots
from ctrbench.report.group import Section


def swept(folder: Path, key: str, values: list[Any], models: tuple[str, ...] = ("fm",)) -> Section:
    """Runs of two seeds; the best value is the last but one, on all rows."""
    for model in models:
        for i, value in enumerate(values):
            best = 0.8 - abs(i - (len(values) - 2)) / 100
            for seed in (0, 1):
                auc, options = best + seed / 1000, {key: value}
                make_run(folder, model, seed, auc, logloss=1 - auc, options=options)
    return section_of(folder)


def test_a_line_over_numbers(tmp_path: Path) -> None:
    section = swept(tmp_path, "dropout", [0.1, 0.3, 0.5], ("deepfm", "fnn"))
    (drawing,) = ablations(section)
    words = texts(drawing.svg)
    assert {"deepfm: AUC", "fnn: AUC", "logloss", "0.9", "0.7", "0.5"} <= set(words)
    assert "keep probability (1 - dropout)" in words
    assert "deepfm: the test AUC is highest at keep probability 0.7; the validation" in drawing.says
    assert "Filled: the setting chosen" in drawing.says
    assert "varies by 0.0100, where seeds deviate by 0.0007" in drawing.says
    assert "Figure 8 of Guo et al. 2017" in drawing.says and "own level" in drawing.says
    assert drawing.png.startswith(b"\x89PNG") and drawing.name == "ablation-model.dropout"


def test_points_over_choices(tmp_path: Path) -> None:
    (drawing,) = ablations(swept(tmp_path, "activation", ["tanh", "relu", "sigmoid"]))
    assert {"tanh", "relu", "sigmoid", "model.activation"} <= set(texts(drawing.svg))
    assert "highest at activation relu" in drawing.says
    assert "Grey" not in drawing.says  # the paper has no fm here


@pytest.mark.parametrize(
    ("values", "told"),
    [([None, 1.0, 10.0], ["null", "1", "10"]), ([True, False], ["true", "false"])],
)
def test_null_and_truths_are_no_numbers(values: list[Any], told: list[str], tmp_path: Path) -> None:
    (drawing,) = ablations(swept(tmp_path, "bound", [*values[1:], values[0]]))
    words = texts(drawing.svg)
    assert set(told) <= set(words) and "nan" not in words
    assert f"the test AUC is highest at bound {told[-1]}; the validation" in drawing.says


def test_a_map_of_null_too(tmp_path: Path) -> None:
    for bound in (None, 10.0):
        for dropout in (0.0, 0.1):
            auc = 0.7 + dropout + (bound or 0) / 1000
            options = {"bound": bound, "dropout": dropout}
            make_run(tmp_path, "fm", 0, auc, logloss=1 - auc, options=options)
    (drawing,) = heat_maps(section_of(tmp_path))
    assert {"null", "10", "0.7000", "0.8000", "0.7100", "0.8100"} <= set(texts(drawing.svg))


def test_an_option_that_the_paper_does_not_have(tmp_path: Path) -> None:
    (drawing,) = ablations(swept(tmp_path, "embedding_dim", [2, 8, 32], ("deepfm",)))
    assert "Grey" not in drawing.says and {"2", "8", "32"} <= set(texts(drawing.svg))


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    section = swept(tmp_path, "dropout", [0.1, 0.5])
    one, two = (ablations(section)[0] for _ in range(2))
    assert one == two
    assert INK in one.svg and INK not in one.on_paper and "currentColor" in one.on_page


def test_two_options(tmp_path: Path) -> None:
    """Lines keep the other option at the chosen row's; a map shows both."""
    for dim in (4, 8):
        for lr in (0.1, 0.2, 0.4):
            auc = 0.7 + dim / 100 - abs(lr - 0.2) / 10
            options = {"embedding_dim": dim, "init_std": lr}
            make_run(tmp_path, "fm", 0, auc, logloss=1 - auc, options=options)
    make_run(tmp_path, "lr")
    section = section_of(tmp_path)
    found = sweeps(section)
    assert {key: [list(s.rows[key]) for s in own] for key, own in found.items()} == {
        "model.embedding_dim": [[4, 8]],
        "model.init_std": [[0.1, 0.2, 0.4]],
    }
    assert found["model.init_std"][0].rows["model.embedding_dim"].eq(8).all()
    (drawing,) = heat_maps(section)
    assert {"0.7800", "0.7400", "0.7600", "0.7200"} <= set(texts(drawing.svg))
    assert "highest, 0.7800, at model.embedding_dim=8, model.init_std=0.2" in drawing.says


def test_the_axis_can_be_chosen(tmp_path: Path) -> None:
    section = swept(tmp_path, "dropout", [0.1, 0.5])
    assert list(sweeps(section, "model.dropout")) == ["model.dropout"]
    with pytest.raises(UserError, match=r"x=model\.dropuot: .*did you mean model\.dropout\?"):
        ablations(section, "model.dropuot")


def test_nothing_swept(tmp_path: Path) -> None:
    make_run(tmp_path, "lr")
    assert ablations(section_of(tmp_path)) == [] and heat_maps(section_of(tmp_path)) == []
    with pytest.raises(UserError, match="no option was swept"):
        ablations(section_of(tmp_path), "model.dropout")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.001, 0.01, 0.1], True),
        ([100, 200, 400, 800], True),
        ([1, 3, 5, 7], False),
        ([0.5, 0.6, 0.9], False),
        ([0, 1, 100], False),
        ([1, 10], True),
    ],
)
def test_logarithmic_axes(values: list[float], expected: bool) -> None:
    assert is_logarithmic(values) == expected


def test_labels_stand_apart() -> None:
    """By as little as can be, within bounds; less far where so many do not fit."""
    assert apart([1.0, 1.01, 3.0, 0.99], 0.5, (0, 4)) == pytest.approx([1.0, 1.5, 3.0, 0.5])
    assert apart([1.0, 1.01, 3.0, 0.99], 0.5, (0.8, 4)) == pytest.approx([1.3, 1.8, 3.0, 0.8])
    assert apart([3.0, 3.0, 2.9], 0.5, (1, 3)) == pytest.approx([2.5, 3.0, 2.0])
    assert apart([1.0, 2.0, 2.0], 5.0, (1, 2)) == pytest.approx([1.0, 1.5, 2.0])


def test_names_avoid_dots_and_each_other() -> None:
    """Of four dots in a row, closer than names are wide, and of one far from them."""
    figure, ((panel,),) = canvas(1, 1, (4, 3))
    x, y, names = [1.0, 1.2, 1.4, 1.6, 5.0], [1.0, 1.0, 1.0, 1.0, 3.0], ["deepfm", *"abc", "far"]
    panel.plot(x, y, "o")
    name_dots(panel, names, x, y)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in panel.texts]
    assert [text.get_text() for text in panel.texts] == names
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    dots = panel.transData.transform(np.column_stack([x, y]))
    assert not any(box.contains(*dot) for box in boxes for dot in dots)
    for box, dot in zip(boxes, dots, strict=True):  # each beside its own
        assert box.padded(12).contains(*dot)


def test_models_look_different() -> None:
    from ctrbench.models.registry import names

    assert len({tuple(look(name).values()) for name in names()}) == len(names())
