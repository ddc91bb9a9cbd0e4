"""AdaGrad (Duchi et al. 2011)."""

from typing import Any

import torch
from torch import Tensor, nn

from ctrbench.optim import kernels
from ctrbench.optim.decay import L2Optimizer, l2_groups
from ctrbench.optim.registry import builds
from ctrbench.optim.settings import AdagradSettings
from ctrbench.optim.sparse_rows import request_sparse_gradients, run_update


class Adagrad(L2Optimizer, torch.optim.Adagrad):
    """torch's AdaGrad, fused, with the L2 terms of :func:`ctrbench.optim.decay.l2_groups`.

    A row that the batch does not read has no gradient and does not move, so only the rows of the
    batch are updated, unless L2 moves all rows.
    """

    def __init__(self, model: nn.Module, settings: AdagradSettings) -> None:
        super().__init__(l2_groups(model, settings), settings.lr, eps=settings.eps, fused=True)
        request_sparse_gradients(model)

    def update_table(self, w: Tensor, group: dict[str, Any]) -> None:
        if group["weight_decay"] > 0:
            self._dense.to_dense(w)
        else:
            self.state[w]["step"] += 1
            states = [self.state[w]["sum"]]
            run_update(w, kernels.adagrad, states, float(group["lr"]), group["eps"])
            w.grad = None


@builds(AdagradSettings)
def adagrad(model: nn.Module, settings: AdagradSettings) -> Adagrad:
    """Build AdaGrad over all weights of a model."""
    return Adagrad(model, settings)
