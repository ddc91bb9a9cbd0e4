"""Files of ``--config-dir`` hold options alone: nothing in them runs code or reads from outside."""

from pathlib import Path

import pytest
from support import ctrbench

CALLBACK = "callbacks: {c: {_target_: subprocess.run, args: [touch, MARK]}}"
DEFAULTS = "defaults: [/data/planted@_here_]\n"
PAYLOADS = {
    "recipe/x/planted/lr.yaml": f"# @package _global_\nhydra: {{{CALLBACK}}}\n",
    "experiment/x.yaml": f"# @package _global_\nexperiment: {{title: x}}\nhydra: {{{CALLBACK}}}",
    "tuned/planted/lr.yaml": f"# @package hydra\n{CALLBACK}\n",
    "data/header.yaml": f"# @package hydra.callbacks\nc: {{a: 1}}\n{DEFAULTS}",
    "data/target.yaml": f"{DEFAULTS}name: {{_target_: os.system, command: touch MARK}}\n",
    "data/logging.yaml": "defaults: [/data/planted@_here_, override /hydra/job_logging: x]\n",
    "data/elsewhere.yaml": "defaults: [/data/planted@_here_, /data/x@hydra.callbacks.c]\n",
    "data/environment.yaml": f"{DEFAULTS}name: x${{oc.env:USER}}\n",
    "data/nested.yaml": f"{DEFAULTS}crosses: [[{{a: '${{oc.decode:${{oc.env:USER}}}}'}}]]\n",
    "hydra/job_logging/x.yaml": "version: 1\n",
}


@pytest.mark.parametrize("file", PAYLOADS)
@pytest.mark.parametrize("verb", ["train", "reproduce", "data"])
def test_refused_with_the_file(verb: str, file: str, tmp_path: Path) -> None:
    """Whether the command names the file or not, in one line, before anything runs."""
    mark = tmp_path / "mark"
    path = tmp_path / "own" / file
    path.parent.mkdir(parents=True)
    path.write_text(PAYLOADS[file].replace("MARK", str(mark)))
    words = ["table2"] if verb == "reproduce" else []
    done = ctrbench(
        *(verb, *words, "--config-dir", "own", "data=planted", "data.rows=100"), cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and file in done.stderr
    assert not mark.exists() and not (tmp_path / "results").exists()


def test_options_interpolations_and_aliases_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "own" / "data" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("defaults: [/data/planted@_here_]\nname: mine\nrows: &n 300\nseed: *n\n")
    done = ctrbench("train", "--config-dir", "own", "data=mine", "--cfg", "job", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "seed: 300" in done.stdout


def test_aliases_of_aliases_take_no_time(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    path = tmp_path / "own" / "data" / "bomb.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([*lines, "b: ${oc.env:HOME}"]))
    done = ctrbench("train", "--config-dir", "own", "data=planted", "--cfg", "job", cwd=tmp_path)
    assert done.returncode == 1 and "bomb.yaml" in done.stderr
