"""DeepCTR-Torch's models."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from deepctr_torch.inputs import SparseFeat
from deepctr_torch.models import DeepFM
from torch import Tensor

from ctrbench.config.settings import RunSettings
from ctrbench.data.batches import Batch
from ctrbench.data.schema import Schema
from ctrbench.data.store.opened import Part


class DeepCTRTorch:
    """A model of DeepCTR-Torch, its step and its epoch. An FM is its DeepFM without hidden
    layers."""

    name, package = "DeepCTR-Torch", "deepctr-torch"
    models = ("fm", "deepfm")

    def __init__(self, run: RunSettings, schema: Schema, part: Part, batch_size: int) -> None:
        self.schema, self.part, self.batch_size = schema, part, batch_size
        model: Any = run.model
        columns = [
            SparseFeat(field.name, field.size, embedding_dim=model.embedding_dim)
            for field in schema.fields
        ]
        deep = model.name == "deepfm"
        self.model = DeepFM(
            *(columns, columns),
            dnn_hidden_units=tuple(model.widths) if deep else (),
            dnn_dropout=model.dropout if deep else 0,
            dnn_activation=model.activation if deep else "relu",
            l2_reg_linear=0,
            l2_reg_embedding=0,
            seed=run.seed,
        )
        self.model.compile("adam", "binary_crossentropy")
        self.model.train()

    def batch(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return a batch as its loader gives it: ids as floats."""
        return batch[0].float(), batch[2]

    def step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Train on a batch as its ``fit`` does, which has no function for that."""
        model, (x_BF, labels_B) = self.model, batch
        y_B = model(x_BF).squeeze(-1)
        model.optim.zero_grad()
        loss = model.loss_func(y_B, labels_B, reduction="sum")
        total = loss + model.get_regularization_loss() + model.aux_loss
        loss.item()
        total.item()
        total.backward()
        model.optim.step()

    def epoch(self, folder: Path) -> Callable[[], None]:
        """Run its ``fit`` for one epoch, with its own loader and no evaluation."""
        del folder
        ids = {field.name: self.part.ids_NS[:, i] for i, field in enumerate(self.schema.fields)}
        labels_N = self.part.labels_N.astype(np.float32)

        def run() -> None:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints
                self.model.fit(dict(ids), labels_N, self.batch_size, epochs=1, verbose=0)

        return run
