"""Higher-order factorisation machine (Blondel et al. 2016)."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.interactions.factorised import anova_kernel
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.hofm import HOFMSettings


@implements("hofm")
class HOFM(Model):
    """y = w_0 + sum_i w_i x_i + sum_{t=2}^m sum_k A^t(p_k^t, x), A^t the ANOVA kernel of degree t.

    Each degree has an embedding P^t of its own, or all share one (``shared``). A row of the table
    holds w_i and then the embeddings of degree 2, 3, ..., m.
    """

    def __init__(self, schema: Schema, settings: HOFMSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        self.degrees = range(2, settings.order + 1)
        self.tables = 1 if settings.shared else len(self.degrees)
        columns = self.tables * settings.embedding_dim
        self.embedding = Embedding(schema, columns, settings.init_std, first_order=True)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        w_BF, p_BFC = self.embedding.first_order_and_factors(ids_BS, values_BX)
        p_of_degree = p_BFC.chunk(self.tables, dim=2)
        logits_B: Tensor = self.bias + w_BF.sum(dim=1)
        for degree in self.degrees:
            logits_B = logits_B + anova_kernel(p_of_degree[(degree - 2) % self.tables], degree)
        return logits_B
