"""Warm start: a run that continues from the weights of a finished run, on new rows.

Fields, model and encodings are those of that run; vocabularies, bins and scales are of the new
training rows. A feature takes the row of an embedding table that its value had: values that are
new start fresh, and rows of values that are gone are not taken over. A bin of quantiles takes the
row of the bin that its upper edge was in. All other weights are taken as they are; optimizers
start anew.
"""

import logging
from collections.abc import Sequence
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ctrbench.data.schema import LABEL, Field
from ctrbench.data.store.encode import Encoder, MultiValued, Quantiles, RowEncoder, Vocabulary
from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError
from ctrbench.layers.embedding import Embedding
from ctrbench.runs.opened import CorrectedModel, OpenedRun, read_weights

log = logging.getLogger(__name__)
Ids = npt.NDArray[np.int64]
Match = tuple[Ids, Ids]  # ids of features, and those that the same features had


class WarmStart:
    """A finished run, as the start of another one.

    Args:
        start: the run.
        name: what the user named it.

    Raises:
        UserError: if its fields are not those of the new rows.
    """

    def __init__(self, start: OpenedRun, name: str, store: Store) -> None:
        self.start, self.name = start, name
        model = start.model
        self.model = model.model if isinstance(model, CorrectedModel) else model
        self._check_fields(store)
        self.matches = self._matches(store)

    def _check_fields(self, store: Store) -> None:
        fields, own = self.start.encoding.schema.fields, store.schema.fields
        if self.start.encoding.schema.crosses or store.schema.crosses:
            raise UserError(f"start_from={self.name}: crosses are not matched; name a run without")
        for before, now in zip_longest(map(_described, fields), map(_described, own)):
            if before != now:
                raise UserError(
                    f"start_from={self.name}: its fields differ: it has "
                    f"{before or 'no further field'} where these rows have {now or 'no further'}; "
                    "encode the rows as it did, or name another run"
                )

    def _matches(self, store: Store) -> dict[str, Match]:
        """Return the matched features of every field by its name."""
        before, now = _by_name(self.start.encoder), _by_name(store.encoder())
        fields = dict(zip(store.schema.fields, self.start.encoding.schema.fields, strict=True))
        matches: dict[str, Match] = {}
        for field, old in fields.items():
            if field.past is None:
                matches[field.name] = _match(now[field.name], before[field.name])
                continue
            ids = np.arange(field.size - 1)
            known = (ids, ids) if field.past == LABEL else matches[field.past]
            matches[field.name] = _with_padding(known, field, old)
        return matches

    @torch.no_grad()
    def load(self, model: nn.Module) -> None:
        """Take over the weights of the start for a model with fresh ones.

        Raises:
            UserError: if the model has other weights.
        """
        tables, old_tables = _tables(model), _tables(self.model)
        own, given = model.state_dict(), self.model.state_dict()
        if own.keys() != given.keys() or tables.keys() != old_tables.keys():
            raise UserError(f"start_from={self.name}: its model has other weights than this one")
        for name, weight in given.items():
            if name in tables:
                rows, old_rows = self._rows(tables[name].fields, old_tables[name].fields)
                is_fitting = weight.shape[1] == own[name].shape[1]
            else:
                rows, old_rows, is_fitting = None, None, weight.shape == own[name].shape
            if not is_fitting:
                raise UserError(
                    f"start_from={self.name}: {name} has shape {list(weight.shape)} there and "
                    f"{list(own[name].shape)} here; train with the model's options of that run"
                )
            if rows is None:
                own[name].copy_(weight)
            else:
                own[name][rows] = weight[old_rows].to(own[name].device)
        matched = sum(len(ids) for ids, _ in self.matches.values())
        log.info("%s features start as they are in %s, others fresh", f"{matched:,}", self.name)

    def _rows(
        self, fields: Sequence[Field], old_fields: Sequence[Field]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows of a table, and those of the start's table, of the same features."""
        firsts, old_firsts = (
            accumulate((field.size for field in own), initial=0) for own in (fields, old_fields)
        )
        rows, old_rows = list[Ids](), list[Ids]()
        for field, first, old_first in zip(fields, firsts, old_firsts, strict=False):
            ids, old_ids = self.matches[field.name]
            rows.append(first + ids)
            old_rows.append(old_first + old_ids)
        return torch.from_numpy(np.concatenate(rows)), torch.from_numpy(np.concatenate(old_rows))


def load_pretrained(model: nn.Module, weights: Path) -> None:
    """Take over the weights of a pre-training run by their names."""
    given, own = read_weights(weights), model.state_dict()
    for name, tensor in given.items():
        if name not in own or own[name].shape != tensor.shape:
            raise UserError(
                f"{weights}: {name} of shape {list(tensor.shape)} does not fit this model; "
                "check model.embedding_dim"
            )
    model.load_state_dict(own | given)


def _described(field: Field) -> str:
    size = f" of {field.size - 1:,}" if field.encoding in ("hash", "vector") else ""
    return f"{field.name} ({field.encoding}{size})"


def _by_name(encoder: RowEncoder) -> dict[str, Encoder]:
    return {own.field.name: own for own in encoder.encoders}


def _tables(model: nn.Module) -> dict[str, Embedding]:
    """Return the embedding tables of a model by the names of their weights."""
    modules = model.named_modules()
    return {f"{name}.weight": own for name, own in modules if isinstance(own, Embedding)}


def _match(encoder: Encoder, before: Encoder) -> Match:
    """Return the ids of a field that stand for the same, now and before."""
    if isinstance(encoder, MultiValued) and isinstance(before, MultiValued):
        known = _match_values(encoder.vocabulary, before.vocabulary)
        return _with_padding(known, encoder.field, before.field)
    return _match_values(encoder, before)


def _match_values(encoder: Any, before: Any) -> Match:
    if isinstance(encoder, Vocabulary) and isinstance(before, Vocabulary):
        old = before.table.rename({"id": "before"}).cast({"value": encoder.table.schema["value"]})
        both = encoder.table.join(old, on="value", nulls_equal=True, maintain_order="left")
        return tuple(np.r_[0, both[name].to_numpy()].astype(np.int64) for name in ("id", "before"))
    if isinstance(encoder, Quantiles) and isinstance(before, Quantiles):
        places = np.searchsorted(before.edges, encoder.edges, side="left")
        return np.arange(encoder.field.size), np.r_[0, 1 + places, before.field.size - 1]
    if type(encoder) is not type(before) or encoder.field.size != before.field.size:
        raise UserError(
            f"start_from: field {encoder.field.name} has {encoder.field.size:,} features, and "
            f"{before.field.size:,} of another kind there; encode the rows as that run did"
        )
    ids = np.arange(encoder.field.size)
    return ids, ids


def _with_padding(known: Match, field: Field, before: Field) -> Match:
    ids, old_ids = known
    return np.r_[ids, field.padding], np.r_[old_ids, before.padding]
