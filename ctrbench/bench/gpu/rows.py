"""Synthetic rows of Criteo's shape, made on the device that trains on them."""

import numpy as np
import torch

from ctrbench.data.schema import Schema
from ctrbench.data.store.opened import Part

ROWS_AT_ONCE = 1 << 20


def synthetic_rows(made: Schema, rows: int, seed: int, device: torch.device) -> Part:
    """Return rows whose ids are log-uniform in every field, nearly as in real rows. Every feature
    has an effect on the click: the logit's deviation is 1, and a quarter of the rows or more are
    clicks."""
    generator = torch.Generator(device).manual_seed(seed)
    effects_V = torch.randn(made.crossed.features, generator=torch.Generator().manual_seed(0)).to(
        device
    )
    sizes = [field.size for field in made.crossed.fields for _ in range(field.slots)]
    sizes_S = torch.tensor(sizes, device=device)
    offsets_S = torch.tensor(made.crossed.offsets, device=device)
    ids_NS = np.empty((rows, len(sizes_S)), np.int32)
    labels_N = np.empty(rows, np.uint8)
    for start in range(0, rows, ROWS_AT_ONCE):
        shape = min(ROWS_AT_ONCE, rows - start), len(sizes_S)
        u_RS = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
        ids_RS = torch.minimum((u_RS * sizes_S.log1p()).expm1().long(), sizes_S - 1)
        logit_R = effects_V[ids_RS + offsets_S].sum(dim=1) / len(sizes_S) ** 0.5 - 1
        chance_R = torch.rand(shape[0], generator=generator, device=device)
        piece = slice(start, start + shape[0])
        ids_NS[piece] = ids_RS.int().cpu().numpy()
        labels_N[piece] = (chance_R < logit_R.sigmoid()).cpu().numpy()
    none = np.empty((rows, 0), np.float32)
    return Part(ids_NS[:, : made.slots], ids_NS[:, made.slots :], labels_N, none, None)
