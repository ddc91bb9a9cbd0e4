"""The scores of other systems as runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit, logit
from sklearn.metrics import log_loss, roc_auc_score
from support import Done
from support import ctrbench as command

import ctrbench
from ctrbench.data.dataset import Dataset
from ctrbench.errors import UserError
from ctrbench.files import seal
from ctrbench.report.report import report_on
from ctrbench.sweep.jobs import plan_dataset

Array = np.ndarray[Any, Any]
ROWS = ["data=planted", "data.rows=4000", "data.vocabulary=50", "data.min_count=1"]
SMALL = [*ROWS, "trainer.epochs=1", "threads=1", "trainer.batch_size=512", "device=cpu"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs of lr on the rows."""
    folder = tmp_path_factory.mktemp("external") / "results"
    for seed in (0, 1):
        ctrbench.train("model=lr", *SMALL, f"seed={seed}", f"results={folder}")
    return folder


class Rows:
    """Labels, row numbers and some probabilities of the validation and test rows."""

    def __init__(self, results: Path, seed: int = 0) -> None:
        self.overrides = [*ROWS, f"results={results}"]
        self.dataset: Dataset = plan_dataset(self.overrides)
        store, draw = self.dataset.prepare(), np.random.default_rng(seed)
        self.labels = {n: np.asarray(store.part(n).labels_N) for n in ("valid", "test")}
        self.rows = {n: self.dataset.row_numbers(store, n) for n in self.labels}
        self.p = {n: expit(draw.normal(size=len(y)) + y - 1.2) for n, y in self.labels.items()}

    def frame(self, part: str, **columns: Any) -> pl.DataFrame:
        """Row, label and probability in a random order."""
        named = {"row": self.rows[part], "label": self.labels[part], "probability": self.p[part]}
        return pl.DataFrame(named | columns).sample(fraction=1, shuffle=True, seed=3)

    def write(self, folder: Path, **columns: Any) -> list[str]:
        """Write two files; return the words that name them."""
        folder.mkdir(exist_ok=True)
        for part in ("valid", "test"):
            own = columns if part == "test" else {}
            self.frame(part, **own).write_csv(folder / f"{part}.csv")
        return [f"valid={folder}/valid.csv", f"test={folder}/test.csv"]


@pytest.fixture
def rows(results: Path) -> Rows:
    return Rows(results)


def test_the_metrics_are_those_of_scikit_learn(rows: Rows) -> None:
    run = ctrbench.import_scores("sk", *rows.overrides, valid=rows.p["valid"], test=rows.p["test"])
    assert run.result is not None
    for part in ("valid", "test"):
        figures = run.result["metrics"][part]
        assert figures["auc"] == pytest.approx(roc_auc_score(rows.labels[part], rows.p[part]))
        assert figures["logloss"] == pytest.approx(log_loss(rows.labels[part], rows.p[part]))
    np.testing.assert_allclose(run.logits, logit(rows.p["test"]), rtol=1e-6)
    np.testing.assert_array_equal(run.labels, rows.labels["test"])


def _forms(rows: Rows, folder: Path) -> dict[str, tuple[Any, Any, dict[str, Any]]]:
    """The same scores of each split, and how they are said, in every form."""
    p, frames = rows.p, {part: rows.frame(part) for part in rows.p}
    both = ("valid", "test")
    (folder / "parts").mkdir()
    for part in both:
        np.save(folder / f"{part}.npy", p[part])
        np.savetxt(folder / f"{part}.txt", p[part], fmt="%.17g")
        frames[part].write_parquet(folder / f"{part}.parquet")
        frames[part].rename({"probability": "score"}).write_csv(
            folder / f"{part}.tsv", separator="\t"
        )
    paths = {s: [folder / f"{part}.{s}" for part in both] for s in ("npy", "txt", "parquet", "tsv")}
    return {
        "array": (*(p[part] for part in both), {}),
        "list": (*(p[part].tolist() for part in both), {}),
        "column": (*(p[part][:, None] for part in both), {}),
        "logits": (*(logit(p[part]) for part in both), {"logits": True}),
        "series": (*(pd.Series(p[part]) for part in both), {}),
        "polars series": (*(pl.Series(p[part]) for part in both), {}),
        "pandas": (*(pd.DataFrame(frames[part].to_dict()) for part in both), {}),
        "polars": (*(frames[part] for part in both), {}),
        "named logits": (
            *(pl.DataFrame({"row": rows.rows[n], "logit": logit(p[n])}) for n in both),
            {},
        ),
        "another column": (
            *(frames[n].with_columns(x=0.5).rename({"probability": "p"}) for n in both),
            {"column": "p"},
        ),
        **{suffix: (*own, {}) for suffix, own in paths.items()},
    }


