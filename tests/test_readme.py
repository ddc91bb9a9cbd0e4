"""The commands of the README, as they stand there, at a small size."""

import re
import shlex
from pathlib import Path

import torch
from support import ctrbench

ROOT = Path(__file__).parents[1]
README, RESULTS = (ROOT / "README.md").read_text(), ROOT / "results"
SMALL = ["trainer.epochs=1", "threads=1", "seed=0"]
ADDED = {  # so that each takes seconds
    "reproduce": ["data.rows=2000", *SMALL],
    "train": SMALL,
    "tune": ["trials=1", "trainer.epochs=1", "threads=1"],
    "bench": [
        *("trainer.batch_size=64", "threads=1"),
        *("bench.features=5000", "bench.rows=512", "bench.rounds=2"),
    ],
}


def commands() -> list[list[str]]:
    """The words of every line of a ``sh`` block that calls ctrbench."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    parts = [re.split(r"\s+[#>]\s", part)[0] for line in lines for part in line.split(" && ")]
    return [shlex.split(part)[1:] for part in parts if part.startswith("ctrbench ")]


def test_the_table_of_the_readme_is_that_of_the_results() -> None:
    """Of its first command, the line that sums it up, both tables and their notes."""
    shown = README[README.index("## What comes out") : README.index("![Test AUC")]
    lines = [line for line in shown.splitlines()[4:] if line]
    table = (RESULTS / "planted-small/table.md").read_text().splitlines()
    assert len(lines) > 10 and not set(lines) - set(table)


def test_the_commands_of_the_readme(criteo_file: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(criteo_file.read_bytes())
    rows = [f"{i % 7},{i % 3},{i % 11 / 10},{int(i * 7 % 5 < 2)}" for i in range(400)]
    (tmp_path / "clicks.csv").write_text("\n".join(["shop,day,price,clicked", *rows]) + "\n")
    verbs = set()
    for words in commands():
        verbs.add(words[0])
        if words[:2] == ["bench", "gpu"] and not torch.cuda.is_available():
            continue
        runs = sorted(tmp_path.glob("results/runs/criteo/deepfm/*/result.json"))
        stands_for = {"RUN": str(runs[0].parent) if runs else "", "FILE": "train.txt"}
        given = [stands_for.get(word, word) for word in words]
        added = [] if "--help" in words or "--list" in words else ADDED.get(words[0], [])
        if words[0] == "tune" and "data=planted" in words:
            added = [*added, "data.rows=2000"]
        done = ctrbench(*given, *added, cwd=tmp_path)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        if words[0] == "bench":
            several = any("," in word for word in words)
            detailed = ("forward", "backward", "optimizer", "rows/s", "times its limit")
            for part in ("time / LR", "rows/s", "step / limit") if several else detailed:
                assert part in done.stdout
    of_training = {"data", "train", "prepare", "tune", "report", "predict", "export"}
    assert verbs == {"reproduce", "bench", *of_training}
