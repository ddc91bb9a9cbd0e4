"""Ablations: what is drawn and what is said of it."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import make_run, section_of, texts
from matplotlib.text import Text

from ctrbench.errors import UserError
from ctrbench.report.figures.ablations import ablations, is_logarithmic, with_gaps
from ctrbench.report.figures.drawing import INK, canvas, label_points, line_style, spread_labels
from ctrbench.report.figures.heat_maps import heat_maps
from ctrbench.report.figures.sweeps import sweeps
from ctrbench.report.group import Section
from ctrbench.report.report import report_on


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
    assert {"DeepFM: AUC", "FNN: AUC", "FNN: logloss", "0.9", "0.7", "0.5"} <= set(words)
    assert "keep probability (1 - dropout)" in words
    assert (
        "DeepFM: the test AUC is highest at keep probability 0.7; the validation" in drawing.caption
    )
    assert "Filled: the setting chosen" in drawing.caption
    assert "one standard deviation over seeds" in drawing.caption
    assert "varies by 0.0100, where seeds deviate by 0.0007" in drawing.caption
    assert "Figure 8 of Guo et al. 2017" in drawing.caption and "own level" in drawing.caption
    assert drawing.png.startswith(b"\x89PNG") and drawing.name == "ablation-model.dropout"


def test_points_over_choices(tmp_path: Path) -> None:
    (drawing,) = ablations(swept(tmp_path, "activation", ["tanh", "relu", "sigmoid"]))
    assert {"tanh", "relu", "sigmoid", "activation"} <= set(texts(drawing.svg))
    assert "highest at activation relu" in drawing.caption
    assert "Grey" not in drawing.caption  # the paper has no fm here


@pytest.mark.parametrize(
    ("values", "told"),
    [([None, 1.0, 10.0], ["null", "1", "10"]), ([True, False], ["true", "false"])],
)
def test_null_and_truths_are_no_numbers(values: list[Any], told: list[str], tmp_path: Path) -> None:
    (drawing,) = ablations(swept(tmp_path, "bound", [*values[1:], values[0]]))
    words = texts(drawing.svg)
    assert set(told) <= set(words) and "nan" not in words
    assert f"the test AUC is highest at bound {told[-1]}; the validation" in drawing.caption


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
    assert "Grey" not in drawing.caption and {"2", "8", "32"} <= set(texts(drawing.svg))


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    section = swept(tmp_path, "dropout", [0.1, 0.5])
    one, two = (ablations(section)[0] for _ in range(2))
    assert one == two
    assert INK in one.svg and INK not in one.on_paper and "currentColor" in one.on_page(one.svg)


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
    assert "highest, 0.7800, at model.embedding_dim=8, model.init_std=0.2" in drawing.caption


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


def ablate(folder: Path, *swept: str, auc: float = 0.7, seed: int = 0, **parts: Any) -> None:
    """A run of fm by its overrides; ``optimizer`` and the like are what they compose to."""
    config = {"optimizer": {"name": "adam", "lr": 0.1, "eps": 1e-8}} | parts
    options = config.pop("options", {})
    more = {"decides": config, "overrides": list(swept)}
    make_run(folder, "fm", seed, auc, logloss=1 - auc, options=options, **more)


def test_sweeps_around_different_centres(tmp_path: Path) -> None:
    """The longest lines are taken, wherever the chosen setting is."""
    for dim in (4, 8, 16):
        ablate(tmp_path, auc=0.6, options={"embedding_dim": dim, "dropout": 0.1})
    for dropout in (0.3, 0.5, 0.9):
        ablate(tmp_path, auc=0.7, options={"embedding_dim": 10, "dropout": dropout})
    ablate(tmp_path, auc=0.8, options={"embedding_dim": 64, "dropout": 0.0})
    section = section_of(tmp_path)
    found = sweeps(section)
    lines = {key: [list(line[key]) for line in own[0].lines] for key, own in found.items()}
    assert lines == {"model.embedding_dim": [[4, 8, 16]], "model.dropout": [[0.3, 0.5, 0.9]]}
    (drawing,) = ablations(section, "model.dropout")
    assert "not on this line" in drawing.caption and "at model.embedding_dim=10" in drawing.caption


ADAGRAD = {"name": "adagrad", "lr": 0.5, "eps": 1e-3}


def test_an_option_that_pulls_others(tmp_path: Path) -> None:
    """Of a default that is not said in one command and is in the other, too."""
    ablate(tmp_path, "model=fm", auc=0.7)
    ablate(tmp_path, "optimizer=adagrad", "model=fm", auc=0.8, optimizer=ADAGRAD)
    section = section_of(tmp_path)
    assert list(sweeps(section)) == ["optimizer"]
    (sweep,) = sweeps(section, "optimizer")["optimizer"]
    assert sorted(sweep.values) == ["adagrad", "adam"]
    assert sweep.pulled == ["optimizer.eps", "optimizer.lr"]
    (drawing,) = ablations(section)
    assert {"adam", "adagrad", "optimizer"} <= set(texts(drawing.svg))
    assert drawing.title.startswith("Optimizer:") and "optimizer.eps" in drawing.caption
    with pytest.raises(UserError, match=r"x=optimizer\.lr: .*give x=optimizer"):
        sweeps(section, "optimizer.lr")


def test_options_swept_together(tmp_path: Path) -> None:
    """One takes the other's value: the line is of the one that the command lists."""
    for value in (0.1, 0.2, 0.4):
        words = (f"model.dropout={value}", "optimizer.lr=${model.dropout}")
        ablate(tmp_path, *words, options={"dropout": value}, optimizer=ADAGRAD | {"lr": value})
    assert list(sweeps(section_of(tmp_path))) == ["model.dropout"]
    ((sweep,),) = sweeps(section_of(tmp_path)).values()
    assert sweep.pulled == ["optimizer.lr"] and len(sweep.rows) == 3


