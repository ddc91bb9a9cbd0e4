"""The page on trees as a user follows it, where its extra is installed."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from support import ctrbench as command
from test_documentation import ROOT, commands

import ctrbench

FENCE = re.compile(r'^```(sh|bash|python title="(.*?)")\n(.*?)^```', re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(
    find_spec("lightgbm") is None or find_spec("catboost") is None, reason="no extra trees"
)
def test_the_page_on_trees(tmp_path: Path) -> None:
    """Its commands and scripts, in their order: the trees learn what the label depends on."""
    rows = [f"s{i % 7},{i % 3},{i % 11 / 10},{int(i % 7 in (1, 4))}" for i in range(600)]
    (tmp_path / "clicks.csv").write_text("\n".join(["shop,day,price,clicked", *rows]) + "\n")
    for language, title, text in FENCE.findall((ROOT / "docs/trees.md").read_text()):
        if title:
            done = subprocess.run(
                [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{title}: {done.stderr}"
            continue
        assert language in ("sh", "bash")
        for arguments in commands(text):
            done_command = command(*arguments, cwd=tmp_path)
            assert done_command.returncode == 0, f"{arguments}: {done_command.stderr}"
    runs = ctrbench.load_runs(tmp_path / "results")
    assert set(runs["model"]) == {"lightgbm", "catboost"} and runs["external"].all()
    assert (runs["metrics.test.auc"] > 0.95).all()
    (written,) = (tmp_path / "results/report").rglob("table.csv")
    table = pd.read_csv(written).set_index("model")
    assert table.loc["catboost (external)", "seconds_to_best"] == 2.5
