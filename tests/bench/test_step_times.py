"""`ctrbench reproduce figure6`, at a small size."""

import json
from pathlib import Path

import pytest
from support import ctrbench

SMALL = [
    *("bench.features=2000", "bench.rows=256", "bench.rounds=2", "trainer.batch_size=64"),
    *("model.hidden=[8,8]", "threads=1"),
]


def test_the_models_that_are_named_with_what_they_rest_on(tmp_path: Path) -> None:
    done = ctrbench("reproduce", "figure6", "model=fnn,ipnn", *SMALL, f"results={tmp_path}")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "report" / "figure6"
    result = json.loads((folder / "step_times.json").read_text())
    by_name = {one["model"]: one for one in result["models"]}
    assert list(by_name) == ["lr", "fm", "fnn", "ipnn"]
    assert by_name["fnn"]["pretrain_time_over_lr"] == by_name["fm"]["time_over_lr"]
    assert by_name["ipnn"]["settings"]["hidden"] == [8, 8]
    assert by_name["ipnn"]["settings"]["embedding_dim"] == 10
    assert result["environment"]["precision"] == "fp32" and result["versions"]["numpy"]
    assert (folder / "step_times.svg").exists() and "| FNN " in done.stdout


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model.hiden=[8]", "model.hiden: no such key"),
        ("model=deepfn", "did you mean deepfm"),
        ("bench.round=5", "did you mean rounds"),
        ("model.dropout=2", "model.dropout=2"),
    ],
)
def test_settings_are_checked_before_anything_is_measured(
    word: str, message: str, tmp_path: Path
) -> None:
    done = ctrbench("reproduce", "figure6", word, f"results={tmp_path / 'r'}")
    assert done.returncode == 1 and message in done.stderr
    assert not (tmp_path / "r").exists()
