"""Adam with a lazy update of large tables on a CPU: the weights of dense Adam at a fraction of the
memory traffic.

Dense Adam moves every row in each step, also one whose gradient is zero: its moments decay and move
it on. The lazy update leaves such a row alone and applies all steps that it missed at once, when it
is read next.

Let a row with moments m and v have moved last in step l. In step s = l + j dense Adam moves it by

    c_j m / (a q_j + eps),  a = sqrt(v),  c_j = lr_s b1^j / (1 - b1^s),  q_j^2 = b2^j / (1 - b2^s)

Under the weights c_j, q is almost constant. With their sum s_0, the mean q', the variance var and
the third central moment mu of q, and r = a / (a q' + eps), the missed steps together move it by

    m s_0 / (a q' + eps) (1 + r^2 var - r^3 mu)

up to terms of the fourth order, at most :func:`truncation_error` of the move for r q' <= 1.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ctrbench.layers.embedding import Embedding
from ctrbench.layers.lookup import RowReader
from ctrbench.optim import kernels
from ctrbench.optim.adam import Adam, adam_update
from ctrbench.optim.registry import builds
from ctrbench.optim.settings import AdamSettings
from ctrbench.optim.sparse_rows import cpu_embeddings, sparse_gradient

WARM_UP = 300  # dense steps first: before them the truncation error is above float32's rounding
ROUNDING = 1e-6  # of a row's move: its weight is then dense Adam's to about 1e-7 of the largest
LARGE = 8_000_000  # weights of a table above which updating the rows of a 4,096 batch is faster
ROWS_AT_ONCE = 65_536  # when all rows catch up
NEGLIGIBLE = 1e-10  # of b1^j: a gradient that many steps ago moves a row no more
Rows = tuple[Tensor, Tensor, Tensor]  # weights, first and second moments, UD each


@builds(AdamSettings)
def adam(model: nn.Module, settings: AdamSettings) -> Adam:
    """Build Adam over all weights of a model, lazy where that is faster and gives the same."""
    return LazyAdam(model, settings) if lazy_embeddings(model, settings) else Adam(model, settings)


def lazy_embeddings(
    model: nn.Module, settings: AdamSettings, large: int = LARGE
) -> list[Embedding]:
    """Return the embeddings whose table may be updated lazily: large ones, without L2, with betas
    for which the missed steps are exact to rounding (0.9 and 0.999, but not 0.9 and 0.99)."""
    betas = (settings.betas[0], settings.betas[1])
    if settings.l2_embedding > 0 or truncation_error(WARM_UP, betas) > ROUNDING:
        return []
    return [m for m in cpu_embeddings(model) if m.weight.numel() >= large]


def truncation_error(first: int, betas: tuple[float, float]) -> float:
    """Return the largest fourth-order term, relative to the move of a row that misses all steps
    after ``first``: sum_j c_j (q_j - q')^4 / (s_0 q'^4). It is small where 1 - b2 is much smaller
    than 1 - b1."""
    log_betas = _logarithms(betas)
    missed_J = np.arange(1, _steps_until_negligible(log_betas) + 1)
    corrections = [-np.expm1((first + missed_J) * log_beta) for log_beta in log_betas]
    c_J = np.exp(missed_J * log_betas[0]) / corrections[0]
    weight_J = c_J / c_J.sum()
    q_J = np.sqrt(np.exp(missed_J * log_betas[1]) / corrections[1])
    return float(weight_J @ (q_J / (weight_J @ q_J) - 1) ** 4)


def _logarithms(betas: tuple[float, float]) -> list[float]:
    return [math.log(max(beta, 1e-300)) for beta in betas]


def _steps_until_negligible(log_betas: list[float]) -> int:
    """Return the number of steps until the first moment of a row that misses them has vanished."""
    return 1 + int(math.log(NEGLIGIBLE) / min(log_betas[0], -1e-6))


class LazyTable:
    """The last step of every row of a table, and the sums over the steps since.

    Args:
        table: all its rows have moved in step ``first``.
    """

    def __init__(self, table: Tensor, first: int, betas: tuple[float, float], eps: float) -> None:
        self.table, self.first, self.now, self.eps = table, first, first, eps
        self.last_V = torch.zeros(len(table), dtype=torch.int32)  # steps after the first
        self.log_betas = _logarithms(betas)
        ago_J = torch.arange(_steps_until_negligible(self.log_betas), 0, -1, dtype=torch.float64)
        self.b1_J = (ago_J * self.log_betas[0]).exp()
        self.b2_J = (ago_J * self.log_betas[1]).exp()
        self.sums_4L = torch.zeros(4, 1024, dtype=torch.float64)  # of c q^k, by the last step

    def advance(self, lr: float) -> None:
        """Count a step; every row has missed it until it is stored with :meth:`put`."""
        self.now += 1
        if (steps := self.now - self.first) >= self.sums_4L.shape[1]:
            self.sums_4L = torch.cat([self.sums_4L, torch.zeros_like(self.sums_4L)], dim=1)
        live = min(steps, len(self.b1_J))
        rest_1, rest_2 = (-math.expm1(self.now * log_beta) for log_beta in self.log_betas)
        c_J = self.b1_J[-live:] * (lr / rest_1)
        q_J = (self.b2_J[-live:] / rest_2).sqrt()
        powers_4J = torch.stack([torch.ones_like(q_J), q_J, q_J**2, q_J**3])
        self.sums_4L[:, steps - live : steps] += c_J * powers_4J

    def catch_up(self, rows_U: Tensor, m: Tensor, v: Tensor) -> Rows:
        """Return rows of weights and moments as dense Adam has them now; the table is unchanged."""
        sums_L6 = self._by_last_step().to(self.table.dtype)
        rows = [tensor.index_select(0, rows_U) for tensor in (self.table, m, v)]
        last_U = self.last_V.index_select(0, rows_U)
        arrays = (tensor.detach().numpy() for tensor in (*rows, last_U, sums_L6))
        arguments: list[Any] = [*arrays, self.eps]
        kernels.catch_up(*arguments)
        return rows[0], rows[1], rows[2]

    def put(self, rows_U: Tensor, rows: Rows, m: Tensor, v: Tensor) -> None:
        """Store rows as they are after the last step that was counted."""
        for tensor, rows_UD in zip((self.table, m, v), rows, strict=True):
            tensor.index_copy_(0, rows_U, rows_UD)
        self.last_V.index_fill_(0, rows_U, self.now - self.first)

    def _by_last_step(self) -> Tensor:
        """Return s_0, q', var, mu and the decay of both moments for every last step: L6."""
        steps = self.now - self.first
        s_0, s_1, s_2, s_3 = self.sums_4L[:, : steps + 1].clone()
        divisor = s_0.clamp(min=torch.finfo(torch.float64).tiny)
        mean, square, cube = s_1 / divisor, s_2 / divisor, s_3 / divisor
        var = square - mean**2
        mu = cube - 3 * mean * square + 2 * mean**3
        missed = torch.arange(steps, -1, -1, dtype=torch.float64)
        decays = [(missed * log_beta).exp() for log_beta in self.log_betas]
        return torch.stack([s_0, mean, var, mu, *decays], dim=1)


