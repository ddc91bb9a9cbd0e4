"""Convolutional click prediction model (Liu et al. 2015)."""

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.interactions.convolution import RowConvolution, flexible_p, p_max_pooling
from ctrbench.layers.mlp import linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.ccpm import CCPMSettings


@implements("ccpm")
class CCPM(Model):
    """y = W flatten(s_l) + b, s_i = tanh(p_i-max pooling(convolution_i(s_{i-1}))) (section 3).

    s_0 is the K x F matrix of the embeddings.
    """

    def __init__(self, schema: Schema, settings: CCPMSettings) -> None:
        super().__init__()
        dim, layers = settings.embedding_dim, len(settings.maps)
        self.embedding = Embedding(schema, dim, settings.init_std)
        self.convolutions = nn.ModuleList()
        self.p: list[int] = []
        maps, length = 1, len(schema.fields)
        for i, (out, width) in enumerate(zip(settings.maps, settings.filters, strict=True), 1):
            self.convolutions.append(RowConvolution(maps, out, dim, width, length))
            p = flexible_p(i, layers, len(schema.fields))
            maps, length = out, min(p, length + width - 1)
            self.p.append(length)
        self.output = linear(maps * dim * length, 1)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        s_BCKn = self.embedding(ids_BS, values_BX).transpose(1, 2)[:, None]
        for convolution, p in zip(self.convolutions, self.p, strict=True):
            s_BCKn = p_max_pooling(convolution(s_BCKn), p).tanh()
        logits_B: Tensor = self.output(s_BCKn.flatten(start_dim=1)).squeeze(1)
        return logits_B
