"""FTRL-Proximal (McMahan et al., Ad Click Prediction, KDD 2013, algorithm 1)."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ctrbench.optim import kernels
from ctrbench.optim.base import Optimizer
from ctrbench.optim.registry import builds
from ctrbench.optim.settings import FTRLSettings
from ctrbench.optim.sparse_rows import request_sparse_gradients, run_update, update_rows


class FTRL(Optimizer):
    """FTRL-Proximal; for each coordinate with gradient g:

        s = (sqrt(n + g^2) - sqrt(n)) / alpha;  z += g - s w;  n += g^2
        w = 0 if |z| <= l1, else -(z - sign(z) l1) / ((beta + sqrt(n)) / alpha + l2)

    A coordinate whose gradient is zero (a feature not in the batch) does not move. The state
    starts at n = 0 and at the z whose weight is the one given, so z = 0 for zero weights.

    Where alpha changes, s is what (beta + sqrt(n)) / alpha has grown by since the coordinate moved
    last, so that the sum of all s is 1 over the learning rate of now (section 3.1), and the change
    alone moves no weight. What it was then is not kept: w ((beta + sqrt(n)) / alpha + l2) of then
    is -(z - sign(z) l1).

    Args:
        lr: alpha.
    """

    def __init__(
        self, params: Iterable[Any], *, lr: float, beta: float, l1: float, l2: float
    ) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "l1": l1, "l2": l2})
        for group in self.param_groups:
            for w in group["params"]:
                steepness = group["beta"] / group["lr"] + group["l2"]
                z = -(w.detach() * steepness + w.detach().sign() * group["l1"])
                self.state[w] = {"z": z, "n": torch.zeros_like(w)}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
        for group in self.param_groups:
            for w in group["params"]:
                states = self.state[w]["z"], self.state[w]["n"]
                scheduled = isinstance(group["lr"], Tensor)
                update = partial(_update_scheduled if scheduled else _update, group=group)
                if w.grad is None:
                    continue
                if not w.grad.is_sparse:
                    update(w, w.grad, *states)
                elif scheduled:
                    update_rows(w, update, *states)
                else:
                    options = group["lr"], group["beta"], group["l1"], group["l2"]
                    run_update(w, kernels.ftrl, list(states), *options)


def _update(w: Tensor, g: Tensor, z: Tensor, n: Tensor, group: dict[str, Any]) -> None:
    alpha, beta, l1, l2 = group["lr"], group["beta"], group["l1"], group["l2"]
    root = n.sqrt()
    n.addcmul_(g, g)
    new_root = n.sqrt()
    z.add_(g - (new_root - root).div_(alpha).mul_(w))
    shrunk = z - z.clamp(-l1, l1)  # z - sign(z) l1 outside [-l1, l1], zero inside
    w.copy_(shrunk.neg_().div_(new_root.add_(beta).div_(alpha).add_(l2)))


def _update_scheduled(w: Tensor, g: Tensor, z: Tensor, n: Tensor, group: dict[str, Any]) -> None:
    """Update where alpha may differ from that of earlier steps."""
    alpha, beta, l1, l2 = group["lr"], group["beta"], group["l1"], group["l2"]
    steepness = n.addcmul_(g, g).sqrt().add_(beta).div_(alpha).add_(l2)
    z.clamp_(-l1, l1).add_(g).sub_(steepness * w)
    moved = (z.clamp(-l1, l1) - z).div_(steepness)
    w.copy_(torch.where(g == 0, w, moved))


@builds(FTRLSettings)
def ftrl(model: nn.Module, settings: FTRLSettings) -> FTRL:
    """Build FTRL over all weights of a model; only the rows of the batch move."""
    request_sparse_gradients(model)
    return FTRL(
        model.parameters(), lr=settings.lr, beta=settings.beta, l1=settings.l1, l2=settings.l2
    )
