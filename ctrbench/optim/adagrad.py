"""AdaGrad (Duchi et al. 2011)."""

import torch
from torch import nn

from ctrbench.optim.decay import decay_rows_of_the_batch, decayed_groups
from ctrbench.optim.registry import builds
from ctrbench.optim.settings import AdagradSettings


@builds(AdagradSettings)
def adagrad(model: nn.Module, settings: AdagradSettings) -> torch.optim.Optimizer:
    """Torch's, fused where it can be."""
    groups = decayed_groups(model, settings)
    on_cpu = all(p.device.type == "cpu" for p in model.parameters())
    optimizer = torch.optim.Adagrad(groups, settings.lr, eps=settings.eps, fused=on_cpu)
    return decay_rows_of_the_batch(optimizer, model, settings)
