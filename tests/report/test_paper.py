"""What a report gives for a paper: LaTeX, figures as PDF, a style, BibTeX."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made import make_run, section_of
from support import ctrbench

from ctrbench.errors import UserError
from ctrbench.report.bibtex import ENTRIES, ENTRY, bibtex_of
from ctrbench.report.figures.drawing import RULES, canvas, save_figure
from ctrbench.report.figures.paper import COLUMN, PAGE, read_style, styled
from ctrbench.report.judged.comparisons import comparisons
from ctrbench.report.latex import MARK, chosen_columns, latex_table, leaderboard_latex

AUCS = {"lr": (0.70, 0.701, 0.702), "fm": (0.72, 0.7212, 0.7218), "lr_dnn": (0.71, 0.73, 0.69)}
BEST = "deepfm", (0.74, 0.7411, 0.7419)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for model, aucs in {**AUCS, BEST[0]: BEST[1]}.items():
        for seed, auc in enumerate(aucs):
            make_run(folder, model, seed, auc, logloss=1 - auc, data="a_b", scored=True)
    return folder


def body(latex: str) -> list[list[str]]:
    """The cells of a table, row by row."""
    inner = latex.split(r"\midrule")[1].split(r"\bottomrule")[0]
    return [[c.strip() for c in line.split(" & ")] for line in inner.strip().split(r"\\") if line]


def test_the_leaderboard(runs: Path) -> None:
    section = section_of(runs)
    compared = comparisons(section)
    latex = leaderboard_latex(section, compared, ["auc", "logloss", "time", "gauc"])
    rows = {cells[0]: cells for cells in body(latex)}
    assert list(rows) == ["DeepFM", "FM", r"LR \& DNN", "LR"]
    for model, title in (("lr", "LR"), ("lr_dnn", r"LR \& DNN")):
        mean, std = np.mean(AUCS[model]), np.std(AUCS[model], ddof=1)
        assert f"{mean:.4f} $\\pm$ {std:.4f}" in rows[title][1]
    assert rows["DeepFM"][1].startswith(r"\textbf{0.7410 $\pm$") and r"\textbf" in rows["DeepFM"][2]
    assert rows["FM"][1].startswith(r"\underline{0.7210 $\pm$")
    assert latex.count(r"\textbf") == latex.count(r"\underline") == 2
    # marked as the paired tests say
    p = compared[compared["against"] == "deepfm"].set_index("model")["auc_p"]
    assert (p < 0.05).sum() == 2 and p["lr_dnn"] > 0.05
    marked = {title for title, cells in rows.items() if r"$^{\dagger}$" in cells[1]}
    assert marked == {"FM", "LR"}
    caption = re.search(r"\\caption\{(.*)\}\n", latex)
    assert caption and "Holm" in caption[1] and r"a\_b" in caption[1] and "p $<$ 0.05" in caption[1]
    assert r"\label{tab:a-b}" in latex
    assert all(rule in latex for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert "GAUC" not in latex  # which no run has


def test_at_one_seed_or_untested(tmp_path: Path) -> None:
    """Nothing is marked where nothing is tested, and the caption promises no test."""
    make_run(tmp_path, "lr", 0, 0.7)
    make_run(tmp_path, "fm", 0, 0.8)
    section = section_of(tmp_path)
    latex = leaderboard_latex(section, comparisons(section), ["auc"])
    assert "dagger" not in latex and "Holm" not in latex and "one seed" in latex


def test_ties_and_missing_values() -> None:
    cells = pd.DataFrame({"model": ["a", "b"], "x": ["1", "-"]})
    assert r"\begin{tabular}{lr}" in latex_table(cells, "c", "tab:c")
    latex = latex_table(pd.DataFrame({"a_b": [f"50% & {MARK} <x>"]}), "c", "tab:c")
    assert r"a\_b" in latex and r"50\% \& $^{\dagger}$ $<$x$>$" in latex


@pytest.mark.parametrize("columns", ["auc,loss", "auc,auc", ","])
def test_columns_that_are_none(columns: str, runs: Path) -> None:
    with pytest.raises(UserError, match="columns="):
        chosen_columns(columns)
    done = ctrbench("report", str(runs), f"columns={columns}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "columns=" in done.stderr
    assert not (runs / "report").exists()


def test_a_report_and_its_compilation(tmp_path: Path) -> None:
    """All tables of a report are compiled, where there is a LaTeX."""
    for model in ("lr", "lr_dnn"):
        for units in (4, 8):
            for seed in (0, 1):
                make_run(tmp_path, model, seed, 0.7 + units / 1e3, options={"units_#": units})
    done = ctrbench("report", str(tmp_path), "columns=auc,settings,epoch")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "report"
    latex = (folder / "table.tex").read_text()
    assert latex.count(r"\begin{table}") == latex.count(r"\label{") == 2
    assert "time per epoch" in latex.split(r"\end{table}")[0]
    for line in latex.splitlines():
        assert not re.search(r"(?<!\\)[#_]", re.sub(r"\\label\{.*\}", "", line))
    assert (folder / "models.bib").read_text().count("@") == 2
    assert {path.suffix for path in folder.glob("figures/*")} == {".svg", ".png", ".pdf"}
    if shutil.which("pdflatex"):
        text = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        (tmp_path / "paper.tex").write_text(f"{text}{latex}\\end{{document}}\n")
        command = ["pdflatex", "-halt-on-error", "paper.tex"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def width(pdf: bytes) -> float:
    """The inches of a page."""
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf)
    assert box
    return float(box[1]) / 72


def test_figures_fit_a_column(tmp_path: Path) -> None:
    for columns, expected in ((1, COLUMN), (2, PAGE)):
        figure, _ = canvas(1, columns, (6, 3))
        drawn = save_figure(figure, "x", "x", "x")
        assert width(drawn.pdf) == pytest.approx(expected, abs=0.01)
        sizes = [text.get_fontsize() for text in figure.axes[0].get_xticklabels()]
        assert 6 <= min(sizes) <= max(sizes) <= 8
        again = save_figure(canvas(1, columns, (6, 3))[0], "x", "x", "x")
        assert again.pdf == drawn.pdf and again.svg == drawn.svg
    style = tmp_path / "paper.mplstyle"
    style.write_text(
        "figure.figsize: 5, 3\nfont.size: 11\naxes.spines.top: True\ntext.color: red\n"
    )
    with styled(RULES, style):
        assert RULES["font.size"] == 11 and RULES["text.color"] != "red"
        figure, ((panel,),) = canvas(1, 1, (6, 3))
        assert panel.spines["top"].get_visible()
        assert width(save_figure(figure, "x", "x", "x").pdf) == pytest.approx(5, abs=0.01)
    assert RULES["font.size"] == 9 and "figure.figsize" not in RULES


@pytest.mark.parametrize("text", ["font.sise: 11", "font.size: large-ish", "text.usetex: True"])
def test_a_style_that_is_none(text: str, tmp_path: Path, runs: Path) -> None:
    style = tmp_path / "bad.mplstyle"
    style.write_text(f"{text}\n")
    done = ctrbench("report", str(runs), f"style={style}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and str(style) in done.stderr
    with pytest.raises(UserError, match=r"gone\.mplstyle"):
        read_style(tmp_path / "gone.mplstyle")


def test_bibtex() -> None:
    entries = ENTRY.findall(ENTRIES.read_text())
    keys = [entry[entry.index("{") + 1 : entry.index(",")] for entry in entries]
    assert len(set(keys)) == len(keys) == ENTRIES.read_text().count("@")
    for entry in entries:
        assert entry.count("{") == entry.count("}")
        assert all(f"  {name} = {{" in entry for name in ("author", "title", "year", "url"))
    text = bibtex_of(["deepfm", "lr_dnn", "fm", "no_such_model"])
    assert text.count("@") == 2 and "% DeepFM, LR & DNN\n@inproceedings{guo2017deepfm" in text
