"""Tables from run directories, with hand-made results."""

import csv
import io
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from made import make_run

from ctrbench.errors import UserError
from ctrbench.markdown import csv_of, markdown
from ctrbench.report.latex import latex_table
from ctrbench.report.published.printed import CRITEO_ROWS
from ctrbench.report.report import report_on, write_report
from ctrbench.report.section_report import ReportOptions
from ctrbench.runs.frame import find_runs

TIME, SECONDS = "time relative to LR", "time per epoch (s)"


def report(folder: Path, pivot: dict[str, str] | None = None) -> str:
    return write_report(
        find_runs([folder / "runs"]), folder / "report", "T", ReportOptions(pivot=pivot)
    )


def rows_of(text: str) -> list[dict[str, str]]:
    """The cells of a report's tables, by their heads; comparisons and claims left out."""
    rows, heads = [], list[str]()
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if not cells or set(cells[0]) == {"-"}:
            heads = heads if cells else []
        elif {"against", "claim"} & set(heads):
            continue
        elif heads:
            rows.append(dict(zip(heads, cells, strict=True)))
        else:
            heads = cells
    return rows


def test_mean_deviation_and_time(tmp_path: Path) -> None:
    for seed, auc in enumerate([0.7, 0.72, 0.74]):
        make_run(tmp_path / "runs", "lr", seed, auc, data="criteo")
    make_run(tmp_path / "runs", "fm", 0, 0.8, data="criteo")
    text = report(tmp_path)
    lr, fm = rows_of(text)
    assert lr["test AUC"] == "0.72000 ± 0.02000" and lr["validation AUC"] == "0.73000 ± 0.02000"
    assert (lr["seeds"], lr[TIME], fm["test AUC"], fm[TIME]) == (
        "3",
        "1.00",
        "0.80000",
        "2.50",
    )
    assert (lr["paper (arXiv)"], lr["paper (IJCAI)"]) == ("0.7686 / 0.47762", "0.7804 / 0.46782")
    assert "22 rows" in text and "cannot be compared" in text


def test_schedules_are_told_apart_by_their_names(tmp_path: Path) -> None:
    """And by those of their keys in which schedules of one name differ; none is a constant one."""
    for i, schedule in enumerate(
        [
            None,
            {"name": "plateau", "factor": 0.1, "min_delta": 1e-6},
            {"name": "plateau", "factor": 0.5, "min_delta": 1e-6},
            {"name": "cosine", "warmup": 0.05},
        ]
    ):
        path = make_run(tmp_path / "runs", "fm", 0, 0.7 + i / 100) / "result.json"
        result = json.loads(path.read_text())
        result["settings"]["trainer"] |= {} if schedule is None else {"schedule": schedule}
        result["identity"] = f"fm-{i}"
        path.write_text(json.dumps(result))
        path.parent.rename(path.parent.with_name(f"run-{i}"))
    settings = {row["settings"] for row in rows_of(report(tmp_path))}
    assert settings == {
        "trainer.schedule.factor=null, trainer.schedule.name=constant",
        "trainer.schedule.factor=0.1, trainer.schedule.name=plateau",
        "trainer.schedule.factor=0.5, trainer.schedule.name=plateau",
        "trainer.schedule.factor=null, trainer.schedule.name=cosine",
    }


def test_numbers_and_latex(tmp_path: Path) -> None:
    for seed, auc in enumerate([0.7, 0.72, 0.74]):
        make_run(tmp_path / "runs", "lr", seed, auc, data="criteo")
    make_run(tmp_path / "runs", "fm_dnn", 0, 0.8, data="criteo", options={"dropout": 0.4})
    report(tmp_path)
    with (tmp_path / "report" / "table.csv").open() as file:
        lr, fm_dnn = csv.DictReader(file)
    assert float(lr["test_auc_mean"]) == pytest.approx(0.72)
    assert float(lr["test_auc_std"]) == pytest.approx(0.02) and lr["runs"] == "3"
    assert fm_dnn["test_auc_std"] == "" and float(fm_dnn["valid_logloss_mean"]) == 0.46
    assert float(fm_dnn["IJCAI_logloss"]) == 0.45343 and lr["parameters"] == "120"
    latex = (tmp_path / "report" / "table.tex").read_text()
    assert r"\toprule" in latex and r"0.7200 $\pm$ 0.0200" in latex and r"FM \& DNN" in latex


def test_a_swept_precision_is_that_of_its_rows(tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        environment = {"precision": precision}
        own = {"data": "criteo_sample", "decides": {"precision": precision}}
        make_run(tmp_path / "runs", "lr", environment=environment, **own)
    report(tmp_path)
    assert r"\caption{criteo\_sample" in (tmp_path / "report" / "table.tex").read_text()
    with (tmp_path / "report" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["settings"], row["precision"]) for row in rows} == {
        ("precision=fp32", "fp32"),
        ("precision=bf16", "bf16"),
    }


