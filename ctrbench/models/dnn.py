"""The network alone: embeddings and a multilayer perceptron (Covington et al. 2016)."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.mlp import MLP
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.base import DeepSettings


@implements("dnn")
class DNN(Model):
    """y = MLP([V_1 x_1, ..., V_F x_F]), the deep part of DeepFM by itself."""

    def __init__(self, schema: Schema, settings: DeepSettings) -> None:
        super().__init__()
        dim = settings.embedding_dim
        self.embedding = Embedding(schema, dim, settings.init_std)
        self.mlp = MLP(len(schema.fields) * dim, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        v_BFK = self.embedding(ids_BS, values_BX)
        logits_B: Tensor = self.mlp(v_BFK.flatten(start_dim=1))
        return logits_B
