"""Settings of the trainer: how far it is from one evaluation to the next."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from trainers import PLAIN, Steps, trainer

from ctrbench.errors import UserError
from ctrbench.settings import check


@pytest.mark.parametrize(
    ("every", "steps", "between"),
    [
        (None, 30, 30),
        (7, 30, 7),
        (31, 30, 30),
        (0.1, 30, 3),  # .1 * 30 is a little more than 3
        (0.25, 30, 8),
        (0.5, 1, 1),
        (1e-9, 30, 1),
    ],
)
def test_steps_between_evaluations(every: Any, steps: int, between: int) -> None:
    assert replace(PLAIN, eval_every=every).steps_between(steps) == between


@pytest.mark.parametrize("every", [0, -1, 1.0, 2.5, "often", True, [4]])
def test_what_is_neither_steps_nor_a_share_is_refused(every: Any) -> None:
    with pytest.raises(UserError, match=r"trainer\.eval_every=.*below 1"):
        check(replace(PLAIN, eval_every=every))


def test_a_share_of_an_epoch_is_evaluated_as_its_steps_are(tmp_path: Path) -> None:
    """Ten steps an epoch: at the third, the sixth, the ninth and the last."""
    lines = []
    for every in (0.25, 3):
        own = trainer(tmp_path / f"{every}.pt", settings=replace(PLAIN, epochs=1, eval_every=every))
        history = own.fit(Steps(), lambda history: None).history
        lines.append([(line["step"], line["valid_logloss"]) for line in history])
    assert lines[0] == lines[1] and [step for step, _ in lines[0]] == [3, 6, 9, 10]
