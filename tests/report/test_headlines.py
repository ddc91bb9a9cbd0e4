"""What answers an experiment's question: sentence and figure, by the data in its YAML file."""

import json
from pathlib import Path

import pytest
import yaml
from made import make_run, section_of, texts

from ctrbench.errors import UserError
from ctrbench.report.headlines import HEADLINES, make_headline
from ctrbench.report.report import report_on, write_report
from ctrbench.report.section_report import ReportOptions, SectionReport
from ctrbench.runs.frame import find_runs


def report_of(folder: Path, headline: dict[str, str], *, claims: bool = False) -> SectionReport:
    options = ReportOptions(headline=make_headline(headline), claims=claims)
    return SectionReport(section_of(folder), options)


def sweep(folder: Path, model: str, gain: float) -> None:
    """Three seeds that deviate by .001, at two values of dropout that differ by a gain."""
    for seed in (0, 1, 2):
        for dropout in (0.1, 0.5):
            auc = 0.75 + seed / 1000 + gain * (dropout == 0.5) + seed * dropout / 1e4
            options = {"dropout": dropout}
            make_run(folder, model, seed, auc, logloss=1 - auc, options=options, scored=True)


DROPOUT = {"figure": "ablation", "option": "model.dropout"}


def test_an_option_that_moves_nothing(tmp_path: Path) -> None:
    for model in ("deepfm", "fnn"):
        sweep(tmp_path, model, 0.00001)
    report = report_of(tmp_path, DROPOUT)
    assert report.headline.startswith("Dropout moves AUC by .0000, ")
    assert "seeds by .0010" in report.headline and "no choice can be told" in report.headline
    assert [figure.name for figure in report.answer.figures] == ["ablation-model.dropout"]
    assert "ablation-model.dropout" not in [figure.name for figure in report.gallery]


def test_an_option_that_moves_one_model(tmp_path: Path) -> None:
    sweep(tmp_path, "deepfm", 0.05)
    sweep(tmp_path, "fnn", 0.00001)
    sentence = report_of(tmp_path, DROPOUT).headline
    assert "worse than the best one for DeepFM, for the other model no choice" in sentence


def test_two_settings_of_each_model(tmp_path: Path) -> None:
    options = {"figure": "pairs", "option": "model.pretrain"}
    for model, gain in {"lr": -0.01, "fm": 0.01, "deepfm": 0.03}.items():
        for pretrain in (False, True):
            own = {"options": {"pretrain": pretrain}, "auc": 0.7 + gain * pretrain}
            make_run(tmp_path / "own", model, **own)
    report = report_of(tmp_path / "own", options)
    assert "improves the AUC of 2 of 3 models" in report.headline
    assert "most DeepFM, by 0.0300" in report.headline
    (figure,) = report.answer.figures
    names = [text for text in texts(figure.svg) if text in ("LR", "FM", "DeepFM")]
    assert names == ["DeepFM", "FM", "LR"]


def test_nothing_told_apart_comes_first(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        for model in ("lr", "fm"):
            auc = 0.7 + seed / 100 + (model == "fm") * (seed - 1) / 1000
            make_run(tmp_path, model, seed, auc, scored=True)
    assert report_of(tmp_path, {}).headline.startswith("No model can be told from the best at 3")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"figure": "ablatoin"}, "ablation"),
        ({"figure": "ablation", "optoin": "x"}, "option"),
        ({"figure": "ablation"}, "option"),
    ],
)
def test_a_headline_that_is_not_known(settings: dict[str, str], named: str) -> None:
    with pytest.raises(UserError, match=named) as error:
        make_headline(settings)
    assert "\n" not in str(error.value)


def test_every_experiment_has_a_question_and_a_headline() -> None:
    for path in Path("experiments").glob("*.yaml"):
        experiment = yaml.safe_load(path.read_text())["experiment"]
        assert experiment["question"].endswith("?"), path
        if "measure" not in experiment:
            headline = make_headline(experiment["headline"])
            assert type(headline) in HEADLINES.values()


def test_claims_of_other_data_are_asked_for(tmp_path: Path) -> None:
    for seed in (0, 1):
        for model in ("lr", "fm"):
            make_run(tmp_path, model, seed, 0.7 + seed / 100, scored=True)
    assert not report_of(tmp_path, {}).verdicts.rows
    assert report_of(tmp_path, {}, claims=True).verdicts.rows
    assert "claims" not in report_on([tmp_path]).splitlines()[0]
    assert not (tmp_path / "report" / "claims.csv").exists()


@pytest.mark.parametrize(("seeds", "budget"), [(1, "none"), (2, "small")])
def test_verdicts_that_are_not_given(seeds: int, budget: str, tmp_path: Path) -> None:
    for seed in range(seeds):
        for model in ("lr", "fm"):
            auc = 0.7 + seed / 100
            make_run(tmp_path, model, seed, auc, scored=True, budget={"name": budget})
    report = report_of(tmp_path, {}, claims=True)
    assert not report.verdicts.rows
    assert ("one seed" if seeds == 1 else "budget=small") in report.no_verdicts


def test_effects_of_each_order(tmp_path: Path) -> None:
    for effects in ("[1, 0]", "[0.5, 0.5]"):
        for model, excess in {"lr": 0.02, "fm": 0.01}.items():
            path = make_run(tmp_path / "runs", model, effects=effects) / "result.json"
            result = json.loads(path.read_text())
            result["metrics"]["test"]["excess_logloss"] = excess
            path.write_text(json.dumps(result))
    options = ReportOptions(question="Which?", headline=make_headline({"figure": "effects"}))
    write_report(find_runs([tmp_path / "runs"]), tmp_path / "report", "T", options)
    first, *_ = (tmp_path / "report" / "table.md").read_text().split("![")
    assert "Which?\n\nOrder 1: FM leaves least, 0.0100; orders 1, 2: FM" in first
