"""Logarithmic transformation: products of fields to learnt powers (Cheng et al. 2020)."""

from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.layers.mlp import glorot

LEAST = 1e-5  # of |e|, before its logarithm


class LogarithmicTransformation(nn.Module):
    """y_j = exp(sum_i w_ij ln e_i) = prod_i e_i^{w_ij} for each neuron j (AFN).

    Elementwise, with e_i the embedding's absolute values, at least 1e-5 as in FuxiCTR. Logarithms
    and exponentials are normalised over the batch, for each field and neuron.

    Shapes: BFK -> B x K N.
    """

    def __init__(self, fields: int, dim: int, neurons: int) -> None:
        super().__init__()
        self.log_norm = nn.BatchNorm1d(fields)
        self.weight = glorot(neurons, fields, inputs=fields, outputs=neurons)
        self.exp_norm = nn.BatchNorm1d(neurons)

    def forward(self, e_BFK: Tensor) -> Tensor:
        batch, fields, dim = e_BFK.shape
        ln_BFK = e_BFK.abs().clamp(min=LEAST).log()
        ln_NF = self.log_norm(ln_BFK.transpose(1, 2).reshape(-1, fields))
        y_NJ: Tensor = self.exp_norm(F.linear(ln_NF, self.weight).exp())
        return y_NJ.view(batch, dim * len(self.weight))
