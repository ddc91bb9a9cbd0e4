"""Adam (Kingma & Ba 2015), dense. :mod:`ctrbench.optim.lazy_adam` chooses between this and a lazy
update of large tables, which gives the same weights."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam as torch_adam

from ctrbench.optim.decay import L2Optimizer, l2_groups
from ctrbench.optim.settings import AdamSettings
from ctrbench.optim.sparse_rows import request_sparse_gradients


class Adam(L2Optimizer, torch.optim.Adam):
    """torch's fused Adam with the L2 terms of :func:`ctrbench.optim.decay.l2_groups`.

    Every row of every table moves in each step, as in the papers: the moments of a row that the
    batch does not read move it on.
    """

    def __init__(self, model: nn.Module, settings: AdamSettings) -> None:
        betas = (settings.betas[0], settings.betas[1])
        super().__init__(l2_groups(model, settings), settings.lr, betas, settings.eps, fused=True)
        request_sparse_gradients(model)

    def update_table(self, w: Tensor, group: dict[str, Any]) -> None:
        self._dense.to_dense(w)


def adam_update(
    w: Tensor, m: Tensor, v: Tensor, g: Tensor, step: Tensor, group: dict[str, Any]
) -> None:
    """Apply one step of torch's fused Adam, without weight decay, to tensors in place."""
    beta1, beta2 = group["betas"]
    torch_adam(
        *([w], [g], [m], [v], [], [step]),
        fused=True,
        amsgrad=False,
        beta1=beta1,
        beta2=beta2,
        lr=group["lr"],
        weight_decay=0.0,
        eps=group["eps"],
        maximize=False,
    )
