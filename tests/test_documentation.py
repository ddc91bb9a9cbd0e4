"""Commands and Python blocks of README.md and docs/ at a small size, one test for each block."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from own_folder import write_own_folder
from support import ctrbench, write_criteo_file

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SMALL = ["trainer.epochs=1", "threads=1"]
ADDED = {  # overrides that make a command take seconds
    "reproduce": ["seed=0", *SMALL],
    "train": SMALL,
    "tune": ["trials=1", *SMALL],
    "bench": [
        *("trainer.batch_size=64", "threads=1"),
        *("bench.features=5000", "bench.rows=512", "bench.rounds=2"),
    ],
}


def blocks(language: str) -> dict[str, str]:
    """Return the blocks of one language of all pages, by page and line."""
    found = {}
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            found[f"{page.relative_to(ROOT)}:{line}"] = match[1]
    return found


def commands(block: str) -> list[list[str]]:
    """Return the arguments of each call of ctrbench in a block."""
    lines = block.replace("\\\n", "").splitlines()
    parts = [re.split(r"\s+[#>]\s", part)[0] for line in lines for part in line.split(" && ")]
    return [shlex.split(part)[1:] for part in parts if part.startswith("ctrbench ")]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with raw rows and one finished run on them."""
    folder = tmp_path_factory.mktemp("documentation")
    write_criteo_file(folder)
    write_own_folder(folder)
    views = [f"{i % 7},{i % 5}|{i % 3},{int(i * 7 % 5 < 2)}" for i in range(400)]
    (folder / "views.csv").write_text("\n".join(["item,seen,clicked", *views]) + "\n")
    own_rows = ["data=table", "data.path=clicks.csv", "data.label=clicked"]
    done = ctrbench("train", "model=fm", *own_rows, *SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the folder for one block."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def expand(argument: str, folder: Path) -> list[str]:
    """Return the runs that a pattern matches, as a shell does."""
    is_pattern = argument.startswith("results/") and "*" in argument
    paths = sorted(path for path in folder.glob(argument) if path.is_dir()) if is_pattern else []
    return [str(path) for path in paths if not path.name.startswith(".")] or [argument]


def small(arguments: list[str], folder: Path) -> list[str]:
    """Return the arguments with placeholders filled in and overrides that keep it short."""
    run = min(folder.glob("results/runs/table/fm/[!.]*"), key=lambda path: path.stat().st_ctime_ns)
    stands_for = {"RUN": str(run), "FILE": "clicks.csv"}
    arguments = [stands_for.get(argument, argument) for argument in arguments]
    arguments = [path for argument in arguments for path in expand(argument, folder)]
    verb = arguments[0]
    if verb in ("reproduce", "tune", "train") and "data=planted" in arguments:
        arguments = [a for a in arguments if not a.startswith("data.rows=")] + ["data.rows=2000"]
    stops = {"--help", "--list", "--cfg", "--hydra-help"}.intersection(arguments)
    own = {argument.partition("=")[0] for argument in arguments}
    added = [] if stops else ADDED.get(verb, [])
    if own & {"table1", "figure6"}:
        added = [a for a in added if own & {"figure6"} and a.startswith(("bench.", "threads="))]
    if verb == "reproduce" and "budget=small" in own and "data=planted" not in arguments:
        added = [*added, "data.rows=2000"]
    keys = {a.partition("=")[0] for a in added}
    return [a for a in arguments if a.partition("=")[0] not in keys] + added


@pytest.mark.parametrize("place", blocks("sh"))
def test_commands(place: str, folder: Path) -> None:
    for arguments in commands(blocks("sh")[place]):
        if arguments[:2] == ["bench", "gpu"] and not torch.cuda.is_available():
            continue
        done = ctrbench(*small(arguments, folder), cwd=folder)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"


@pytest.mark.parametrize("place", blocks("python"))
def test_python_blocks(place: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    exec(compile(blocks("python")[place], place, "exec"), {"__name__": "documentation"})


def test_the_pages_link_to_what_is_there() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_table_of_the_readme_is_that_of_the_results() -> None:
    shown = (ROOT / "README.md").read_text()
    rows = [line for line in shown.splitlines() if re.match(r"\| (model|LR|FM|DeepFM) +\|", line)]
    results = (ROOT / "results" / "planted-small" / "table.md").read_text().splitlines()
    assert len(rows) == 4 and set(rows) <= set(results)


def test_the_first_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text()) <= 8000
