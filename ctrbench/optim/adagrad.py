"""AdaGrad (Duchi et al. 2011)."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adagrad import adagrad as torchs_adagrad
from torch.torch_version import TorchVersion

from ctrbench.optim.decay import DecayedByParts, decayed_groups
from ctrbench.optim.registry import builds
from ctrbench.optim.settings import AdagradSettings
from ctrbench.optim.touched import ask_for_touched_rows, move_touched

FUSED_ON_GPUS = "2.13"  # of torch


class Adagrad(DecayedByParts, torch.optim.Adagrad):
    """Torch's, fused where it can be; L2 by parts.

    A row that the batch does not read has no gradient and does not move, unless L2 moves all rows:
    only the others are updated.
    """

    def __init__(self, model: nn.Module, settings: AdagradSettings) -> None:
        on_cpu = all(p.device.type == "cpu" for p in model.parameters())
        fused = on_cpu or TorchVersion(torch.__version__) >= FUSED_ON_GPUS
        super().__init__(
            decayed_groups(model, settings), settings.lr, eps=settings.eps, fused=fused
        )
        ask_for_touched_rows(model)

    def of_table(self, w: Tensor, group: dict[str, Any]) -> None:
        if group["weight_decay"] > 0:
            self._spread(w)
        else:
            update = partial(_update, step=self.state[w]["step"], group=group)
            move_touched(w, update, self.state[w]["sum"])
            w.grad = None


def _update(w: Tensor, g: Tensor, n: Tensor, step: Tensor, group: dict[str, Any]) -> None:
    torchs_adagrad(
        *([w], [g], [n], [step]),
        fused=True,
        lr=group["lr"],
        weight_decay=0.0,
        lr_decay=0.0,
        eps=group["eps"],
        maximize=False,
    )


@builds(AdagradSettings)
def adagrad(model: nn.Module, settings: AdagradSettings) -> Adagrad:
    """Over all weights of a model."""
    return Adagrad(model, settings)
