"""Compiled updates of the rows of a sparse gradient, for training steps on a CPU: each row of the
table and of its states is read and written once."""

import numpy as np

from ctrbench.compiled import Array, compiled


@compiled
def adagrad(
    rows_U: Array,
    grad_UD: Array,
    w_VD: Array,
    sum_VD: Array,
    lr: float,
    eps: float,
) -> None:
    """AdaGrad: sum += g^2, w -= lr g / (sqrt(sum) + eps)."""
    dtype = w_VD.dtype.type
    rate, epsilon = dtype(lr), dtype(eps)
    for u in range(len(rows_U)):
        g_D, w_D, sum_D = grad_UD[u], w_VD[rows_U[u]], sum_VD[rows_U[u]]
        for d in range(len(w_D)):
            sum_D[d] += g_D[d] * g_D[d]
            w_D[d] -= rate * g_D[d] / (np.sqrt(sum_D[d]) + epsilon)


@compiled
def ftrl(
    rows_U: Array,
    grad_UD: Array,
    w_VD: Array,
    z_VD: Array,
    n_VD: Array,
    lr: float,
    beta: float,
    l1: float,
    l2: float,
) -> None:
    """FTRL-Proximal with a constant learning rate; see :class:`ctrbench.optim.ftrl.FTRL`."""
    dtype = w_VD.dtype.type
    alpha, offset, l1, l2 = dtype(lr), dtype(beta), dtype(l1), dtype(l2)
    for u in range(len(rows_U)):
        g_D, w_D = grad_UD[u], w_VD[rows_U[u]]
        z_D, n_D = z_VD[rows_U[u]], n_VD[rows_U[u]]
        for d in range(len(w_D)):
            root = np.sqrt(n_D[d])
            n_D[d] += g_D[d] * g_D[d]
            new_root = np.sqrt(n_D[d])
            z = z_D[d] + g_D[d] - (new_root - root) / alpha * w_D[d]
            z_D[d] = z
            shrunk = z - min(max(z, -l1), l1)
            w_D[d] = -shrunk / ((offset + new_root) / alpha + l2)


@compiled
def catch_up(
    w_UD: Array,
    m_UD: Array,
    v_UD: Array,
    last_U: Array,
    sums_L6: Array,
    eps: float,
) -> None:
    """Move rows and their moments by the steps that they missed, by the formula of
    :mod:`ctrbench.optim.lazy_adam`.

    Args:
        last_U: the last step in which each row moved.
        sums_L6: for each last step s_0, q', var, mu and the decays of both moments.
    """
    dtype = w_UD.dtype.type
    epsilon, one = dtype(eps), dtype(1)
    for u in range(len(last_U)):
        sums_6 = sums_L6[last_U[u]]
        s_0, mean, var, mu = sums_6[0], sums_6[1], sums_6[2], sums_6[3]
        decay_1, decay_2 = sums_6[4], sums_6[5]
        w_D, m_D, v_D = w_UD[u], m_UD[u], v_UD[u]
        for d in range(len(w_D)):
            a = np.sqrt(v_D[d])
            denominator = a * mean + epsilon
            r = a / denominator
            w_D[d] -= ((var - r * mu) * r * r + one) * m_D[d] * s_0 / denominator
            m_D[d] *= decay_1
            v_D[d] *= decay_2