def test_without_overrides_values_are_compared(tmp_path: Path) -> None:
    """Runs of earlier versions keep none; beside runs that do, they count."""
    for value in (0.1, 0.2):
        make_run(tmp_path, "fm", options={"dropout": value})
    make_run(tmp_path, "fm", options={"dropout": 0.3}, overrides=["model.dropout=0.3"])
    ((sweep,),) = sweeps(section_of(tmp_path)).values()
    assert list(sweep.rows["model.dropout"]) == [0.1, 0.2, 0.3]


def test_encodings_are_compared_on_the_same_test_rows(tmp_path: Path) -> None:
    for count in (1, 4, 20):
        encoding = {"min_count": count, "path": f"{count}.csv"}
        make_run(tmp_path, "fm", auc=0.7 + count / 100, encoding=encoding, labels="same")
    section = section_of(tmp_path)
    assert section.title == "planted" and len(section.groups) == 3
    (drawing,) = ablations(section, "data.min_count")
    assert {"1", "4", "20"} <= set(texts(drawing.svg))
    assert section.groups["settings"].iloc[0] == "data.min_count=1"


def test_other_test_rows_are_said(tmp_path: Path) -> None:
    for rows in (10, 20):
        encoding = {"rows": rows}
        make_run(tmp_path, "fm", encoding=encoding, labels=str(rows))
        make_run(tmp_path, "fm", encoding=encoding, labels=str(rows), options={"k": 3})
    text = report_on([tmp_path])
    assert "planted: 2 sections, for their test rows differ by data.rows" in text
    with pytest.raises(UserError, match=r"x=data\.rows: .*other test rows"):
        report_on([tmp_path], x="data.rows")


