"""Verdicts on the paper's claims, by made-up runs that leave no doubt, or leave it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import make_run, section_of
from scipy import stats

from ctrbench.models.registry import names
from ctrbench.report.judged.claims import (
    NO_VERDICT,
    NOT_REPRODUCED,
    REPRODUCED,
    SO_FAR,
    UNDECIDED,
    Evidence,
    Verdict,
    judge,
    verdicts,
)
from ctrbench.report.judged.statistics import Difference
from ctrbench.report.judged.verdicts import verdict_numbers, verdict_rows, verdict_summary
from ctrbench.report.published.printed import claims

NOISE = (0.0, 0.001, -0.001, 0.0005)


def model(folder: Path, name: str, auc: float, spread: float = 1.0, **options: Any) -> None:
    """Runs of four seeds, whose logloss follows their AUC; all score the rows alike."""
    more = {"options": options, "scored": True}
    for seed, (noise, own) in enumerate(zip(NOISE, noise_of(name), strict=True)):
        figure = auc + noise + spread * own
        slower = 1 + own / 100
        make_run(folder, name, seed, figure, logloss=1 - figure, slower=slower, **more)


def noise_of(name: str) -> list[float]:
    """Of a model's four seeds."""
    values: list[float] = (np.random.default_rng(list(name.encode())).random(4) / 2000).tolist()
    return values


def by_words(folder: Path) -> dict[str, Verdict]:
    return {one.claim["says"]: one for one in verdicts(section_of(folder))}


def of(folder: Path, word: str) -> Verdict:
    (found,) = (one for says, one in by_words(folder).items() if word in says)
    return found


def test_claims_are_well_formed() -> None:
    for claim in claims("deepfm"):
        assert claim["says"] and claim["where"]
        kinds = [key for key in ("better", "faster", "key") if key in claim]
        assert len(kinds) == 1
        models = claim.get(kinds[0], []) if kinds != ["key"] else claim.get("models", [])
        assert {*models, *claim.get("than", [])} <= set(names())
        assert ("slack" in claim) == (kinds == ["faster"])
        assert ({"best", "over"} <= set(claim)) == (kinds == ["key"])


def test_interactions_help(tmp_path: Path) -> None:
    model(tmp_path, "lr", 0.70)
    model(tmp_path, "fm", 0.75)
    model(tmp_path, "deepfm", 0.76)
    found = of(tmp_path, "improves on LR")
    assert found.verdict == SO_FAR and len(found.evidence) == 4 and found.possible == 16
    assert found.decisive.seeds == 4 and found.decisive.difference.p < 0.05
    assert of(tmp_path, "Low- and high-order").verdict == SO_FAR
    for name in ("fnn", "ipnn", "opnn", "pnn"):
        model(tmp_path, name, 0.74)
    assert of(tmp_path, "Low- and high-order").verdict == REPRODUCED


def test_one_the_other_way_is_enough(tmp_path: Path) -> None:
    model(tmp_path, "lr", 0.74)
    model(tmp_path, "fm", 0.70)
    model(tmp_path, "deepfm", 0.76)
    found = of(tmp_path, "improves on LR")
    assert found.verdict == NOT_REPRODUCED
    assert (found.decisive.model, found.decisive.other) == ("fm", "lr")
    row = next(row for row in verdict_rows([found]))
    assert row["verdict"] == "not reproduced" and "FM to LR: " in row["decided by"]
    assert row["the paper's"] == "Criteo +0.00900, Company* +0.00380"
    assert row["compared"].startswith("2 as claimed, 2 the other way; 12 without runs")
    assert "trials of tuning unknown" in row["compared"]


def test_what_cannot_be_told(tmp_path: Path) -> None:
    model(tmp_path, "lr", 0.70)
    for seed, gain in enumerate((0.02, -0.02, 0.01, 0.0)):
        make_run(tmp_path, "fm", seed, 0.7 + gain, logloss=0.3 - gain, scored=True)
    assert of(tmp_path, "improves on LR").verdict == UNDECIDED
    assert (
        "2 not significantly different"
        in verdict_rows([of(tmp_path, "improves on LR")])[0]["compared"]
    )
    assert "undecided" in verdict_summary(verdicts(section_of(tmp_path)))


