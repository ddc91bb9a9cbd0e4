"""A finished run whose files were damaged: its command trains it again, as the messages say."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import ctrbench

from ctrbench import files, open_run
from ctrbench.errors import UserError
from ctrbench.runs.opened import OpenedRun
from ctrbench.runs.record import RunDirectory

FILES = (
    *("model.safetensors", "logits.npy", "labels.npy", "history.jsonl", "result.json"),
    *("config.yaml", "encoder/store.json", "encoder/vocabulary/00000.parquet"),
    *("encoder/crosses/store.json", "valid_logits.npy", "valid_labels.npy"),
)
WIDE = ["model=wide_deep", "model.hidden=[4]", "model.crosses=[[C5,C6]]", "data.rows=400"]
WIDE += ["trainer.epochs=1", "data.vocabulary=20", "threads=1"]


def flip(path: Path) -> None:
    """Flip a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()  # another name of it, as in a store, stays whole
    path.write_bytes(content)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("trained")
    assert ctrbench("train", *WIDE, "results=.", cwd=folder).returncode == 0
    return folder


def contents(run: Path) -> dict[Path, bytes]:
    """The files of a run that have no times in them."""
    timed = ("result.json", "history.jsonl")
    files = [path for path in run.rglob("*") if path.is_file() and path.name not in timed]
    return {
        path.relative_to(run): path.read_bytes().replace(b"job: 0", b"job: null") for path in files
    }


@pytest.mark.parametrize(
    ("words", "damage", "name"),
    [
        *(pytest.param([], flip, name, id=f"flipped {name}") for name in FILES),
        *(pytest.param([], Path.unlink, name, id=f"deleted {name}") for name in FILES),
        *(pytest.param(["-m"], flip, name, id=f"sweep {name}") for name in FILES[:5:2]),
    ],
)
def test_the_command_of_a_damaged_run_repairs_it(
    words: list[str], damage: Callable[[Path], None], name: str, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (path,) = tmp_path.glob("runs/*/*/*/result.json")
    run, result = path.parent, json.loads(path.read_text())
    before = contents(run)
    damage(run / name)
    done = ctrbench("train", *words, *WIDE, "results=.", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "epoch 1" in done.stderr  # it was trained
    assert json.loads(path.read_text())["metrics"] == result["metrics"]
    assert contents(run) == before
    assert OpenedRun(run)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_run_is_not_opened(name: str, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (path,) = tmp_path.glob("runs/*/*/*/result.json")
    flip(path.parent / name)
    if name.startswith("valid_"):
        assert RunDirectory(path.parent).damaged() == path.parent / name
    elif name in ("logits.npy", "labels.npy", "history.jsonl"):
        with pytest.raises(UserError, match=name):
            getattr(open_run(path.parent), name.partition(".")[0])
    else:
        with pytest.raises(UserError, match=name.partition("/")[0]):
            OpenedRun(path.parent)


def test_whole_runs_are_not_read_again(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep of finished runs takes as long as looking at the times of their files."""
    words = ["train", "-m", *WIDE, "results=."]
    first = ctrbench(*words, cwd=trained)

    monkeypatch.delattr(files, "file_digest")
    again = ctrbench(*words, cwd=trained)
    assert again.returncode == 0 and again.stdout == first.stdout
    assert "epoch 1" not in first.stderr + again.stderr
