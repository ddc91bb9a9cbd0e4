"""What a run directory says of a start that failed."""

import json
from pathlib import Path

import pytest

from ctrbench.errors import UserError
from ctrbench.runs.record import RunDirectory


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
