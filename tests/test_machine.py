"""Which device a name stands for."""

import pytest
import torch

from ctrbench.errors import UserError
from ctrbench.machine import resolve_device


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_gpus")
def test_gpus_by_number() -> None:
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    assert resolve_device("auto") == torch.device("cuda")
    with pytest.raises(UserError, match=r"device=cuda:2: no such GPU; torch sees cuda:0 to cuda:1"):
        resolve_device("cuda:2")


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device=cuda:1: no GPU is visible"):
        resolve_device("cuda:1")
    assert resolve_device("auto") == torch.device("cpu")