def test_the_other_way_is_counted_as_it_is_judged() -> None:
    """After Holm's correction: of four at p = .03 none, of these four the first."""
    for p, against in (((0.03,) * 4, 0), ((0.01, 0.03, 0.03, 0.03), 1)):
        evidence = [
            Evidence("fm", "lr", (), "auc", 5, Difference(-0.01, -0.02, -0.001, one)) for one in p
        ]
        found = Verdict({"says": "", "where": ""}, judge(evidence, 4), evidence, 4, "")
        assert found.verdict == (NOT_REPRODUCED if against else UNDECIDED)
        apart = "1 the other way, 3" if against else "4"
        assert verdict_rows([found])[0]["compared"] == f"{apart} not significantly different"


def test_common_seeds_alone(tmp_path: Path) -> None:
    """A model that lacks seeds is compared over the others, against an independent test."""
    model(tmp_path, "lr", 0.70)
    for seed, auc in enumerate((0.74, 0.75, 0.743)):
        make_run(tmp_path, "fm", seed, auc, logloss=1 - auc, scored=True)
    found = of(tmp_path, "improves on LR")
    auc = next(one for one in found.evidence if one.figure == "auc")
    lr = [0.70 + a + b for a, b in zip(NOISE, noise_of("lr"), strict=True)][:3]
    assert auc.seeds == 3
    assert auc.difference.p == pytest.approx(stats.ttest_rel((0.74, 0.75, 0.743), lr).pvalue)


@pytest.mark.parametrize(
    ("relu", "tanh", "expected"), [(0.76, 0.74, SO_FAR), (0.74, 0.76, NOT_REPRODUCED)]
)
def test_a_sweep_of_one_option(relu: float, tanh: float, expected: str, tmp_path: Path) -> None:
    model(tmp_path, "deepfm", relu, activation="relu")
    model(tmp_path, "deepfm", tanh, 3, activation="tanh")
    found = of(tmp_path, "relu is better")
    assert found.verdict == expected and found.decisive.values == ("relu", "tanh")
    assert not [says for says in by_words(tmp_path) if "IPNN" in says and "tanh is" in says]
    row = verdict_rows([found])[0]
    assert "DeepFM relu to tanh: " in row["decided by"] and "Company* " in row["the paper's"]
    assert "tuning" not in row["compared"]


def test_sides_are_chosen_by_validation(tmp_path: Path) -> None:
    """Of several settings of one side the best one on the validation rows stands for it; values are
    shown as the paper does, of keeping."""
    for dropout, auc in ((0.0, 0.70), (0.1, 0.74), (0.3, 0.75), (0.5, 0.72)):
        model(tmp_path, "fnn", auc, spread=10 * dropout, dropout=dropout)
    found = of(tmp_path, "Keeping units")
    assert found.decisive.values == ("0.3", "0.5") and found.verdict == SO_FAR
    assert "FNN keep 0.7 to keep 0.5: " in verdict_rows([found])[0]["decided by"]


def test_one_seed_gives_no_verdict(tmp_path: Path) -> None:
    """Whatever the test rows say: the noise of training is not known."""
    for name, auc in {"lr": 0.7, "fm": 0.76, "deepfm": 0.77}.items():
        make_run(tmp_path, name, 0, auc, logloss=1 - auc, scored=True)
    found = verdicts(section_of(tmp_path))
    assert len(found) > 1 and {one.verdict for one in found} == {NO_VERDICT}
    row = verdict_rows(found)[0]
    assert "at one seed; training noise not included" in row["decided by"]
    assert row["compared"].startswith("4 untested")


def test_runs_without_scores_give_no_verdict(tmp_path: Path) -> None:
    """The noise of the test rows is not known."""
    for seed, noise in enumerate(NOISE):
        for name, auc in {"lr": 0.7, "fm": 0.76}.items():
            make_run(tmp_path, name, seed, auc + noise + seed * len(name) / 1e4)
    assert of(tmp_path, "improves on LR").verdict == NO_VERDICT


@pytest.mark.parametrize(
    ("word", "key", "values", "possible"),
    [
        ("Keeping units", "dropout", (0.1, 0.5), 14),
        ("constant shape", "shape", ("constant", "increasing"), 12),
        ("or five hidden layers are", "layers", (3, 1), 14),
    ],
)
def test_a_swept_option_counts_the_models_of_its_figure(
    word: str, key: str, values: tuple[Any, Any], possible: int, tmp_path: Path
) -> None:
    """dnn and dcnv2 are no models of the paper, and Figure 11 has no IPNN."""
    names = ("deepfm", "dnn", "dcnv2", *(("ipnn",) if key == "shape" else ()))
    for name in names:
        for value, auc in zip(values, (0.76, 0.75), strict=True):
            model(tmp_path, name, auc, spread=auc, **{key: value})
    found = of(tmp_path, word)
    assert {one.model for one in found.evidence} == {"deepfm"} and found.possible == possible


