"""Figure 6 from a measurement made by hand."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made import make_run, texts

from ctrbench.errors import UserError
from ctrbench.report.report import write_report
from ctrbench.report.section_report import ReportOptions
from ctrbench.report.step_times import (
    find_step_times,
    read_step_times,
    seconds_of_rounds,
    step_times_drawing,
    step_times_frame,
    write_step_times,
)
from ctrbench.results import Results
from ctrbench.runs.frame import find_runs


def measurement(device: str = "cpu (x86_64)") -> dict[str, Any]:
    """LR at 5 ms, FM twice, FNN thirty times as long."""
    quarters = {"lr": 1.0, "fm": 2.0, "fnn": 30.0}
    models = []
    for name, ratio in quarters.items():
        spread = {"median": ratio, "quarter": ratio * 0.9, "three_quarters": ratio * 1.1}
        models.append(
            {
                "model": name,
                "seconds": {"step, real-like ids": {"median": 0.005 * ratio}},
                "time_over_lr": spread,
                "rounds": [0.005 * ratio * (1 + i / 100) for i in range(4)],
                "operations_over_lr": ratio**2,
                "times_the_limit": 1.5,
            }
        )
    models[2]["starts_from"] = "fm"
    models[2]["pretrain_time_over_lr"] = models[1]["time_over_lr"]
    here = {"device": device, "threads": 2, "precision": "fp32", "torch": "2"}
    return {"environment": here, "batch_size": 4096, "features": 1_000_000, "models": models}


def test_the_papers_bars_stand_beside_those_of_the_same_kind_of_device() -> None:
    for device, printed, before in (("cpu (x86_64)", 1.89, 1.32), ("NVIDIA H100", 1.28, 0.95)):
        frame = step_times_frame(measurement(device)).set_index("model")
        assert frame.loc["fnn", "paper_time_over_lr"] == printed
        assert frame.loc["fnn", "paper_pretrain_over_lr"] == before
        assert frame.loc["fnn", "pretrain_over_lr"] == 2.0 and frame.loc["fm", "step_ms"] == 10.0
        assert frame.loc["lr", "paper_time_over_lr"] == 1.0
        assert pd.isna(frame.loc["fm", "paper_time_over_lr"])


def test_bars_carry_their_lengths() -> None:
    drawing = step_times_drawing(measurement())
    words = set(texts(drawing.svg))
    assert {"30.00 + 2.00", "1.89 + 1.32", "900", "LR", "FNN", "the paper", "ours"} <= words
    assert "FM 2.0, FNN 30.0" in drawing.caption and "4 to 900 times LR's" in drawing.caption
    assert drawing.png.startswith(b"\x89PNG")


def test_a_measurement_without_bars_of_the_paper() -> None:
    result = measurement()
    result["models"] = result["models"][:2]
    assert "its pre-training" not in texts(step_times_drawing(result).svg)


def test_what_is_written_beside_it(tmp_path: Path) -> None:
    (tmp_path / "step_times.json").write_text(json.dumps(measurement()))
    text = write_step_times(tmp_path / "step_times.json")
    assert "| FNN " in text and str(tmp_path) in text
    assert {path.suffix for path in tmp_path.iterdir()} == {
        ".html",
        ".json",
        ".svg",
        ".png",
        ".md",
        ".csv",
    }
    table = pd.read_csv(tmp_path / "step_times.csv")
    assert list(table["operations_over_lr"]) == [1, 4, 900]


def test_seconds_of_a_round_have_what_a_model_starts_from() -> None:
    result = measurement()
    fnn = seconds_of_rounds(result, "fnn")
    assert fnn is not None and fnn == pytest.approx([0.16, 0.1616, 0.1632, 0.1648])
    assert seconds_of_rounds(result, "ipnn") is None
    del result["models"][1]
    assert seconds_of_rounds(result, "fnn") is None


def test_the_measurement_of_a_folder_comes_before_that_of_the_results(tmp_path: Path) -> None:
    place = Results(tmp_path / "results")
    assert find_step_times([tmp_path], place) is None
    for path, batch in ((place.step_times, 1), (tmp_path / "other" / "step_times.json", 2)):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(measurement() | {"batch_size": batch}))
    for folders, batch in (([], 1), ([tmp_path / "other"], 2)):
        found = find_step_times(folders, place)
        assert found is not None and found["batch_size"] == batch


def test_a_report_of_runs_shows_it(tmp_path: Path) -> None:
    for model in ("lr", "fm"):
        make_run(tmp_path / "runs", model)
    runs, folder = find_runs([tmp_path / "runs"]), tmp_path / "report"
    text = write_report(runs, folder, "T", ReportOptions(steps=measurement(), claims=True))
    assert "figures/step_times.png" in text and (folder / "figures" / "step_times.svg").exists()
    page = (folder / "index.html").read_text()
    assert (
        0 < page.index("best on the validation rows") < page.index("A training step as a multiple")
    )


@pytest.mark.parametrize("text", ["", "{}", '{"environment": {"device": "cpu"}, "models": []}'])
def test_a_file_that_is_no_measurement(text: str, tmp_path: Path) -> None:
    (tmp_path / "step_times.json").write_text(text)
    with pytest.raises(UserError, match=r"step_times.json: not a measurement"):
        read_step_times(tmp_path / "step_times.json")


@pytest.mark.parametrize("content", ["", "[]", '{"models": []}', "[" * 10**5])
def test_a_damaged_measurement_ends_no_report(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "step_times.json").write_text(content)
    assert find_step_times([tmp_path], Results(tmp_path)) is None
    assert str(tmp_path / "step_times.json") in caplog.text
