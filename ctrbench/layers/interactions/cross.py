"""Cross networks: each layer multiplies by the input once more (Wang et al. 2017, 2021, 2023).

x_0 are the embeddings of all fields, one vector of length D. Each network: BD -> BD.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.layers.mlp import glorot, linear


class CrossNetwork(nn.Module):
    """x_{l+1} = x_0 x_l^T w_l + b_l + x_l (DCN, eq. 3).

    Every x_l is alpha_l x_0 + beta_l, with a number alpha_l for each row and a vector beta_l that
    all rows share. So alpha_{l+1} = alpha_l (1 + x_0^T w_l) + beta_l^T w_l, beta_{l+1} = beta_l +
    b_l, and one product of x_0 with all w_l is enough.
    """

    def __init__(self, dim: int, layers: int) -> None:
        super().__init__()
        self.weight = glorot(layers, dim, inputs=dim, outputs=1)
        self.bias = nn.Parameter(torch.zeros(layers, dim))

    def forward(self, x_BD: Tensor) -> Tensor:
        dots_BL = F.linear(x_BD, self.weight)
        beta_LD = self.bias.cumsum(dim=0)
        shared_L = ((beta_LD - self.bias) * self.weight).sum(dim=1)
        alpha_B = torch.ones_like(dots_BL[:, 0])
        for dot_B, shared in zip(dots_BL.unbind(dim=1), shared_L, strict=True):
            alpha_B = alpha_B * (1 + dot_B) + shared
        return torch.addcmul(beta_LD[-1], alpha_B[:, None], x_BD)


class CrossNetworkV2(nn.Module):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l (DCN-V2)."""

    def __init__(self, dim: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(linear(dim, dim) for _ in range(layers))

    def forward(self, x_BD: Tensor) -> Tensor:
        x_l_BD = x_BD
        for layer in self.layers:
            x_l_BD = torch.addcmul(x_l_BD, x_BD, layer(x_l_BD))
        return x_l_BD


class CrossNetworkMix(nn.Module):
    """x_{l+1} = sum_e G_e(x_l) E_e(x_l) + x_l, a mixture of low-rank experts (DCN-V2).

    E_e(x_l) = x_0 * (U_l^e g(C_l^e g(V_l^eT x_l)) + b_l). Where the paper is silent, as in
    FuxiCTR: g is tanh, and G a softmax over the experts of a linear map without a bias that all
    layers share.
    """

    def __init__(self, dim: int, layers: int, rank: int, experts: int) -> None:
        super().__init__()
        self.gate = glorot(experts, dim, inputs=dim, outputs=1)
        self.layers = nn.ModuleList(_Experts(dim, rank, experts) for _ in range(layers))

    def forward(self, x_BD: Tensor) -> Tensor:
        x_l_BD = x_BD
        for layer in self.layers:
            gates_BE = F.linear(x_l_BD, self.gate).softmax(dim=1)
            x_l_BD = torch.addcmul(x_l_BD, x_BD, layer(x_l_BD, gates_BE))
        return x_l_BD


class _Experts(nn.Module):
    """sum_e G_e U^e g(C^e g(V^eT x)) + b, of all experts at once: the gates add up to 1.

    Shapes: BD, BE -> BD.
    """

    def __init__(self, dim: int, rank: int, experts: int) -> None:
        super().__init__()
        self.v = glorot(experts, rank, dim, inputs=dim, outputs=rank)
        self.c = glorot(experts, rank, rank, inputs=rank, outputs=rank)
        self.u = glorot(experts, rank, dim, inputs=rank, outputs=dim)
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x_BD: Tensor, gates_BE: Tensor) -> Tensor:
        low_BN = F.linear(x_BD, self.v.flatten(0, 1)).tanh()
        low_BER = low_BN.view(-1, *self.v.shape[:2])
        low_EBR = (low_BER.transpose(0, 1) @ self.c.transpose(1, 2)).tanh()
        gated_BER = low_EBR.transpose(0, 1) * gates_BE[..., None]
        return F.linear(gated_BER.flatten(start_dim=1), self.u.flatten(0, 1).T, self.bias)


class GatedCrossNetwork(nn.Module):
    """c_{l+1} = c_0 * (W_l^c c_l + b_l) * sigmoid(W_l^g c_l) + c_l (GDCN)."""

    def __init__(self, dim: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(linear(dim, dim) for _ in range(layers))
        gates = [glorot(dim, dim, inputs=dim, outputs=dim) for _ in range(layers)]
        self.gates = nn.ParameterList(gates)

    def forward(self, c_BD: Tensor) -> Tensor:
        c_l_BD = c_BD
        for layer, gate in zip(self.layers, self.gates, strict=True):
            opened_BD = layer(c_l_BD) * F.linear(c_l_BD, gate).sigmoid()
            c_l_BD = torch.addcmul(c_l_BD, c_BD, opened_BD)
        return c_l_BD
