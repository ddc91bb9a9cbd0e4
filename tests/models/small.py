"""A small model of every kind with random weights, and rows for it."""

import numpy as np
import torch
from models.references import histories
from models.references.base import SCHEMA
from support import Compose, with_history
from torch import Tensor

from ctrbench.data.schema import Field, Schema
from ctrbench.models import registry
from ctrbench.models.base import Model

NAMES = registry.names()
CROSSED = ("wide_deep",)
# Widths as odd and as small as the formulas allow.
HIDDEN = ["model.hidden=[6,5]"]
ATTENTION = ["model.attention_layers=2", "model.attention_dim=6", "model.heads=2"]
SMALL = {
    "lr": [],
    "fm": [],
    "ffm": ["model.embedding_dim=3"],
    "ccpm": ["model.embedding_dim=3", "model.maps=[2,3]", "model.filters=[3,2]"],
    **{name: [] for name in ("hofm", "afm", "fwfm", "fmfm", "crossnet", "crossnet_v2")},
    "cin": ["model.cin_maps=[3,2]"],
    "xdeepfm": ["model.cin_maps=[3,2]", *HIDDEN],
    "autoint": ATTENTION,
    "autoint_plus": [*ATTENTION, *HIDDEN],
    "dlrm": ["model.bottom=[4]", *HIDDEN],
    "afn": ["model.logarithmic_neurons=4", *HIDDEN],
    "afn_plus": ["model.logarithmic_neurons=4", "model.second_hidden=[4,3]", *HIDDEN],
    "masknet": ["model.mask_blocks=2", "model.mask_units=4", "model.mask_ratio=0.2", *HIDDEN],
    "edcn": ["model.embedding_dim=3", "model.cross_layers=2"],
    "rnn": ["model.state_dim=4"],
    "gru4ctr": ["model.state_dim=4", *HIDDEN],
    "din": ["model.attention_hidden=[5]", *HIDDEN],
    "finalmlp": [
        "model.hidden=[5,4]",
        "model.second_hidden=[6]",
        "model.gate=[3]",
        "model.fusion_heads=2",
    ],
}
LARGE = Schema(tuple(Field(f"f{i}", "vocabulary", 100) for i in range(39)))


def schema_of(name: str, schema: Schema = SCHEMA) -> Schema:
    """A schema, with the past that a model asks for."""
    if not registry.properties_of(name).sequential:
        return schema
    of = [schema.fields[i].name for i in (0, 2)]
    return with_history(schema, of, histories.LENGTH, labels=True)


def make(name: str, settings: Compose, *words: str) -> Model:
    """A model with random weights everywhere."""
    torch.manual_seed(3)
    small = SMALL.get(name, HIDDEN)
    if "model.structure=serial" in words:  # of masknet, whose hidden layers are the blocks then
        small = [word for word in small if "mask_blocks" not in word and "mask_units" not in word]
    chosen = settings(f"model={name}", *small, *words)
    model = registry.build(schema_of(name), chosen.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    for key, buffer in model.named_buffers():
        if key.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 2)
    return model.eval()


def batch(rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Slots of ``e`` are used by one, two or three values; the cross comes behind them, and then a
    past of none to three rows of a and c, and their labels, of which some are not given."""
    rng = np.random.default_rng(5)
    single = [rng.integers(field.size, size=(rows, 1)) for field in SCHEMA.fields[:4]]
    several = rng.integers(5, size=(rows, 3))
    several[np.arange(3) >= rng.integers(1, 4, size=(rows, 1))] = 5
    ids = np.concatenate([*single, several, rng.integers(4, size=(rows, 1))], axis=1)
    values, labels = rng.normal(size=(rows, 2)), rng.integers(2, size=rows)
    past = rng.integers([[5], [7], [3]], size=(rows, 3, histories.LENGTH))
    is_used = np.arange(histories.LENGTH) < rng.integers(4, size=(rows, 1, 1))
    past = np.where(is_used, past, [[5], [7], [3]]).reshape(rows, -1)
    ids = np.concatenate([ids, past], axis=1)
    return torch.tensor(ids, dtype=torch.int32), torch.tensor(values), torch.tensor(labels)


def given(rows: int, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """The batch as a model is given it: only one of crosses sees those, and only one of a history
    the past."""
    ids, values, labels = batch(rows)
    fields, cross, past = ids.tensor_split((SCHEMA.slots, SCHEMA.slots + 1), dim=1)
    seen = [fields, *([past] if registry.properties_of(name).sequential else [])]
    return torch.cat([*seen, *([cross] if name in CROSSED else [])], dim=1), values, labels
