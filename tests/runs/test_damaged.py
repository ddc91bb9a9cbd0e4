"""A finished run whose files were damaged: its command trains it again, as the messages say."""

from pathlib import Path

import pytest
from support import Compose, run, run_directory

from ctrbench.errors import UserError
from ctrbench.runs.opened import OpenedRun

FILES = (
    *("model.safetensors", "logits.npy", "labels.npy", "history.jsonl"),
    *("valid_logits.npy", "valid_labels.npy", "config.yaml", "encoder/store.json"),
)


def flip(path: Path) -> None:
    """Flip a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [flip, Path.unlink], ids=["flipped", "deleted"])
def test_the_command_of_a_damaged_run_repairs_it(
    name: str, damage: object, settings: Compose, tmp_path: Path
) -> None:
    if name == "config.yaml" and damage is flip:
        pytest.skip("a changed setting of a readable config is another description, not damage")
    plan = settings("model=wide_deep", "model.hidden=[4]", "data.rows=400", "trainer.epochs=1")
    run(plan)
    directory = run_directory(plan)
    before = {path: path.read_bytes() for path in directory.path.rglob("*") if path.is_file()}
    result = directory.result()
    assert callable(damage)
    damage(directory.path / name)
    if not name.endswith((".npy", ".jsonl")):
        with pytest.raises(UserError, match=name.split("/")[0]):
            OpenedRun(directory.path)
    again = run(plan)
    assert result is not None and again["metrics"] == result["metrics"]
    for path, content in before.items():
        assert path.name in ("result.json", "history.jsonl") or path.read_bytes() == content
    assert OpenedRun(directory.path)


def test_a_whole_run_is_not_trained_again(settings: Compose) -> None:
    plan = settings("model=lr", "data.rows=400", "trainer.epochs=1")
    first = run(plan)
    assert run(plan) == first
