"""How far work has come: lines of the log where there is no terminal."""

import pytest

from ctrbench import progress
from ctrbench.progress import Progress


@pytest.mark.parametrize(("every", "lines"), [(0.0, 4), (1000.0, 0)])
def test_a_line_now_and_then(
    every: float,
    lines: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "LINE_S", every)
    with caplog.at_level("INFO"), Progress("encoded", total=8000) as work:
        for _ in range(4):
            work.update(2000)
    said = [record.message for record in caplog.records if "encoded" in record.message]
    assert len([line for line in said if not line.startswith("encoded 0.00 ")]) == lines
    assert not lines or said[-1].startswith("encoded 8.00k of 8.00k rows, 100 %, ")
    assert capfd.readouterr().err == ""
