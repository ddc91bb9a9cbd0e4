"""Sequences that a file holds: a column of lists is the past of a field, the latest value last.

They are encoded by the field's own vocabulary, and stored as histories that are computed from users
and times are (:mod:`ctrbench.data.store.history`): the last values, the oldest first, then padding.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from ctrbench.data.schema import CATEGORICAL, MULTI, Field, Schema
from ctrbench.data.settings import DataSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.split import PARTS
from ctrbench.data.store.arrays import Bytes
from ctrbench.data.store.encode import Encoder, Ids, RowEncoder, fill_slots
from ctrbench.data.store.history import create_histories
from ctrbench.data.store.stages import ENCODE_ROWS, groups
from ctrbench.errors import UserError
from ctrbench.settings import nearest

log = logging.getLogger(__name__)
SEQUENCE = "sequence"  # the encoding of such a field


def check_sequences(source: Source) -> None:
    """Refuse sequences that are no lists, or of no categorical field."""
    settings = source.settings
    kinds = {column.name: column.kind for column in source.columns}
    lists = [name for name, kind in kinds.items() if kind == MULTI]
    fields = [
        name for name, kind in kinds.items() if kind == CATEGORICAL and name not in settings.exclude
    ]
    for name, of in settings.sequence_columns.items():
        key = f"data.sequences={{{name}: {of}}}"
        if name in settings.exclude:
            raise UserError(f"{key}: {name} is excluded; leave one of them out")
        if name not in lists:
            raise UserError(f"{key}: no column of lists {name}; {nearest(name, lists)}")
        if of not in fields:
            raise UserError(f"{key}: no categorical field {of}; {nearest(of, fields)}")


class SequenceEncoder:
    """The encoder of a column of lists whose values are those of another field.

    Args:
        of: the encoder of that field.
    """

    def __init__(self, name: str, of: Encoder, slots: int) -> None:
        self.of = of
        self.field = Field(name, SEQUENCE, of.field.size + 1, slots, of.field.name)

    def ids(self, column: pl.Series) -> Ids:
        """Return the ids NT of the last T values of each row, the oldest first."""
        last = column.list.tail(self.field.slots)
        lengths = last.list.len().fill_null(0).cast(pl.Int64).to_numpy()
        values = last.explode(empty_as_null=False, keep_nulls=False)
        return fill_slots(self.of.ids(values), lengths, self.field)


def sequence_encoders(encoder: RowEncoder, schema: Schema) -> list[SequenceEncoder]:
    """Return the encoders of the sequences of a schema.

    Args:
        encoder: of the row's own fields.
    """
    by_name = {own.field.name: own for own in encoder.encoders}
    return [
        SequenceEncoder(field.name, by_name[str(field.past)], field.slots)
        for field in schema.sequences
    ]


def sequence_fields(
    settings: DataSettings, present: Sequence[Field], slices: list[Path], is_train: Bytes
) -> tuple[Field, ...]:
    """Return the fields of the sequences, with slots for the longest one of a training row, up to
    ``data.max_values`` or else ``data.history.length``."""
    sizes = {field.name: field.size for field in present}
    for name, of in settings.sequence_columns.items():
        if of not in sizes:
            raise UserError(
                f"data.sequences={{{name}: {of}}}: {of} is left out; {nearest(of, sizes)}"
            )
    most = settings.max_values or settings.history.length
    longest, cut = 1, 0
    for frame, is_own in _training_rows(settings, slices, is_train):
        lengths = [frame[name].filter(is_own).list.len() for name in settings.sequence_columns]
        for length in lengths:
            longest = max(longest, *length.unique().drop_nulls())
            cut += int((length > most).sum())
    if cut:
        log.info(
            "data.sequences: values of a row before the last %d are left out, in %s lists of "
            "training rows; data.max_values=%d keeps all",
            *(most, f"{cut:,}", longest),
        )
    slots = min(longest, most)
    return tuple(
        Field(name, SEQUENCE, sizes[of] + 1, slots, of)
        for name, of in settings.sequence_columns.items()
    )


def _training_rows(
    settings: DataSettings, slices: list[Path], is_train: Bytes
) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    for start, paths in groups(slices, ENCODE_ROWS):
        frame = pl.read_parquet(paths, columns=list(settings.sequence_columns))
        yield frame, pl.Series(is_train[start : start + len(frame)])


def write_sequences(
    work: Path,
    encoders: list[SequenceEncoder],
    slices: list[Path],
    part_N: Bytes,
    part_rows: Sequence[int],
) -> list[float]:
    """Write the ids of all sequences to ``PART.history.npy``.

    Args:
        work, slices, part_N, part_rows: see :func:`ctrbench.data.store.history.write_histories`.

    Returns:
        the share of the training rows whose list is empty, of each sequence.

    Raises:
        UserError: for a sequence none of whose values in training rows the field has.
    """
    outs = create_histories(work, [encoder.field for encoder in encoders], part_rows)
    done, known, without = [0] * len(PARTS), [0] * len(encoders), [0] * len(encoders)
    for start, paths in groups(slices, ENCODE_ROWS):
        frame = pl.read_parquet(paths, columns=[encoder.field.name for encoder in encoders])
        own_N = part_N[start : start + len(frame)]
        ids = [encoder.ids(frame[encoder.field.name]) for encoder in encoders]
        for i, (encoder, ids_NT) in enumerate(zip(encoders, ids, strict=True)):
            train_NT = ids_NT[own_N == 0]
            known[i] += int(((train_NT > 0) & (train_NT != encoder.field.padding)).sum())
            without[i] += int((train_NT[:, 0] == encoder.field.padding).sum())
        ids_NP = np.concatenate(ids, axis=1)
        for part, out in enumerate(outs):
            rows = ids_NP[own_N == part]
            out[done[part] : done[part] + len(rows)] = rows
            done[part] += len(rows)
    for out in outs:
        out.flush()
    for encoder, count in zip(encoders, known, strict=True):
        if not count:
            _refuse_unknown(encoder, slices)
    return [count / part_rows[0] for count in without]


def _refuse_unknown(encoder: SequenceEncoder, slices: list[Path]) -> None:
    name, of = encoder.field.name, encoder.of.field.name
    frame = pl.read_parquet(slices[0], columns=[name, of])
    values = frame[name].explode(empty_as_null=False, keep_nulls=False).drop_nulls()
    present = frame[of].drop_nulls()
    shown = ""
    if len(values) and len(present):
        shown = f" ({name} has {str(values[0])[:40]!r}, {of} has {str(present[0])[:40]!r})"
    raise UserError(
        f"data.sequences={{{name}: {of}}}: no training row has a list with a value that {of} has"
        f"{shown}; name the field that its values are of"
    )