def test_lines_of_a_grid_and_a_gap(tmp_path: Path) -> None:
    """One line for each value of the other option, named; none is drawn across a missing point."""
    for dim in (4, 8, 16):
        for dropout in (0.1, 0.3, 0.5, 0.7):
            if (dim, dropout) != (8, 0.3):
                auc = 0.7 + dim / 1000
                make_run(tmp_path, "fm", 0, auc, options={"embedding_dim": dim, "dropout": dropout})
    section = section_of(tmp_path)
    ((sweep,),) = sweeps(section, "model.dropout").values()
    assert sorted(sweep.fixed) == ["model.embedding_dim=16", "model.embedding_dim=4"]
    (drawing,) = ablations(section, "model.dropout")
    assert {"model.embedding_dim=16", "model.embedding_dim=4"} <= set(texts(drawing.svg))
    (heat,) = heat_maps(section)
    assert "without a run: 1" in heat.caption
    mean = np.array([1.0, 2.0, 4.0])
    x, y, _ = with_gaps([0.1, 0.2, 0.4], mean, mean, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert list(x) == [0.1, 0.2, 0.3, 0.4] and np.isnan(y).tolist() == [False, False, True, False]
    x, _, _ = with_gaps([0.1, 0.4], mean[:2], mean[:2], [0.1, 0.15, 0.2, 0.3, 0.4])
    assert list(x) == [0.1, 0.4]  # another model's values


def test_three_options_are_small_multiples(tmp_path: Path) -> None:
    for dim in (4, 8):
        for lr in (0.1, 0.2, 0.3):
            for std in (1, 2, 3):
                options = {"embedding_dim": dim, "lr": lr, "init_std": std}
                make_run(tmp_path, "fm", 0, 0.7, options=options)
    (drawing,) = heat_maps(section_of(tmp_path))
    words = set(texts(drawing.svg))
    assert {f"FM: test AUC, embedding dim {dim}" for dim in (4, 8)} <= words


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("hidden", [[16], [100], [16, 16], [9, 9, 9]]),
        ("activation", ["relu", "dice", "tanh"]),
    ],
)
def test_lists_by_length_and_words_as_swept(key: str, values: list[Any], tmp_path: Path) -> None:
    for job, value in reversed(list(enumerate(values))):
        config = {"overrides": [f"model.{key}={value}"], "job": job}
        make_run(tmp_path, "fm", options={key: value}, **config)
    ((sweep,),) = sweeps(section_of(tmp_path)).values()
    assert sweep.values == list(map(str, values))


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
    assert spread_labels([1.0, 1.01, 3.0, 0.99], 0.5, (0, 4)) == pytest.approx([1.0, 1.5, 3.0, 0.5])
    assert spread_labels([1.0, 1.01, 3.0, 0.99], 0.5, (0.8, 4)) == pytest.approx(
        [1.3, 1.8, 3.0, 0.8]
    )
    assert spread_labels([3.0, 3.0, 2.9], 0.5, (1, 3)) == pytest.approx([2.5, 3.0, 2.0])
    assert spread_labels([1.0, 2.0, 2.0], 5.0, (1, 2)) == pytest.approx([1.0, 1.5, 2.0])


def test_names_avoid_dots_and_each_other() -> None:
    """Of four dots in a row, closer than names are wide, and of one far from them."""
    figure, ((panel,),) = canvas(1, 1, (4, 3))
    x, y, names = [1.0, 1.2, 1.4, 1.6, 5.0], [1.0, 1.0, 1.0, 1.0, 3.0], ["deepfm", *"abc", "far"]
    panel.plot(x, y, "o")
    label_points(panel, names, x, y)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in panel.texts]  # without the line to the dot
    assert [text.get_text() for text in panel.texts] == names
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    dots = panel.transData.transform(np.column_stack([x, y]))
    assert not any(box.contains(*dot) for box in boxes for dot in dots)
    for text, box, dot in zip(panel.texts, boxes, dots, strict=True):  # beside its own, or joined
        assert box.padded(12).contains(*dot) or text.arrow_patch is not None


def test_models_look_different() -> None:
    from ctrbench.models.registry import names

    assert len({tuple(line_style(name).values()) for name in names()}) == len(names())
