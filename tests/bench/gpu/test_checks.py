"""The checks of a GPU: on a GPU where there is one, and on a CPU that stands in for it."""

import pytest
import torch
from stand_in import StandIn
from support import FEW, PAST, Compose, slow, small

from ctrbench.bench.gpu.checks import CHECKS, Check
from ctrbench.bench.gpu.device import Gpu
from ctrbench.models import registry

NAMES = registry.names()
QUICK = ("wide_deep", "din")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("name", [*QUICK, *slow({*FEW, *PAST} - {*QUICK})])
def test_stand_in(name: str, check: Check, settings: Compose) -> None:
    """Of every optimizer, and of every kind of what a step can be made of."""
    figures = check(StandIn(), settings(*small(name), "tuned=none"))
    assert figures.get("same_bytes", True)


@needs_gpu
@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_gpu(name: str, check: Check, settings: Compose) -> None:
    check(Gpu(torch.device("cuda", 0)), settings(*small(name), "tuned=none", "device=cuda"))
