"""The help of every verb, and that its examples are what the verb understands."""

import shlex
from pathlib import Path

import pytest
from support import ctrbench

from ctrbench import __version__
from ctrbench.bench.gpu.bench import plan_runs
from ctrbench.bench.gpu.settings import PREFIX, gpu_settings
from ctrbench.bench.models import plan_measurement
from ctrbench.bench.step_times import plan_steps
from ctrbench.command.experiments import find_experiment, sweep_overrides
from ctrbench.command.verb_parser import VERBS
from ctrbench.config.compose import compose, to_settings
from ctrbench.config.settings import RunSettings
from ctrbench.sweep.jobs import expand_lists
from ctrbench.tune import Tuning


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_help(verb: str) -> None:
    done = ctrbench(verb, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"usage: ctrbench {verb} ")
    assert f"\n  ctrbench {verb}" in done.stdout.partition("examples:")[2]
    assert f"\n  {verb} " in ctrbench("--help").stdout
    assert ctrbench(verb, "--version").stdout == f"{__version__}\n"


def settings_of(verb: str, names: list[str], words: list[str]) -> list[RunSettings]:
    """What a verb makes of its words, checked; of several runs the first and the last."""
    if verb == "tune":
        return [request.base.settings for request in Tuning(words, None).requests]
    if verb == "bench" and names == ["gpu"]:
        assert gpu_settings([word for word in words if word.startswith(PREFIX)])
        return [*plan_runs(["model=lr", *(w for w in words if not w.startswith(PREFIX))]).values()]
    if verb == "bench":
        return plan_measurement(words)[0]
    if names and (experiment := find_experiment(names[0], words)).measure:
        return plan_steps(names[0], experiment, words).runs
    made = sweep_overrides(names[0], experiment, words) if names else words
    jobs = expand_lists(made)
    return [to_settings(compose(job.overrides)) for job in (jobs[0], jobs[-1])]


EXAMPLES = [
    (name, example)
    for name, verb in VERBS.items()
    for example in (verb.examples if verb.composes else ())
]


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_the_examples_of_the_help_are_understood(
    name: str, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every key and choice in them exists, and has the value that they give it."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(example.split(" > ")[0])[2:]
    words = [word for word in words if word not in ("-m", "--list")]
    names = [word for word in words if "=" not in word]
    own = () if name in ("tune", "bench") else VERBS[name].keys
    keyed = [word for word in words if "=" in word and word.partition("=")[0] not in own]
    found = settings_of(name, names, keyed)
    models = next((word[6:].split(",") for word in words if word.startswith("model=")), None)
    assert found and (models is None or {one.model.name for one in found} <= {*models, "lr"})


def test_flags_of_hydra() -> None:
    assert "train --cfg hydra" in ctrbench("train", "--hydra-help").stderr
    info = ctrbench("train", "--info", "searchpath")
    assert "pkg://hydra.conf" in info.stdout and info.stderr == ""
    assert ctrbench("train", "--cfg", "job", "-p", "model.hidden").stdout == "null\n"
    assert "BasicSweeper" in ctrbench("train", "--cfg", "hydra", "-p", "hydra.sweeper").stdout
