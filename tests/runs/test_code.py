"""The digest of the code that trains: what it depends on, and where a difference is said."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ctrbench

from ctrbench.files import seal
from ctrbench.runs import code
from ctrbench.runs.code import differing_code

SMALL = ["data.rows=2000", "data.vocabulary=30", "trainer.epochs=1", "threads=1"]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing is remembered of edited sources."""
    yield
    code._digest.cache_clear()


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("models/fm.py", '"""', '"""Edited. ', set()),
        ("models/fm.py", "return ", "return +", {"fm model"}),
        ("layers/embedding.py", "return ", "return +", {"fm package", "lr package"}),
        ("models/settings/base.py", "", "EDITED = 1\n", {"fm model", "lr model"}),
    ],
    ids=["docstring", "model", "package", "settings"],
)
def test_what_the_digests_depend_on(
    name: str, old: str, new: str, changed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [code.code_digests(model) for model in ("fm", "lr")]
    path = code.PACKAGE / name
    assert old in code._SOURCES[path]
    edited = code._SOURCES[path].replace(old, new, 1)
    monkeypatch.setitem(code._SOURCES, path, edited)
    code._digest.cache_clear()
    differing = {
        f"{model} {key}"
        for model, own in zip(("fm", "lr"), before, strict=True)
        for key, digest in code.code_digests(model).items()
        if key != "text" and digest != own[key]
    }
    assert differing == changed


def test_a_file_edited_while_the_process_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code is what was imported, whatever the file says now."""
    before = code.code_digests("fm")
    code._digest.cache_clear()
    monkeypatch.setattr(Path, "read_text", lambda self: "raise SystemExit")
    assert code.code_digests("fm") == before


def test_where_runs_of_one_comparison_differ() -> None:
    fm = [("fm", {"package": "a", "model": "f"}), ("fm", {"package": "a", "model": "g"})]
    lr = [("lr", {"package": "a", "model": "l"}), ("lr", None)]
    (text,) = differing_code([*fm, *lr])
    assert "fm (2)" in text and "lr" not in text
    assert len(differing_code([*fm, ("lr", {"package": "b", "model": "l"})])) == 2
    assert differing_code(lr) == [] == differing_code([])


def test_train_and_report_say_it(tmp_path: Path) -> None:
    results = f"results={tmp_path}"
    assert ctrbench("train", "-m", "model=lr", "seed=0,1", *SMALL, results).returncode == 0
    path = sorted(tmp_path.glob("runs/*/*/*/result.json"))[0]
    result = json.loads(path.read_text())
    assert result["code"].keys() == {"package", "model", "text"}
    assert "trained by" not in ctrbench("report", results).stdout
    single = ["train", "model=lr", f"seed={result['seed']}", *SMALL, results]
    result["code"]["text"] = "1" * 16  # only a comment was edited
    path.write_text(json.dumps(seal(result)))
    assert "other code" not in ctrbench(*single).stderr
    result["code"]["model"] = "0" * 16
    path.write_text(json.dumps(seal(result)))
    again = ctrbench("train", "-m", "model=lr", "seed=0,1", *SMALL, results)
    assert "different code: lr (2)" in again.stdout
    done = ctrbench(*single)
    assert "other code" in done.stderr and done.returncode == 0
    assert "different code: lr (2)" in ctrbench("report", results).stdout