class LazyAdam(Adam):
    """Adam that updates only the rows of the batch in large tables.

    The other rows catch up when they are read next: by a training step those that it reads, by an
    evaluation or a ``state_dict`` of model or optimizer all of them. So nobody sees another weight
    than dense Adam's, to float32's rounding. A run that was interrupted between evaluations can
    differ by that rounding from one that was not.
    """

    def __init__(self, model: nn.Module, settings: AdamSettings, *, large: int = LARGE) -> None:
        super().__init__(model, settings)
        self._tables: dict[Tensor, LazyTable] = {}
        self._last_read: dict[Tensor, tuple[Tensor, Rows]] = {}
        embeddings = lazy_embeddings(model, settings, large)
        self._large = {embedding.weight for embedding in embeddings}
        for embedding in embeddings:
            embedding.reader = _LazyReader(embedding.weight, self)
            embedding.register_state_dict_pre_hook(  # type: ignore[no-untyped-call]
                lambda *_: self.catch_up()
            )

    def update_table(self, w: Tensor, group: dict[str, Any]) -> None:
        table = self._table(w)
        if table is None:
            super().update_table(w, group)
            return
        rows_U, grad_UD = sparse_gradient(w)
        rows = self._current_rows(w, table, rows_U)
        adam_update(*rows, grad_UD, self.state[w]["step"], group)
        table.advance(float(group["lr"]))
        table.put(rows_U, rows, *self._moments(w))
        w.grad = None

    def _table(self, w: Tensor) -> LazyTable | None:
        """Return the state of a lazy table, None while the update is dense."""
        steps = int(self.state[w].get("step", 0))
        if w in self._large and w not in self._tables and steps >= WARM_UP:
            group = self.param_groups[0]
            self._tables[w] = LazyTable(w, steps, group["betas"], group["eps"])
            self._dense.free(w)
        return self._tables.get(w)

    def _moments(self, w: Tensor) -> tuple[Tensor, Tensor]:
        return self.state[w]["exp_avg"], self.state[w]["exp_avg_sq"]

    @torch.no_grad()
    def read_rows(self, w: Tensor, rows_U: Tensor) -> Tensor:
        """Return rows of a table as dense Adam has them now."""
        table = self._table(w)
        if table is None:
            return w.index_select(0, rows_U)
        rows = table.catch_up(rows_U, *self._moments(w))
        self._last_read[w] = rows_U, rows
        return rows[0]

    def _current_rows(self, w: Tensor, table: LazyTable, rows_U: Tensor) -> Rows:
        """Return the rows that the forward pass read, if the gradient is of these rows."""
        read_U, rows = self._last_read.pop(w, (None, None))
        if rows is not None and read_U is not None and read_U.data_ptr() == rows_U.data_ptr():
            return rows
        return table.catch_up(rows_U, *self._moments(w))

    @torch.no_grad()
    def catch_up(self) -> None:
        """Move all rows to where dense Adam has them now."""
        for w, table in self._tables.items():
            moments = self._moments(w)
            for rows_U in torch.arange(len(w)).split(ROWS_AT_ONCE):  # type: ignore[no-untyped-call]
                table.put(rows_U, table.catch_up(rows_U, *moments), *moments)
        self._tables.clear()
        self._last_read.clear()

    def disable_lazy_updates(self) -> None:
        self.catch_up()
        self._large.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of torch's Adam."""
        self.catch_up()
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what :meth:`state_dict` returned."""
        self._tables.clear()
        self._last_read.clear()
        super().load_state_dict(state_dict)


class _LazyReader(RowReader):
    """Reads of a table that LazyAdam updates."""

    def __init__(self, weight: Tensor, optimizer: LazyAdam) -> None:
        super().__init__(weight)
        self.optimizer = optimizer

    def read(self, rows_U: Tensor) -> Tensor:
        return self.optimizer.read_rows(self.weight, rows_U)

    def before_full_read(self) -> None:
        self.optimizer.catch_up()
