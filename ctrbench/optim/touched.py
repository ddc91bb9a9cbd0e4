"""Updates of only those rows of a table that a batch reads."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from ctrbench.layers.embedding import Embedding


def tables_on_cpu(model: nn.Module) -> list[Embedding]:
    """The embeddings whose gradient can hold touched rows alone. Elsewhere it stays dense: its
    shape would depend on the data."""
    embeddings = [m for m in model.modules() if isinstance(m, Embedding)]
    return [m for m in embeddings if m.weight.device.type == "cpu"]


def ask_for_touched_rows(model: nn.Module) -> None:
    """Have the gradients of a model's tables hold only the rows of the batch."""
    for embedding in tables_on_cpu(model):
        embedding.read = partial(embedding.weight.index_select, 0)


def touched(w: Tensor) -> tuple[Tensor, Tensor]:
    """The rows U of the sparse gradient of w, each once and ascending, and their values UD."""
    assert w.grad is not None
    rows_U = w.grad._indices()[0]
    if bool((rows_U[1:] <= rows_U[:-1]).any()):  # the sum of several backward passes
        w.grad = w.grad.coalesce()
    return w.grad._indices()[0], w.grad._values()


def move_touched(w: Tensor, update: Callable[..., object], *states: Tensor) -> None:
    """Apply an update in place, of w, its gradient and its states, to the touched rows alone."""
    rows_U, grad_UD = touched(w)
    held = [tensor.index_select(0, rows_U) for tensor in (w, *states)]
    update(held[0], grad_UD, *held[1:])
    for tensor, rows_UD in zip((w, *states), held, strict=True):
        tensor.index_copy_(0, rows_U, rows_UD)


class Spread:
    """Sparse gradients made dense, for an update that moves every row."""

    def __init__(self) -> None:
        self._buffers: dict[Tensor, Tensor] = {}

    def __call__(self, w: Tensor) -> None:
        """Give w a dense gradient. Reuses one buffer per table; allocating fresh zeros would
        dominate."""
        rows_U, grad_UD = touched(w)
        if w not in self._buffers:
            self._buffers[w] = torch.empty_like(w)
        w.grad = self._buffers[w].zero_().index_copy_(0, rows_U, grad_UD)

    def drop(self, w: Tensor) -> None:
        """Free the buffer of w."""
        self._buffers.pop(w, None)