FORMS = [
    *("array", "list", "column", "logits", "series", "polars series", "pandas", "polars"),
    *("named logits", "another column", "npy", "txt", "parquet", "tsv"),
]


def test_every_form_gives_the_same_run(rows: Rows, tmp_path: Path) -> None:
    forms = _forms(rows, tmp_path)
    assert list(forms) == FORMS
    expected = logit(rows.p["test"]).astype(np.float32)
    for name, (valid, test, how) in forms.items():
        own = {"valid": valid, "test": test, "note": name} | how
        run = ctrbench.import_scores("forms", *rows.overrides, **own)
        np.testing.assert_allclose(run.logits, expected, rtol=1e-6, err_msg=name)


def test_the_command_and_the_report(rows: Rows, results: Path, tmp_path: Path) -> None:
    """Leaderboard, tests of difference, calibration, slices and figures have the scores."""
    for seed, own in enumerate((rows, Rows(results, 1))):
        more = ["train_s=12.5"] if seed == 0 else []
        words = [*own.write(tmp_path), f"seed={seed}", "note=trees: 400", *more]
        done = command("import", "gbdt", *rows.overrides, *words)
        assert done.returncode == 0, done.stderr
        path = Path(done.stdout.strip())
        assert path.is_relative_to(results / "runs/planted/gbdt")
    table = ctrbench.load_runs(results / "runs/planted/gbdt", results / "runs/planted/lr")
    assert sorted(table["external"]) == [False, False, True, True]
    assert set(table["status"]) == {"finished"}
    text = report_on([results / "runs/planted" / n for n in ("gbdt", "lr")], str(tmp_path), "r")
    name = "gbdt (external)"
    assert "trees: 400" in text and f"| {name} " in text
    numbers = pd.read_csv(tmp_path / "report/r/table.csv").set_index("model")
    assert numbers.loc[name, "runs"] == 2 and numbers.loc[name, "seconds_to_best"] == 12.5
    assert np.isnan(numbers.loc[name, "seconds_per_epoch"])
    assert numbers.loc["lr", "seconds_per_epoch"] > 0  # those of the machine, though half is not
    assert set(pd.read_csv(tmp_path / "report/r/calibration.csv")["model"]) == {name, "lr"}
    assert name in set(pd.read_csv(tmp_path / "report/r/slices.csv")["model"])
    assert "untested" not in text and "at 2 seeds" in text
    page = (tmp_path / "report/r/index.html").read_text()
    assert name in page and "its scores were imported" in page


def test_a_report_on_imported_scores_alone(rows: Rows, tmp_path: Path) -> None:
    overrides = [*ROWS, f"results={tmp_path}"]
    ctrbench.import_scores("one", *overrides, valid=rows.p["valid"], test=rows.p["test"])
    text = report_on([tmp_path], str(tmp_path), "r")
    assert "one (external)" in text and "nan" not in text


