"""Sparse gradients of embedding tables: updates of only the rows that a batch reads."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ctrbench.layers.embedding import Embedding
from ctrbench.layers.lookup import RowReader


def cpu_embeddings(model: nn.Module) -> list[Embedding]:
    """Return the embeddings of a model whose gradients can be sparse.

    On a GPU gradients stay dense: the shape of a sparse one depends on the data, and a step with
    such a shape waits for the device and cannot be captured.
    """
    embeddings = [m for m in model.modules() if isinstance(m, Embedding)]
    return [m for m in embeddings if m.weight.device.type == "cpu"]


def request_sparse_gradients(model: nn.Module) -> None:
    """Make the gradients of a model's tables hold only the rows of the batch."""
    for embedding in cpu_embeddings(model):
        embedding.reader = RowReader(embedding.weight)


def sparse_gradient(w: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows U of w's sparse gradient, each once and ascending, and their values UD."""
    assert w.grad is not None
    rows_U = w.grad._indices()[0]
    if bool((rows_U[1:] <= rows_U[:-1]).any()):  # the sum of several backward passes
        w.grad = w.grad.coalesce()
    return w.grad._indices()[0], w.grad._values()


def run_update(w: Tensor, loop: Callable[..., None], states: list[Tensor], *options: float) -> None:
    """Apply a loop of :mod:`ctrbench.optim.kernels` to a table, its states and sparse gradient."""
    rows_U, grad_UD = sparse_gradient(w)
    tensors = [tensor.detach().numpy() for tensor in (rows_U, grad_UD, w, *states)]
    loop(*tensors, *options)


def update_rows(w: Tensor, update: Callable[..., object], *states: Tensor) -> None:
    """Apply an in-place update of a weight, its gradient and its states to the rows of its sparse
    gradient."""
    rows_U, grad_UD = sparse_gradient(w)
    copies = [tensor.index_select(0, rows_U) for tensor in (w, *states)]
    update(copies[0], grad_UD, *copies[1:])
    for tensor, rows_UD in zip((w, *states), copies, strict=True):
        tensor.index_copy_(0, rows_U, rows_UD)


class DenseGradients:
    """Make sparse gradients dense, for an update of every row.

    One buffer a table is reused: allocating fresh zeros in every step would dominate.
    """

    def __init__(self) -> None:
        self._buffers: dict[Tensor, Tensor] = {}

    def to_dense(self, w: Tensor) -> None:
        """Replace the sparse gradient of w by a dense one."""
        rows_U, grad_UD = sparse_gradient(w)
        if w not in self._buffers:
            self._buffers[w] = torch.empty_like(w)
        w.grad = self._buffers[w].zero_().index_copy_(0, rows_U, grad_UD)

    def free(self, w: Tensor) -> None:
        """Free the buffer of w."""
        self._buffers.pop(w, None)
