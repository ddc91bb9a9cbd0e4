"""FuxiCTR's models, composed of its layers as its own files of models compose them: its package
brings the layers, the training step and the loaders, but not those files.
"""

import tempfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders import RankDataLoader
from fuxictr.pytorch.layers import (
    FactorizationMachine,
    FeatureEmbedding,
    LogisticRegression,
    MLP_Block,
)
from fuxictr.pytorch.models import BaseModel
from torch import Tensor

from ctrbench.config.settings import RunSettings
from ctrbench.data.batches import Batch
from ctrbench.data.schema import Schema
from ctrbench.data.store.opened import Part

LABEL, RATE = "label", 1e-3
CLIP_NORM = 10.0  # as the note of the table says


class _Model(BaseModel):  # type: ignore[misc]
    def __init__(self, about: FeatureMap, run: RunSettings) -> None:
        folder = tempfile.gettempdir()  # nothing is written there: a step keeps nothing
        super().__init__(about, verbose=0, model_root=folder, metrics=["AUC"])
        model: Any = run.model
        name, dim = model.name, getattr(model, "embedding_dim", 0)
        self.wide = LogisticRegression(about) if name == "lr" else FactorizationMachine(about)
        self.embedding_layer = FeatureEmbedding(about, dim) if dim else None
        self.deep = None
        if name == "deepfm":
            self.deep = MLP_Block(
                input_dim=about.sum_emb_out_dim(),
                output_dim=1,
                hidden_units=model.widths,
                hidden_activations=model.activation,
                dropout_rates=model.dropout,
            )
        self.compile("adam", "binary_crossentropy", RATE)
        self.reset_parameters()

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        x = self.get_inputs(inputs)
        if self.embedding_layer is None:
            return {"y_pred": self.output_activation(self.wide(x))}
        rows_BFK = self.embedding_layer(x)
        logits_B1 = self.wide(x, rows_BFK)
        if self.deep is not None:
            logits_B1 = logits_B1 + self.deep(rows_BFK.flatten(start_dim=1))
        return {"y_pred": self.output_activation(logits_B1)}


class FuxiCTR:
    """A model of FuxiCTR, its step and its epoch."""

    name, package = "FuxiCTR", "fuxictr"
    models = ("lr", "fm", "deepfm")

    def __init__(self, run: RunSettings, schema: Schema, part: Part, batch_size: int) -> None:
        self.about, self.part, self.batch_size = _feature_map(schema, run), part, batch_size
        torch.manual_seed(run.seed)
        self.model = _Model(self.about, run).train()
        self.model._max_gradient_norm = CLIP_NORM  # that of its ``fit``

    def batch(self, batch: Batch) -> dict[str, Tensor]:
        """Return a batch as its loaders give it: a column of one tensor for each field."""
        ids_BF, _, labels_B = batch
        ids_BF = ids_BF.long()
        columns = {name: ids_BF[:, i] for i, name in enumerate(self.about.features)}
        return columns | {LABEL: labels_B}

    def step(self, batch: dict[str, Tensor]) -> None:
        """Run FuxiCTR's own training step."""
        self.model.train_step(batch)

    def epoch(self, folder: Path) -> Callable[[], None]:
        """Train one epoch with its loader of one file, with its default of one worker and no
        evaluation."""
        columns: dict[str, Any] = {
            name: self.part.ids_NS[:, i] for i, name in enumerate(self.about.features)
        }
        columns[LABEL] = self.part.labels_N.astype(np.int32)
        path = folder / "fuxictr.npz"
        np.savez(path, **columns)
        loader, _ = RankDataLoader(
            self.about,
            stage="train",
            train_data=str(path),
            batch_size=self.batch_size,
            shuffle=True,
            data_format="npz",
        )
        self.model._total_steps, self.model._stop_training = 0, False
        self.model._eval_steps = len(loader) + 1

        def run() -> None:
            self.model._total_steps = 0
            self.model.train_epoch(loader)

        return run


def _feature_map(schema: Schema, run: RunSettings) -> Any:
    about = FeatureMap("made", tempfile.gettempdir())
    about.features = OrderedDict(
        (field.name, {"type": "categorical", "source": "", "vocab_size": field.size})
        for field in schema.fields
    )
    about.labels, about.num_fields = [LABEL], len(schema.fields)
    about.default_emb_dim = getattr(run.model, "embedding_dim", 1)
    about.set_column_index()
    return about