def test_zeros_and_ones_are_clipped(rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    test = rows.p["test"].copy()
    test[:3] = (0, 1, 1)
    run = ctrbench.import_scores("zeros", *rows.overrides, valid=rows.p["valid"], test=test)
    assert "3 probabilities" in caplog.text
    assert np.isfinite(run.logits).all() and run.logits[0] < -15 and run.logits[1] > 15


def test_importing_again(rows: Rows) -> None:
    """The same scores are the same run, with a time that is told later; others are refused."""
    own = {"valid": rows.p["valid"], "test": rows.p["test"]}
    run = ctrbench.import_scores("again", *rows.overrides, **own)
    later = ctrbench.import_scores("again", *rows.overrides, **own, train_s=3)
    assert later.path == run.path and later.result is not None
    assert later.result["seconds"]["train"] == 3
    with pytest.raises(UserError, match="has other scores of again, seed 0"):
        ctrbench.import_scores("again", *rows.overrides, **own | {"test": rows.p["test"] ** 2})


def test_what_has_no_model(rows: Rows) -> None:
    run = ctrbench.import_scores(
        "none", *rows.overrides, valid=rows.p["valid"], test=rows.p["test"]
    )
    stage = ["model=fnn", f"pretraining.run={run.path}"]
    for words in (["predict", run.path, run.path / "config.yaml"], ["export", run.path]):
        check_mistake(command(*map(str, words)), "imported scores of none")
    check_mistake(command("train", *rows.overrides, *stage), "pretraining.run=")
    with pytest.raises(UserError, match="imported scores of none"):
        run.predictions(pd.DataFrame({"C1": ["a"]}))


def check_mistake(done: Done, text: str) -> None:
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done
    assert text in done.stderr, done.stderr


def _with(values: Any, index: int, value: Any) -> Any:
    changed = np.array(values, dtype=object)
    changed[index] = value
    return changed.tolist()


MISTAKES = {
    "a model's name": "is a model of ctrbench",
    "no name": "takes one name",
    "a bad name": "not a name",
    "no file": "test.csv: no such file",
    "no test": "test=FILE",
    "a seed": "seed=x: not a whole number",
    "a time": "train_s=-1",
    "too few": "scores, for",
    "not finite": "column probability: 'inf'",
    "text": "column probability: 'abc'",
    "more than one": "1.5 is no probability",
    "a row twice": "stands in it twice",
    "another row": "is no row of this split",
    "half a row": "column row: '0.5'",
    "another label": "label is",
    "two columns": "which column has the scores?",
    "an unknown column": "no column score",
    "no table": "not scores in CSV",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_line_for_a_mistake(mistake: str, rows: Rows, tmp_path: Path) -> None:
    words, test = rows.write(tmp_path), tmp_path / "test.csv"
    p, numbers, labels = rows.p["test"], rows.rows["test"], rows.labels["test"]
    columns: dict[str, Any] = {
        "not finite": {"probability": _with(p, 4, float("inf"))},
        "more than one": {"probability": _with(p, 4, 1.5)},
        "a row twice": {"row": _with(numbers, 4, int(numbers[5]))},
        "another row": {"row": _with(numbers, 4, int(rows.rows["valid"][0]))},
        "half a row": {"row": _with(numbers, 4, 0.5)},
        "another label": {"label": _with(labels, 4, 1 - int(labels[4]))},
        "two columns": {"probabilities": p},
    }
    if mistake in columns:
        table = {"row": numbers, "label": labels, "probability": p} | columns[mistake]
        pd.DataFrame(table).to_csv(test, index=False)
    elif mistake == "text":
        test.write_text(test.read_text().replace("\n", "\n0,0,abc\n", 1))
    elif mistake == "too few":
        test.write_text(test.read_text().rpartition("\n")[0].rpartition("\n")[0] + "\n")
    elif mistake == "no table":
        test.write_bytes(b"PAR1 and no more")
    elif mistake == "no file":
        test.unlink()
    names = {"a model's name": ["deepfm"], "no name": [], "a bad name": ["a,b"]}.get(
        mistake, ["wrong"]
    )
    own = {
        "a seed": ["seed=x"],
        "a time": ["train_s=-1"],
        "an unknown column": ["column=score"],
    }.get(mistake, [])
    if mistake == "no test":
        words = words[:1]
    check_mistake(command("import", *names, *rows.overrides, *words, *own), MISTAKES[mistake])
    assert not (Path(rows.dataset.results.folder) / "runs/planted/wrong").exists()


def test_the_record_is_checked(rows: Rows) -> None:
    """Scores that were changed since are reported as broken, as any run's are."""
    own = {"valid": rows.p["valid"], "test": rows.p["test"]}
    run = ctrbench.import_scores("odd", *rows.overrides, **own)
    result = json.loads((run.path / "result.json").read_text())
    result["metrics"]["test"]["auc"] += 0.01
    (run.path / "result.json").write_text(json.dumps(seal(result)))
    text = report_on([run.path], str(run.path.parent / "out"), "r")
    assert "broken" in text and "metrics.test.auc" in text
