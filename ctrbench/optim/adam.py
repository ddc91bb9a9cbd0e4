"""Adam (Kingma & Ba 2015)."""

import torch
from torch import nn

from ctrbench.optim.decay import decay_rows_of_the_batch, decayed_groups
from ctrbench.optim.registry import builds
from ctrbench.optim.settings import AdamSettings


@builds(AdamSettings)
def adam(model: nn.Module, settings: AdamSettings) -> torch.optim.Optimizer:
    """Torch's, dense and fused."""
    betas = (settings.betas[0], settings.betas[1])
    groups = decayed_groups(model, settings)
    optimizer = torch.optim.Adam(groups, settings.lr, betas, settings.eps, fused=True)
    return decay_rows_of_the_batch(optimizer, model, settings)
