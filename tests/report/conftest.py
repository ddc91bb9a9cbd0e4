"""Reports of runs made by hand compose no configs for the commands that repeat them."""

import pytest

from ctrbench.report import commands


@pytest.fixture(autouse=True)
def plain_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat every run by ``ctrbench train`` alone."""
    monkeypatch.setattr(commands, "reconstruct_overrides", lambda config: [])