def test_times_are_compared_in_one_environment(tmp_path: Path) -> None:
    """The same run measured twice is one run with two times."""
    for model, threads in (("lr", 1), ("lr", 2), ("fm", 2), ("fnn", 4)):
        make_run(tmp_path / "runs", model, environment={"threads": threads})
    make_run(tmp_path / "runs", "ffm", environment={"precision": "bf16"})
    make_run(tmp_path / "runs", "ccpm", environment={"torch": "3"})
    text = report(tmp_path)
    table, others = rows_of(text)[:5], rows_of(text)[5:]
    assert {row["model"]: row[TIME] for row in table} == {
        "LR": "1.00",
        "FM": "2.50",
        "FFM": "-",
        "CCPM": "-",
        "FNN": "-",
    }
    assert table[0]["seeds"] == "1" and "cpu, threads: 2, fp32, torch 2." in text
    assert {(row["model"], row["threads"], row["precision"], row["torch"]) for row in others} == {
        ("LR", "1", "fp32", "2"),
        ("FNN", "4", "fp32", "2"),
        ("FFM", "2", "bf16", "2"),
        ("CCPM", "2", "fp32", "3"),
    }
    assert next(row[SECONDS] for row in others if row["model"] == "FNN") == "8.00 + 5.00"


def test_what_decides_nothing_splits_nothing(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr", 0, device="auto", threads=None, predictions=False)
    make_run(tmp_path / "runs", "lr", 1, device="cpu", threads=2, predictions=True)
    make_run(tmp_path / "elsewhere", "lr", 2).rename(tmp_path / "runs" / "moved")
    path = make_run(tmp_path / "runs", "lr", 3) / "config.yaml"
    path.write_text(
        path.read_text().replace("  effects: whole", "  effects: whole\n  crosses: [[a, b]]")
    )
    (row,) = rows_of(report(tmp_path))
    assert row["seeds"] == "4" and "settings" not in row


def test_a_copy_is_the_same_run(tmp_path: Path) -> None:
    path = make_run(tmp_path / "runs", "lr")
    make_run(tmp_path / "runs", "lr", 1)
    shutil.copytree(path, tmp_path / "runs" / "zz-copy")
    text = report(tmp_path)
    assert rows_of(text)[0]["seeds"] == "2"
    assert "counted once" in text and str(tmp_path / "runs" / "zz-copy") in text


def test_an_ablation_of_a_stage_is_named_by_it_alone(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "fnn", 0, 0.7, options={"pretrain": False})
    make_run(tmp_path / "runs", "fnn", 0, 0.8, options={"pretrain": True})
    settings = {row["settings"] for row in rows_of(report(tmp_path))}
    assert settings == {"model.pretrain=false", "model.pretrain=true"}


def test_the_best_setting_is_chosen_by_validation(tmp_path: Path) -> None:
    """And whole numbers stay whole beside a gap."""
    folder = tmp_path / "runs"
    make_run(folder, "fm", 0, 0.9, logloss=0.5, options={"embedding_dim": 4, "init_std": 0.1})
    path = make_run(
        folder, "fm", 0, 0.7, logloss=0.4, options={"embedding_dim": None, "init_std": 0.1}
    )
    result = json.loads((path / "result.json").read_text())
    result["metrics"]["test"] = {"auc": 0.1, "logloss": 9.0}
    (path / "result.json").write_text(json.dumps(result))
    make_run(folder, "lr")
    chosen = {(row["model"], row["settings"]): row["chosen"] for row in rows_of(report(tmp_path))}
    assert chosen == {
        ("LR", "-"): "*",
        ("FM", "model.embedding_dim=4"): "-",
        ("FM", "model.embedding_dim=null"): "*",
    }


def test_a_stage_has_its_own_time_and_dropout_is_shown_as_keeping(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "fnn", options={"dropout": 0.4})
    make_run(tmp_path / "runs", "lr")
    text = report(tmp_path)
    lr, fnn = rows_of(text)
    assert fnn[SECONDS] == "8.00 + 5.00" and fnn[TIME] == "4.00 + 2.50"
    assert (lr["keep probability"], fnn["keep probability"]) == (
        "-",
        "0.6",
    ) and "FM that it starts from" in text


def test_a_pivot_has_a_column_for_each_setting(tmp_path: Path) -> None:
    for model in ("fm", "lr"):
        for effects, auc in (("two", 0.7), ("one", 0.6)):
            for seed in (0, 1):
                auc += seed * (model == "fm") / 10
                make_run(tmp_path / "runs", model, seed, auc, effects=effects)
    text = report(tmp_path, {"columns": "data.effects", "value": "auc"})
    assert "Test AUC by effects:" in text and "## planted, data.effects=one" in text
    lr, fm = rows_of(text)[:2]
    assert lr == {"model": "LR", "one": "0.60000 ± 0.00000", "two": "0.70000 ± 0.00000"}
    assert fm == {"model": "FM", "one": "0.65000 ± 0.07071", "two": "0.75000 ± 0.07071"}


def test_a_pivot_overwrites_nothing(tmp_path: Path) -> None:
    for effects in ("one", "two"):
        for dim, auc in ((4, 0.6), (8, 0.7)):
            options = {"embedding_dim": dim}
            make_run(tmp_path / "runs", "fm", 0, auc, effects=effects, options=options)
    rows = rows_of(report(tmp_path, {"columns": "data.effects", "value": "auc"}))[:2]
    assert [(row["settings"], row["one"], row["two"]) for row in rows] == [
        ("model.embedding_dim=4", "0.60000", "0.60000"),
        ("model.embedding_dim=8", "0.70000", "0.70000"),
    ]
    by_dim = rows_of(report(tmp_path, {"columns": "model.embedding_dim", "value": "auc"}))[:2]
    assert [(row["data"], row["4"], row["8"]) for row in by_dim] == [
        ("planted, data.effects=one", "0.60000", "0.70000"),
        ("planted, data.effects=two", "0.60000", "0.70000"),
    ]


def test_rows_stand_in_the_papers_order(tmp_path: Path) -> None:
    """That of the registry; a model that it does not know stands last."""
    for model in ("fnn", "unknown", "lr", "fm"):
        make_run(tmp_path / "runs", model)
    assert [row["model"] for row in rows_of(report(tmp_path))] == ["LR", "FM", "FNN", "unknown"]


def test_all_of_criteo_needs_no_warning(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr", data="criteo", test_rows=CRITEO_ROWS - 15)
    assert "cannot be compared" not in report(tmp_path)


def test_runs_without_a_result_are_listed(tmp_path: Path) -> None:
    """Broken, failed and unfinished ones stop nothing."""
    folder = tmp_path / "runs"
    make_run(folder, "lr")
    make_run(folder, "fm").joinpath("result.json").write_text('{"status": "ok", "iden')
    failed = make_run(folder, "ffm")
    failed.joinpath("result.json").unlink()
    said = {"what": "training", "when": "2026-01-01", "message": "the loss is nan"}
    failed.joinpath("failed.json").write_text(json.dumps(said))
    make_run(folder, "ccpm").joinpath("result.json").unlink()
    text = report(tmp_path)
    lr, *rest = rows_of(text)
    assert (lr["model"], lr["batch size"]) == ("LR", "64") and "in 39 fields" in text
    assert sorted((Path(row["path"]).name.split("-")[0], row["state"]) for row in rest) == [
        ("ccpm", "unfinished"),
        ("ffm", "failed"),
        ("fm", "broken"),
    ]
    assert "the loss is nan (2026-01-01)" in text


def test_no_finished_run(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr").joinpath("result.json").unlink()
    assert "unfinished" in report(tmp_path)
    assert not (tmp_path / "report" / "table.csv").exists()


def with_figures(path: Path, **figures: float | None) -> None:
    """Make it a run of a version that reports more, of rows grouped by user."""
    result = json.loads((path / "result.json").read_text())
    for part in ("valid", "test"):
        result["metrics"][part] |= figures
    (path / "result.json").write_text(json.dumps(result))
    config = path / "config.yaml"
    config.write_text(
        config.read_text().replace("  effects: whole", "  effects: whole\n  group: user")
    )


def test_figures_beside(tmp_path: Path) -> None:
    """GAUC stands in the tables where any run has it, the others as numbers."""
    counts = {"gauc_groups": 1200, "gauc_groups_left_out": 30, "gauc_rows_left_out": 45}
    for seed, gauc in enumerate([0.6, 0.62]):
        path = make_run(tmp_path / "runs", "lr", seed)
        more = {"ne": 0.9 - gauc / 10, "rig": 0.1 + gauc / 10, "predicted_over_observed": 1.1}
        with_figures(path, gauc=gauc, **more, **counts)
    make_run(tmp_path / "runs", "fm")  # of an earlier version
    text = report(tmp_path)
    lr, fm = rows_of(text)[:2]
    assert ("test GAUC", "validation AUC") in pairwise(lr) and "validation GAUC" not in lr
    assert (lr["test GAUC"], fm["test GAUC"]) == ("0.61000 ± 0.01414", "-")
    assert "GAUC: the mean AUC within each value of user, weighted by rows, of 1,200" in text
    assert "30 of one class are left out, and 45 rows" in text
    with (tmp_path / "report" / "table.csv").open() as file:
        lr, fm = csv.DictReader(file)
    assert float(lr["valid_gauc_mean"]) == pytest.approx(0.61) and fm["valid_gauc_mean"] == ""
    assert float(lr["test_ne_mean"]) == pytest.approx(0.839)
    assert float(lr["test_rig_std"]) == pytest.approx(0.0014142, rel=1e-4)
    assert float(lr["test_predicted_over_observed_mean"]) == 1.1
    page = (tmp_path / "report" / "index.html").read_text()
    assert "test GAUC" in page and "0.61000 ± 0.01414" in page


def test_groups_of_one_class_have_no_gauc(tmp_path: Path) -> None:
    counts = {"gauc_groups": 0, "gauc_groups_left_out": 3, "gauc_rows_left_out": 7}
    with_figures(make_run(tmp_path / "runs", "lr"), gauc=None, **counts)
    text = report(tmp_path)
    assert "gauc" not in rows_of(text)[0] and "of 0 values; 3 of one class" in text


def test_without_groups_no_gauc(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr")
    assert "gauc" not in rows_of(report(tmp_path))[0]
    assert "GAUC" not in (tmp_path / "report" / "index.html").read_text()


def test_a_pivot_of_a_figure_that_there_is_not(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr")
    with pytest.raises(UserError, match=r"experiment.pivot.value=auk: .*auc"):
        report(tmp_path, {"columns": "model.dropout", "value": "auk"})


@pytest.mark.parametrize(
    ("trials", "settings", "unequal"),
    [
        ((30, 30), 1, ""),
        ((30, 8), 1, "LR 30, FM 8"),
        ((30, None), 1, "FM none known"),
        ((None, None), 2, "LR 1, FM 2"),
        ((None, None), 1, ""),
    ],
)
def test_unequal_tuning_is_said(
    trials: tuple[int | None, int | None], settings: int, unequal: str, tmp_path: Path
) -> None:
    for model, count, values in (("lr", trials[0], 1), ("fm", trials[1], settings)):
        tuned = {"tuned": {"trials": count}} if count else {}
        for value in range(values):
            make_run(tmp_path / "runs", model, options={"init_std": value}, **tuned)
    text = report(tmp_path)
    assert ("not tuned equally" in text) == bool(unequal) and unequal in text
    counts = {row["model"]: row.get("trials", "-") for row in rows_of(text) if "seeds" in row}
    assert counts == {"LR": str(trials[0] or "-"), "FM": str(trials[1] or "-")}


PAYLOAD = "=1+cmd|' /C calc'!A0"
TEXTS = [PAYLOAD, "@SUM(A1)", "+2+3", "-2+3", "\t=1", "\uff1d1"]


@pytest.mark.parametrize("text", TEXTS)
def test_spreadsheets_see_no_formula(text: str) -> None:
    """In cells and in heads; numbers and dashes stay."""
    table = pd.DataFrame({text: [text], "n": [-1.5], "of text": ["-1.5e-3"], "none": ["-"]})
    ((head, cell), *others) = pd.read_csv(io.StringIO(csv_of(table)), dtype=str).iloc[0].items()
    assert head.startswith("'") and cell == f"'{text}"
    assert dict(others) == {"n": "-1.5", "of text": "-1.5e-3", "none": "-"}


def test_markdown_of_values_from_elsewhere() -> None:
    text = markdown([{"a<b>": "<script>alert(1)</script>|x\ny", "b": "1 < 2"}])
    head, _, row = text.splitlines()
    assert "<script" not in text and "<b>" not in head and "1 < 2" in row
    assert len(re.findall(r"(?<!\\)\|", row)) == len(re.findall(r"(?<!\\)\|", head)) == 3


def test_a_caption_of_any_text() -> None:
    r"""LaTeX sees no command: every mark that means something to it is escaped."""
    caption = r"\input{/etc/passwd} 50% of a_b & $x$ ~^ #1" + "\n\nnext"
    text = latex_table(pd.DataFrame({"a": [r"\write18{x}"], "b": ["x\ny"]}), caption, "tab:x")
    (line,) = (line for line in text.splitlines() if line.startswith("\\caption"))
    assert r"\input" not in text and r"\write18" not in text and line.endswith("next}")
    assert r"50\% of a\_b \& \$x\$ \textasciitilde{}\textasciicircum{} \#1" in line


def test_values_of_a_config_in_every_file(tmp_path: Path) -> None:
    """Tags in the titles of a report, too."""
    for effects in ("<img src=x>", PAYLOAD):
        make_run(tmp_path, "lr", options={"name": "lr", "init": effects}, effects=effects)
    text = report_on([tmp_path])
    assert "<img" not in text and "<img" not in (tmp_path / "report" / "table.md").read_text()
    page = (tmp_path / "report" / "index.html").read_text()
    assert "<img" not in page and "&lt;img" in page
