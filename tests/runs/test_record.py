"""What a run directory says of a start that failed."""

import json
from pathlib import Path

import pytest

from ctrbench.errors import UserError
from ctrbench.runs.record import RunDirectory, relative_paths


def test_a_failed_start_is_kept_until_the_next(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    with pytest.raises(UserError), directory.started("fm on rows, seed 0"):
        raise UserError("no rows; give some")
    about = json.loads(directory.failure.read_text())
    assert about["what"] == "fm on rows, seed 0" and about["message"] == "no rows; give some"
    with directory.started("fm on rows, seed 0"):
        assert not directory.failure.exists()
    assert not directory.failure.exists()


def test_an_interrupt_is_no_failure(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt), directory.started("fm on rows, seed 0"):
        raise KeyboardInterrupt
    assert not directory.failure.exists()


def test_paths_below_the_current_folder_are_stored_as_relative_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {
        "data": {"path": f"{tmp_path}/clicks.csv", "bins": 3},
        "results": f"{tmp_path}x/results",
        "overrides": [
            f"data.path='{tmp_path}/a b.csv'",
            f"+data.test={tmp_path}/t.csv",
            f'data.train=[{tmp_path}/a, "{tmp_path}/b=1",{tmp_path}x/c]',
            "seed=1",
        ],
    }
    assert relative_paths(config) == {
        "data": {"path": "clicks.csv", "bins": 3},
        "results": f"{tmp_path}x/results",
        "overrides": [
            "data.path='a b.csv'",
            "+data.test=t.csv",
            f'data.train=[a, "b=1",{tmp_path}x/c]',
            "seed=1",
        ],
    }
