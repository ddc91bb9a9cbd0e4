"""Where a report goes."""

import os
from pathlib import Path

import pytest
from made import make_run

from ctrbench.errors import UserError
from ctrbench.report.report import report_on


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("results/runs", "one", "two"):
        make_run(tmp_path / name, "lr", len(name))
    return tmp_path


WRITTEN = {
    ((), None, None): "results/report/runs",
    (("one",), None, None): "one/report",
    (("one", "two"), None, None): "results/report/one+two",
    (("one",), None, "mine"): "results/report/mine",
    (("one",), "else", None): "else/report/one",
    ((), None, "mine"): "results/report/mine",
}


@pytest.mark.parametrize("given", WRITTEN)
def test_beside_what_it_reads_or_by_name(
    given: tuple[tuple[str, ...], str, str], here: Path
) -> None:
    """No two of these commands overwrite each other."""
    folders, results, name = given
    text = report_on(list(map(Path, folders)), results, name)
    found = [os.path.relpath(path.parent, here) for path in here.rglob("table.md")]
    assert found == [WRITTEN[given]] and f"written to {WRITTEN[given]}" in text


def test_a_report_within_its_folder_is_no_run(here: Path) -> None:
    assert report_on([Path("one")]) == report_on([Path("one")])


def test_a_name_is_a_name(here: Path) -> None:
    with pytest.raises(UserError, match=r"name=\.\./x: not a name"):
        report_on([Path("one")], name="../x")
    assert not list(here.rglob("table.md"))