def test_times(tmp_path: Path) -> None:
    """fnn takes 8 s and 5 of its first stage, others a second; equal times are no evidence."""
    for name in ("fnn", "deepfm", "opnn"):
        model(tmp_path, name, 0.7)
    found = of(tmp_path, "Pre-training makes FNN slower")
    assert found.verdict == REPRODUCED
    assert np.exp(found.decisive.difference.mean) == pytest.approx(1 / 13, rel=1e-4)
    assert "0.08 times the seconds" in verdict_rows([found])[0]["decided by"]
    assert of(tmp_path, "nearly the fastest").verdict == SO_FAR  # as fast is within a tenth
    assert verdict_rows([found])[0]["the paper's"] == "0.62 times on cpu, 0.59 times on gpu"


def test_steps_measured_in_turn_decide_of_time(tmp_path: Path) -> None:
    """Of the runs DeepFM takes an eighth of FNN's seconds; of the steps twice as many."""
    for name in ("fnn", "deepfm"):
        model(tmp_path, name, 0.7)
    fnn: dict[str, Any] = {"model": "fnn", "rounds": [1.0, 1.1, 1.2]}
    section = section_of(tmp_path)
    keys = ("device", "precision", "threads")
    steps: dict[str, Any] = {
        "models": [fnn, {"model": "deepfm", "rounds": [2.0, 2.2, 2.41]}],
        "environment": {key: section.environment[f"environment.{key}"] for key in keys},
        "batch_size": 4096,
        "features": 1_000_000,
    }
    claimed = {one.claim["says"]: one for one in verdicts(section, steps)}
    found = claimed["Pre-training makes FNN slower than DeepFM"]
    expected = stats.ttest_rel(np.log([2.0, 2.2, 2.41]), np.log([1.0, 1.1, 1.2]))
    assert found.verdict == NOT_REPRODUCED
    assert found.decisive.difference.p == pytest.approx(expected.pvalue)
    assert "2.00 times the step [" in verdict_rows([found])[0]["decided by"]
    assert ", 3 rounds (" in verdict_rows([found])[0]["decided by"] and found.tuning == ""
    assert verdict_rows([found])[0]["decided by"].endswith("batch 4,096, 1,000,000 features)")
    elsewhere = steps | {"environment": steps["environment"] | {"device": "another"}}
    claimed = {one.claim["says"]: one for one in verdicts(section, elsewhere)}
    assert claimed["Pre-training makes FNN slower than DeepFM"].decisive.figure == "seconds"
    steps["models"].append({"model": "fm", "rounds": [9.0, 9.0, 9.0]})
    fnn["starts_from"] = "fm"
    claimed = {one.claim["says"]: one for one in verdicts(section_of(tmp_path), steps)}
    assert claimed["Pre-training makes FNN slower than DeepFM"].verdict == REPRODUCED


@pytest.mark.parametrize(
    ("trials", "said"),
    [((30, 30), "30 trials of tuning each"), ((30, 8), "unequal: LR 30, FM 8"), ((30, None), "FM")],
)
def test_equal_tuning(trials: tuple[int, int | None], said: str, tmp_path: Path) -> None:
    for name, count in zip(("lr", "fm"), trials, strict=True):
        for seed in (0, 1):
            tuned = {} if count is None else {"tuned": {"trials": count}}
            make_run(tmp_path, name, seed, 0.7 + seed / 100, **tuned)
    assert said in of(tmp_path, "improves on LR").tuning


def test_every_comparison_is_kept_as_numbers(tmp_path: Path) -> None:
    model(tmp_path, "lr", 0.70)
    model(tmp_path, "fm", 0.75)
    table = verdict_numbers(verdicts(section_of(tmp_path)), "rows")
    assert set(table["figure"]) == {"auc", "logloss"} and set(table["data"]) == {"rows"}
    assert (table["difference"] * table["claimed_sign"] > 0).all()


def test_no_runs_for_any_claim(tmp_path: Path) -> None:
    model(tmp_path, "ccpm", 0.7)
    assert verdicts(section_of(tmp_path)) == []
