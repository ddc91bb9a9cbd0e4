"""Where a report goes."""

import os
from pathlib import Path

import pytest
from made import make_run
from matplotlib import font_manager

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


def test_figures_of_what_was_swept(here: Path) -> None:
    """Of each data set under a name of its own."""
    for effects in ("a", "b"):
        for dim in (2, 4):
            options = {"embedding_dim": dim}
            make_run(here / "swept", "fm", 0, 0.7, effects=effects, options=options)
    text = report_on([Path("swept")], x="model.embedding_dim")
    found = {path.name for path in (here / "swept" / "report" / "figures").iterdir()}
    names = [f"planted-data.effects-{e}-ablation-model.embedding_dim" for e in ("a", "b")]
    swept = {name for name in found if "ablation" in name}
    assert swept == {f"{name}.{suffix}" for name in names for suffix in ("png", "svg", "pdf")}
    assert all(f"(figures/{name}.png)" in text for name in names)
    with pytest.raises(UserError, match=r"x=model\.dim: no model's runs differ in it"):
        report_on([Path("swept")], x="model.dim")


def test_an_option_is_looked_for_in_all_sections(here: Path) -> None:
    """The first has one run alone."""
    make_run(here / "runs" / "a", "fm", effects="a")
    for dim in (2, 4):
        make_run(here / "runs" / "b", "fm", effects="b", options={"embedding_dim": dim})
    with pytest.raises(UserError, match=r"x=model\.dim: .*did you mean model\.embedding_dim\?"):
        report_on([here / "runs"], x="model.dim")


def test_the_first_figure_on_a_machine_says_nothing_of_fonts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    font_manager._load_fontmanager(try_read_cache=False)
    assert not caplog.records


def test_a_name_is_a_name(here: Path) -> None:
    with pytest.raises(UserError, match=r"name=\.\.: not a name"):
        report_on([here], name="..")
    with pytest.raises(UserError, match=r"name=\.\./x: not a name"):
        report_on([Path("one")], name="../x")
    assert not list(here.rglob("table.md"))


def test_what_a_report_no_longer_has_is_removed(here: Path) -> None:
    """But no file of another's."""
    swept = here / "one" / "more"
    for dim in (2, 4):
        make_run(swept, "fm", 0, 0.7, options={"embedding_dim": dim})
    report_on([Path("one")])
    folder = here / "one" / "report"
    assert (folder / "figures" / "ablation-model.embedding_dim.svg").exists()
    for mine in ("figures/mine.png", "mine.csv", "paper.tex"):
        (folder / mine).touch()
    for path in here.glob("one/**/result.json"):
        path.unlink()
    report_on([Path("one")])
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    mine = {"figures/mine.png", "mine.csv", "paper.tex"}
    assert left == {"table.md", "index.html", ".files.json"} | mine
