"""Every model keeps the contract, and a model that breaks it fails the check that says so."""

import random
from pathlib import Path

import pytest
import torch
from models.small import HIDDEN, NAMES, SMALL, given, schema_of
from own_folder import blocks, write_own_folder
from support import Compose, ctrbench
from torch import Tensor, nn

from ctrbench.check.contract import CHECKS, CheckError, Subject
from ctrbench.models.base import Model

# Parameters behind a context of zero and hidden layers of relus: see FinalMLP.
LATE = {"finalmlp"}


def subject_of(name: str, settings: Compose, kind: type[Subject] = Subject) -> Subject:
    own = settings(f"model={name}", *SMALL.get(name, HIDDEN))
    ids, values, labels = given(64, name)
    return kind(own, schema_of(name), (ids, values.float(), labels.float()))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_every_model_keeps_the_contract(name: str, check: str, settings: Compose) -> None:
    note = CHECKS[check](subject_of(name, settings))
    assert bool(note) == (check == "gradients" and name in LATE)


class Broken(Model):
    """A model that breaks one rule."""

    def __init__(self, model: Model, rule: str) -> None:
        super().__init__()
        self.model, self.rule = model, rule
        if rule == "gradients":
            self.unused = nn.Parameter(torch.ones(3))
        if rule == "seed":
            self.drawn = nn.Parameter(torch.full((1,), random.random()))

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        logits_B: Tensor = self.model(ids_BS, values_BX)
        match self.rule:
            case "shapes":
                return logits_B[:, None]
            case "seed":
                return logits_B * self.drawn
            case "order":
                return logits_B - logits_B.mean()
            case "rows":
                return logits_B if len(logits_B) > 1 else logits_B[:0]
            case "bf16":
                return (logits_B + 1e4) - 1e4
            case "no wait":
                return logits_B * (1 if logits_B.sum().item() < 1e9 else 2)
            case "export":
                return logits_B + len(logits_B.tolist())
        return logits_B


@pytest.mark.parametrize("rule", CHECKS)
def test_a_model_that_breaks_a_rule_fails_its_check(rule: str, settings: Compose) -> None:
    class Other(Subject):
        def build(self) -> Model:
            return Broken(super().build(), rule)

    subject = subject_of("dnn", settings, Other)
    expected = (Exception,) if rule in ("no wait", "export") else (CheckError,)
    with pytest.raises(expected):
        CHECKS[rule](subject)


def test_the_verb_prints_a_line_for_each_check(tmp_path: Path) -> None:
    write_own_folder(tmp_path, "my/models/gatefm.py")
    words = ["check", "--config-dir", "my", "model=gatefm", "model.hidden=[4]", "data.rows=600"]
    done = ctrbench(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(CHECKS) + 2 and all(line.startswith("ok") for line in lines)
    assert "deepfm" in lines[-1] and not (tmp_path / "results").exists()


def test_the_verb_fails_with_the_place(tmp_path: Path) -> None:
    """A state that no checkpoint has, and an error for a batch without rows."""
    write_own_folder(tmp_path, "my/models/gatefm.py")
    text = blocks()["my/models/gatefm.py"].replace(
        "        gate_BD",
        "        self.calls = getattr(self, 'calls', 0) + self.training\n"
        "        v_BD = v_BD * (1 + self.calls)\n"
        "        assert len(v_BD), 'no rows'\n        gate_BD",
    )
    (tmp_path / "my/models/gatefm.py").write_text(text)
    words = ["check", "--config-dir", "my", "model=gatefm", "model.hidden=[4]", "data.rows=600"]
    done = ctrbench(*words, cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    states = {line[5:16].strip(): line for line in done.stdout.splitlines()}
    assert states["resume"].startswith("FAIL") and states["rows"].startswith("FAIL")
    assert "gatefm.py, line" in states["rows"] and "no rows" in states["rows"]


def test_the_verb_needs_a_model(tmp_path: Path) -> None:
    done = ctrbench("check", cwd=tmp_path)
    assert done.returncode == 1 and "model=NAME" in done.stderr
