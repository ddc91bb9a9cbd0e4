"""What a model will take is known before it is built, and is what it takes then."""

from typing import Any

import pytest
import torch
from support import Compose, small, store_of

from ctrbench.data.batches import Batches
from ctrbench.errors import UserError
from ctrbench.models import registry
from ctrbench.optim import registry as optimizers
from ctrbench.runs.size import check_batch_size, training_bytes
from ctrbench.training.step import Step


def tensors(state: Any) -> list[torch.Tensor]:
    """All tensors in nested dictionaries and lists."""
    if isinstance(state, torch.Tensor):
        return [state]
    items = state.values() if isinstance(state, dict) else state if isinstance(state, list) else []
    return [tensor for item in items for tensor in tensors(item)]


@pytest.mark.parametrize("name", registry.names())
def test_the_bytes_of_training(name: str, shared: Compose) -> None:
    """Counted after a step: weights twice (the best are kept), gradients, the optimizer's state."""
    own = shared(*small(name))
    store = store_of(own)
    before = torch.get_rng_state()
    said = training_bytes(store.schema, own.model, own.optimizer)
    assert torch.equal(torch.get_rng_state(), before)
    model = registry.build(store.schema, own.model)
    optimizer = optimizers.build(model, own.optimizer)
    batches = Batches(store.part("train"), 64, torch.device("cpu"))
    Step(model, optimizer, "fp32")(next(batches.epoch(0, 0)))
    weights = sum(w.nbytes for w in model.parameters())
    kept = sum(state.nbytes for state in tensors(optimizer.state_dict()))
    taken = 3 * weights + kept  # gradients at most as large as the weights
    joint = own.optimizer.name == "joint"  # counted by the larger state of its two optimizers
    assert taken * 0.99 <= said <= taken * (1.4 if joint else 1.01)


@pytest.mark.parametrize(
    ("name", "word"),
    [("deepfm", "model.batch_norm=true"), ("dnn", "model.activation=dice"), ("edcn", "seed=0")],
)
def test_a_batch_of_one_row_is_not_normalised(name: str, word: str, shared: Compose) -> None:
    own = shared(f"model={name}", word)
    schema = store_of(own).schema
    with pytest.raises(UserError, match=rf"batch_size=1: model={name} normalises .*; give 2 or"):
        check_batch_size(schema, own.model, 1)
    check_batch_size(schema, own.model, 2)
    check_batch_size(schema, shared("model=deepfm", "model.batch_norm=false").model, 1)
