"""Attention between fields (Song et al. 2019)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.layers.mlp import glorot
from ctrbench.layers.settings import AttentionSettings


class InteractingLayer(nn.Module):
    """relu(sum_k alpha_mk W_V e_k, of all heads side by side, + W_Res e_m) (AutoInt).

    alpha_m = softmax over k of <W_Q e_m, W_K e_k>, for each head. W_Res is the identity where the
    lengths agree. A layer norm stands before the relu, and dropout on alpha, as in FuxiCTR.

    Args:
        inputs: length of the vectors that come in.

    Shapes: B x F x inputs -> BFA, A = ``settings.attention_dim``.
    """

    def __init__(self, inputs: int, settings: AttentionSettings) -> None:
        super().__init__()
        dim = settings.attention_dim
        self.settings, self.heads = settings, (settings.heads, dim // settings.heads)
        self.projected = settings.residual and inputs != dim
        maps = 4 if self.projected else 3  # W_Q, W_K, W_V and W_Res
        self.weight = glorot(maps * dim, inputs, inputs=inputs, outputs=dim)
        self.norm = nn.LayerNorm(dim) if settings.layer_norm else nn.Identity()

    def forward(self, e_BFI: Tensor) -> Tensor:
        dim = self.settings.attention_dim
        query, key, value, *residual = torch.split(F.linear(e_BFI, self.weight), dim, dim=2)
        query, key, value = (
            each.view(*each.shape[:2], *self.heads).transpose(1, 2) for each in (query, key, value)
        )
        mixed_BHFA = F.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=self.settings.attention_dropout if self.training else 0.0,
            scale=None if self.settings.scale else 1.0,
        )
        mixed_BFA = mixed_BHFA.transpose(1, 2).flatten(start_dim=2)
        if self.settings.residual:
            mixed_BFA = mixed_BFA + (residual[0] if residual else e_BFI)
        attended_BFA: Tensor = self.norm(mixed_BFA).relu()
        return attended_BFA
