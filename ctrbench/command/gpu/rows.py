"""Rows of Criteo's shape, made on the device that will train on them."""

import numpy as np
import torch

from ctrbench.data.schema import Field, Schema
from ctrbench.data.store.opened import Part

FIELDS, CROSSES = 39, 10
ROWS_AT_ONCE = 1 << 20


def schema(features: int, *, crossed: bool) -> Schema:
    """Fields of a few features to a quarter of all, by equal ratios; crosses as large as their
    mean."""
    shares = np.geomspace(1, features / 8, FIELDS)
    sizes = 2 + (shares / shares.sum() * (features - 2 * FIELDS)).astype(int)
    sizes[-1] += features - sizes.sum()
    fields = tuple(Field(f"f{i}", "vocabulary", int(size)) for i, size in enumerate(sizes))
    crosses = tuple(Field(f"x{i}", "vocabulary", features // FIELDS) for i in range(CROSSES))
    return Schema(fields, crosses if crossed else ())


def part(made: Schema, rows: int, seed: int, device: torch.device) -> Part:
    """Ids log-uniform in every field, as those of real rows nearly are. A click depends on an
    effect of every feature: the logit's deviation is 1, a fourth of the rows or more are clicks."""
    generator = torch.Generator(device).manual_seed(seed)
    effects_V = torch.randn(made.crossed.features, generator=torch.Generator().manual_seed(0)).to(
        device
    )
    sizes_S = torch.tensor([field.size for field in made.crossed.fields], device=device)
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
