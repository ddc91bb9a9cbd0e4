"""Enhanced Deep & Cross Network (Chen et al. 2021)."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.mlp import glorot, hidden_layers, linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.edcn import EDCNSettings


@implements("edcn")
class EDCN(Model):
    """y = w^T (c_L, h_L, f_L) + b of two networks that share what they have after every layer.

    c_l = x_0 c^T w_l + b_l^c + c, h_l = act(W_l h + b_l^h), f_l = bridge(c_l, h_l); c and h are
    what the regulation module gives to each network of f_{l-1}, or of the embeddings at first, and
    x_0 is the first c.
    """

    def __init__(self, schema: Schema, settings: EDCNSettings) -> None:
        super().__init__()
        dim = len(schema.fields) * settings.embedding_dim
        self.embedding = Embedding(schema, settings.embedding_dim, settings.init_std)
        layers, plain = range(settings.cross_layers), replace(settings, batch_norm=False)
        self.regulations = nn.ModuleList(_Regulation(schema, settings) for _ in layers)
        # Where the sum of both is normalised, that would subtract the bias again.
        subtracted = settings.batch_norm and settings.bridge == "addition"
        self.crosses = nn.ModuleList(
            _Cross(dim, bias=n == layers[-1] or not subtracted) for n in layers
        )
        self.hidden = nn.ModuleList(
            nn.Sequential(*hidden_layers(dim, [dim], plain)) for _ in layers
        )
        self.bridges = nn.ModuleList(_Bridge(dim, settings.bridge) for _ in layers)
        self.output = linear(3 * dim, 1)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        f_BD = self.embedding(ids_BS, values_BX).flatten(start_dim=1)
        x_0_BD = None
        layers = zip(self.regulations, self.crosses, self.hidden, self.bridges, strict=True)
        for regulation, cross, hidden, bridge in layers:
            c_BD, h_BD = regulation(f_BD)
            x_0_BD = c_BD if x_0_BD is None else x_0_BD
            c_BD, h_BD = cross(x_0_BD, c_BD), hidden(h_BD)
            f_BD = bridge(c_BD, h_BD)
        logits_B: Tensor = self.output(torch.cat([c_BD, h_BD, f_BD], dim=1)).squeeze(1)
        return logits_B


class _Cross(nn.Module):
    """x_0 c^T w + b + c. Shapes: BD, BD -> BD."""

    def __init__(self, dim: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = glorot(dim, inputs=dim, outputs=1)
        self.bias = nn.Parameter(torch.zeros(dim)) if bias else None

    def forward(self, x_BD: Tensor, c_BD: Tensor) -> Tensor:
        shifted_BD = c_BD if self.bias is None else self.bias + c_BD
        return torch.addcmul(shifted_BD, x_BD, (c_BD @ self.weight)[:, None])


class _Bridge(nn.Module):
    """c * h, c + h, or relu(W (c, h) + b). Shapes: BD, BD -> BD."""

    def __init__(self, dim: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind == "concatenation":
            self.joined = nn.Sequential(linear(2 * dim, dim), nn.ReLU())

    def forward(self, c_BD: Tensor, h_BD: Tensor) -> Tensor:
        if self.kind == "hadamard":
            return c_BD * h_BD
        if self.kind == "addition":
            return c_BD + h_BD
        joined_BD: Tensor = self.joined(torch.cat([c_BD, h_BD], dim=1))
        return joined_BD


class _Regulation(nn.Module):
    """Each field's part of f times a weight of it for each network, softmax(g / temperature); f as
    it is without a temperature. Batch normalisation, if any, is of what comes out, as in FuxiCTR.

    Shapes: BD -> BD, BD.
    """

    def __init__(self, schema: Schema, settings: EDCNSettings) -> None:
        super().__init__()
        self.temperature, self.dim = settings.temperature, settings.embedding_dim
        if self.temperature is not None:
            self.gates = nn.Parameter(torch.ones(2, len(schema.fields)))
        units, normed = len(schema.fields) * self.dim, settings.batch_norm
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(units) if normed else nn.Identity() for _ in range(2)
        )

    def forward(self, f_BD: Tensor) -> tuple[Tensor, Tensor]:
        parts = [f_BD, f_BD]
        if self.temperature is not None:
            gates = (self.gates / self.temperature).softmax(dim=1)
            parts = [f_BD * gate_D for gate_D in gates.repeat_interleave(self.dim, dim=1)]
        c_BD, h_BD = (norm(part_BD) for norm, part_BD in zip(self.norms, parts, strict=True))
        return c_BD, h_BD
