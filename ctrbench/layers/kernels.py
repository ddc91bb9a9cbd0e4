"""Compiled loops over the table rows of a batch, for training steps on a CPU.

A batch reads U different rows of an embedding table at its B x S positions. These loops find the
rows, sum the gradients of their positions, and evaluate models that are sums over rows.
"""

from typing import Any

import numpy as np

from ctrbench.compiled import Array, compiled

WORD = 64  # bits


@compiled
def _count_bits(word: Any) -> Any:
    """Return the number of bits that are set; LLVM makes one instruction of it."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    pairs = np.uint64(0x3333333333333333)
    word = (word & pairs) + ((word >> np.uint64(2)) & pairs)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
def find_rows(row_N: Array, bits_W: Array, before_W: Array, index_N: Array) -> Array:
    """Return the different rows U, ascending, and write for each position the index of its row.

    A bitmap of the table's rows takes the place of a sort: the index of a row is the number of bits
    before its own.

    Args:
        bits_W: zeros, one bit for a row of the table; they are zeros again in the end.
        before_W: memory for the number of bits before each word.
    """
    one, low = np.uint64(1), np.uint64(WORD - 1)
    for n in range(len(row_N)):
        row = row_N[n]
        bits_W[row >> 6] |= one << (np.uint64(row) & low)
    count = 0
    for word in range(len(bits_W)):
        before_W[word] = count
        count += _count_bits(bits_W[word])
    for n in range(len(row_N)):
        row = row_N[n]
        below = (one << (np.uint64(row) & low)) - one
        index_N[n] = before_W[row >> 6] + _count_bits(bits_W[row >> 6] & below)
    rows_U = np.empty(count, np.int64)
    u = 0
    for word in range(len(bits_W)):
        rest = bits_W[word]
        while rest:
            lowest = rest & (~rest + one)
            rows_U[u] = word * WORD + _count_bits(lowest - one)
            u += 1
            rest ^= lowest
        bits_W[word] = 0
    return rows_U


@compiled
def sum_rows(grad_BSW: Array, index_BS: Array, column: int, sum_UD: Array) -> None:
    """Add the gradients of the positions to columns of the sums of their rows."""
    for b in range(index_BS.shape[0]):
        for slot in range(index_BS.shape[1]):
            u = index_BS[b, slot]
            for k in range(grad_BSW.shape[2]):
                sum_UD[u, column + k] += grad_BSW[b, slot, k]


@compiled
def linear_forward(rows_UD: Array, index_BS: Array, x_BS: Array, logit_B: Array) -> None:
    """Write sum_s w_s x_s of rows w; an empty ``x_BS`` stands for values of 1."""
    for b in range(index_BS.shape[0]):
        total = rows_UD.dtype.type(0)
        for slot in range(index_BS.shape[1]):
            w = rows_UD[index_BS[b, slot], 0]
            total += w * x_BS[b, slot] if x_BS.shape[0] > 0 else w
        logit_B[b] = total


@compiled
def linear_backward(
    grad_B: Array, rows_UD: Array, index_BS: Array, x_BS: Array, saved: None, sum_UD: Array
) -> None:
    """Add the gradients of :func:`linear_forward`: g x."""
    for b in range(index_BS.shape[0]):
        grad = grad_B[b]
        for slot in range(index_BS.shape[1]):
            sum_UD[index_BS[b, slot], 0] += grad * x_BS[b, slot] if x_BS.shape[0] > 0 else grad


@compiled
def fm_forward(rows_UD: Array, index_BS: Array, x_BS: Array, logit_B: Array) -> Array:
    """Write sum_s w_s x_s + sum_{s<t} <v_s, v_t> x_s x_t of rows w, v (Rendle 2010, lemma 3.1);
    return sum_s v_s x_s (BK) for the backward pass."""
    factors, one = rows_UD.shape[1] - 1, rows_UD.dtype.type(1)
    sum_BK = np.zeros((index_BS.shape[0], factors), rows_UD.dtype)
    squares_K = np.empty(factors, rows_UD.dtype)
    for b in range(index_BS.shape[0]):
        total = rows_UD.dtype.type(0)
        sum_K = sum_BK[b]
        squares_K[:] = 0
        for slot in range(index_BS.shape[1]):
            row_D = rows_UD[index_BS[b, slot]]
            x = x_BS[b, slot] if x_BS.shape[0] > 0 else one
            total += row_D[0] * x
            for k in range(factors):
                v = row_D[k + 1] * x
                sum_K[k] += v
                squares_K[k] += v * v
        pairs = rows_UD.dtype.type(0)
        for k in range(factors):
            pairs += sum_K[k] * sum_K[k] - squares_K[k]
        logit_B[b] = total + pairs / 2
    return sum_BK


@compiled
def fm_backward(
    grad_B: Array,
    rows_UD: Array,
    index_BS: Array,
    x_BS: Array,
    sum_BK: Array,
    sum_UD: Array,
) -> None:
    """Add the gradients of :func:`fm_forward`: g x by w, g x (sum_t v_t x_t - v x) by v."""
    one = rows_UD.dtype.type(1)
    for b in range(index_BS.shape[0]):
        sum_K = sum_BK[b]
        for slot in range(index_BS.shape[1]):
            row_D, out_D = rows_UD[index_BS[b, slot]], sum_UD[index_BS[b, slot]]
            x = x_BS[b, slot] if x_BS.shape[0] > 0 else one
            grad = grad_B[b] * x
            out_D[0] += grad
            for k in range(sum_BK.shape[1]):
                out_D[k + 1] += grad * (sum_K[k] - row_D[k + 1] * x)


@compiled
def _copy_factors(rows_UD: Array, index_S: Array, x_S: Array, v_SKS: Array) -> None:
    """Write x_s v_{s, field t} of a row of the batch to ``v_SKS[s, k, t]``."""
    slots, factors = v_SKS.shape[:2]
    one = rows_UD.dtype.type(1)
    for s in range(slots):
        row_D = rows_UD[index_S[s]]
        x = x_S[s] if len(x_S) > 0 else one
        for k in range(factors):
            column = 1 + k * slots
            v_S = row_D[column : column + slots]
            for t in range(slots):
                v_SKS[s, k, t] = v_S[t] * x


@compiled
def ffm_forward(rows_UD: Array, index_BS: Array, x_BS: Array, logit_B: Array) -> None:
    """Write sum_s w_s x_s + sum_{s<t} <v_{s, field t}, v_{t, field s}> x_s x_t (Juan et al. 2016,
    eq. 4) for fields of one slot. A row holds w, then for each factor one v towards every field."""
    slots = index_BS.shape[1]
    factors = (rows_UD.shape[1] - 1) // slots
    v_SKS = np.empty((slots, factors, slots), rows_UD.dtype)
    one = rows_UD.dtype.type(1)
    for b in range(index_BS.shape[0]):
        x_S = x_BS[b] if x_BS.shape[0] > 0 else x_BS.ravel()
        _copy_factors(rows_UD, index_BS[b], x_S, v_SKS)
        total = rows_UD.dtype.type(0)
        for s in range(slots):
            x = x_S[s] if len(x_S) > 0 else one
            total += rows_UD[index_BS[b, s], 0] * x
            for k in range(factors):
                for t in range(s):
                    total += v_SKS[s, k, t] * v_SKS[t, k, s]
        logit_B[b] = total


@compiled
def ffm_backward(
    grad_B: Array,
    rows_UD: Array,
    index_BS: Array,
    x_BS: Array,
    saved: None,
    sum_UD: Array,
) -> None:
    """Add the gradients of :func:`ffm_forward`: g x by w, g x_s x_t v_{t, field s} by
    v_{s, field t}."""
    slots = index_BS.shape[1]
    factors = (rows_UD.shape[1] - 1) // slots
    v_SKS = np.empty((slots, factors, slots), rows_UD.dtype)
    one = rows_UD.dtype.type(1)
    for b in range(index_BS.shape[0]):
        x_S = x_BS[b] if x_BS.shape[0] > 0 else x_BS.ravel()
        _copy_factors(rows_UD, index_BS[b], x_S, v_SKS)
        for s in range(slots):
            out_D = sum_UD[index_BS[b, s]]
            grad = grad_B[b] * (x_S[s] if len(x_S) > 0 else one)
            out_D[0] += grad
            for k in range(factors):
                v_SKS[s, k, s] = 0
                column = 1 + k * slots
                out_S = out_D[column : column + slots]
                for t in range(slots):
                    out_S[t] += grad * v_SKS[t, k, s]
