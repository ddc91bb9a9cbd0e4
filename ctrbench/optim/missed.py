"""What dense Adam does to a row in the steps in which its gradient is zero, all at once.

Let a row of moments m and v have moved last in step l. In step s = l + j it moves by

    c_j m / (a q_j + eps),  a = sqrt(v),  c_j = lr_s b1^j / (1 - b1^s),  q_j^2 = b2^j / (1 - b2^s)

Under the weights c_j, q is almost constant. With their sum s_0, the mean q', the variance var and
the third central moment mu of q, and r = a / (a q' + eps), the row moves by all steps it missed by

    m s_0 / (a q' + eps) (1 + r^2 var - r^3 mu)

up to terms of the fourth order: at most :func:`neglected` of it, for r q' <= 1.
"""

import math

import numpy as np
import torch
from torch import Tensor

Rows = tuple[Tensor, Tensor, Tensor]  # of weights, first and second moments, UD each
NEGLIGIBLE = 1e-10  # of b1^j: steps that long ago move a row no more


def neglected(first: int, betas: tuple[float, float]) -> float:
    """The fourth-order term over the move of a row that misses all steps after ``first``, at most:
    sum_j c_j (q_j - q')^4 / (s_0 q'^4). It is small where 1 - b2 is much smaller than 1 - b1.
    """
    log_betas = _logarithms(betas)
    missed_J = np.arange(1, _longest(log_betas) + 1)
    rests = [-np.expm1((first + missed_J) * log_beta) for log_beta in log_betas]
    c_J = np.exp(missed_J * log_betas[0]) / rests[0]
    share_J = c_J / c_J.sum()
    q_J = np.sqrt(np.exp(missed_J * log_betas[1]) / rests[1])
    return float(share_J @ (q_J / (share_J @ q_J) - 1) ** 4)


def _logarithms(betas: tuple[float, float]) -> list[float]:
    return [math.log(max(beta, 1e-300)) for beta in betas]


def _longest(log_betas: list[float]) -> int:
    """Steps until the first moment of a row that misses them is negligible."""
    return 1 + int(math.log(NEGLIGIBLE) / min(log_betas[0], -1e-6))


class MissedSteps:
    """The last step of every row of a table, and the sums over the steps since.

    Args:
        table: all its rows have moved in step ``first``.
    """

    def __init__(self, table: Tensor, first: int, betas: tuple[float, float], eps: float) -> None:
        self.table, self.first, self.now, self.eps = table, first, first, eps
        self.last_V = torch.zeros(len(table), dtype=torch.int32)  # steps after the first
        self.log_betas = _logarithms(betas)
        back_J = torch.arange(_longest(self.log_betas), 0, -1, dtype=torch.float64)
        self.b1_J = (back_J * self.log_betas[0]).exp()
        self.b2_J = (back_J * self.log_betas[1]).exp()
        self.sums_4L = torch.zeros(4, 1024, dtype=torch.float64)  # of c q^k, by the last step

    def advance(self, lr: float) -> None:
        """Count a step: a row has missed it until it is :meth:`put`."""
        self.now += 1
        if (steps := self.now - self.first) >= self.sums_4L.shape[1]:
            self.sums_4L = torch.cat([self.sums_4L, torch.zeros_like(self.sums_4L)], dim=1)
        live = min(steps, len(self.b1_J))
        rest_1, rest_2 = (-math.expm1(self.now * log_beta) for log_beta in self.log_betas)
        c_J = self.b1_J[-live:] * (lr / rest_1)
        q_J = (self.b2_J[-live:] / rest_2).sqrt()
        powers_4J = torch.stack([torch.ones_like(q_J), q_J, q_J**2, q_J**3])
        self.sums_4L[:, steps - live : steps] += c_J * powers_4J

    def caught_up(self, rows_U: Tensor, m: Tensor, v: Tensor) -> Rows:
        """Rows of weights and moments as dense Adam has them now. Nothing is moved yet."""
        last_U = self.last_V.index_select(0, rows_U)
        of_rows = self._by_last_step().to(self.table.dtype).index_select(0, last_U)
        s_0, mean, var, mu, decay_1, decay_2 = of_rows.unsqueeze(2).unbind(1)
        w_UD, m_UD, v_UD = (tensor.index_select(0, rows_U) for tensor in (self.table, m, v))
        a_UD = v_UD.sqrt()
        steepness_UD = (a_UD * mean).add_(self.eps)
        r_UD = a_UD.div_(steepness_UD)
        more_UD = (var - r_UD * mu).mul_(r_UD).mul_(r_UD).add_(1)
        w_UD.sub_(more_UD.mul_(m_UD).mul_(s_0).div_(steepness_UD))
        return w_UD, m_UD.mul_(decay_1), v_UD.mul_(decay_2)

    def put(self, rows_U: Tensor, moved: Rows, m: Tensor, v: Tensor) -> None:
        """Store rows as they are after the last step that was counted."""
        for tensor, rows_UD in zip((self.table, m, v), moved, strict=True):
            tensor.index_copy_(0, rows_U, rows_UD)
        self.last_V.index_fill_(0, rows_U, self.now - self.first)

    def _by_last_step(self) -> Tensor:
        """s_0, q', var, mu and the decay of both moments, for every last step: L6."""
        steps = self.now - self.first
        s_0, s_1, s_2, s_3 = self.sums_4L[:, : steps + 1].clone()
        of_q = s_0.clamp(min=torch.finfo(torch.float64).tiny)
        mean, square, cube = s_1 / of_q, s_2 / of_q, s_3 / of_q
        var = square - mean**2
        mu = cube - 3 * mean * square + 2 * mean**3
        missed = torch.arange(steps, -1, -1, dtype=torch.float64)
        decays = [(missed * log_beta).exp() for log_beta in self.log_betas]
        return torch.stack([s_0, mean, var, mu, *decays], dim=1)
