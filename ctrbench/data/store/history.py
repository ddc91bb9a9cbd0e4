"""Histories: for every row the last values of some fields by the same user, strictly before it.

Rows are ordered by time, ties by file order. A row sees neither itself nor later rows. Of earlier
rows it sees only those in its own part or a preceding one (train, valid, test):

- A training row sees training rows alone: what a model is trained on holds nothing of the rows that
  it is measured on, neither in a random split, where some of those lie before it, nor in any other.
- A validation row sees training and earlier validation rows.
- A test row sees earlier rows of all parts. Validation rows are among them since in a split by time
  they are its last past: left out, test rows would have a gap before them that validation rows have
  not. They are earlier, so nothing leaks from them, and no row that a model is trained on or chosen
  by sees a test row.

In a random split the three parts therefore see growing shares of the past (8, 9 and 10 of ten
rows).

A past label is given of training rows alone, and only where the time of the past row is strictly
smaller: of two rows at the same time (one page, say) neither label was known to the other. All
others have the id UNKNOWN; labels of validation and test rows are there to measure by, and a model
that was given some of them would be compared with models that were not.

A user that is missing is nobody, and has no past. Rows that ``split.train_share`` leaves out are in
no past.

Rows are taken in groups of whole users, a few million rows at a time, so that memory does not grow
with them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import LABEL, PAST_LABELS, TIME, USER, Field, Schema, clicks
from ctrbench.data.settings import POOLINGS, VALUE_ENCODINGS, HistorySettings, SplitSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.split import LEFT_OUT, PARTS
from ctrbench.data.store.arrays import Bytes, create
from ctrbench.data.store.stages import ENCODE_ROWS, groups
from ctrbench.errors import UserError
from ctrbench.settings import nearest

GROUP_ROWS = 2**22  # of whole users, in the mean
BLOCK_CELLS = 2**22  # ids that are made at once
Rows = npt.NDArray[np.int64]
Ids = npt.NDArray[Any]


def check_history(source: Source, split: SplitSettings, encodings: dict[str, str]) -> None:
    """Refuse a history, or a split by time, that cannot be made of the rows.

    Args:
        encodings: the encoding of each field there is.
    """
    settings, history = source.settings, source.settings.history
    if settings.when is None and split.kind == "time" and not source.is_split:
        raise UserError("split=time: needs data.time=COLUMN, the column that says when a row is")
    for key, name, columns in (
        ("data.time", settings.time, source.times),
        ("data.history.user", history.user, source.groupable),
        ("data.history.time", history.time, source.times),
    ):
        if name is not None and name not in columns:
            hint = (
                nearest(name, columns) if columns else "data=table reads rows with users and times"
            )
            raise UserError(
                f"{key}={name}: data={settings.name} has no such column of one value a row; {hint}"
            )
    for name in history.of:
        if name not in encodings:
            raise UserError(f"data.history.of: no such field {name}; {nearest(name, encodings)}")
        if encodings[name] in (*VALUE_ENCODINGS, *POOLINGS):
            raise UserError(
                f"data.history.of: {name} is encoded as {encodings[name]}; a history takes fields "
                "of one id a row"
            )
    if history.labels and "label" in history.of:
        raise UserError(
            "data.history.of: a field named label, and labels=true, would both be history.label; "
            "leave one out, or rename the column"
        )
    for name in past_encodings(history).keys() & encodings.keys():
        raise UserError(f"data.history: the data has a column {name} already; exclude it")


def past_encodings(history: HistorySettings) -> dict[str, str]:
    """Return the encodings of the fields of a history by their names."""
    names = [*history.of, *(["label"] if history.labels else [])] if history else []
    return {f"history.{name}": "mean" for name in names}


def past_fields(history: HistorySettings, present: Sequence[Field]) -> tuple[Field, ...]:
    """Return the fields of a history: the ids of the field itself, and one for unused slots."""
    sizes = {field.name: field.size for field in present}
    for name in history.of:
        if name not in sizes:
            raise UserError(f"data.history.of: {name} is left out; {nearest(name, sizes)}")
    pasts = [(name, sizes[name]) for name in history.of]
    if history.labels:
        pasts.append((LABEL, PAST_LABELS))
    return tuple(
        Field(name, encoding, size + 1, history.length, past)
        for (name, encoding), (past, size) in zip(
            past_encodings(history).items(), pasts, strict=True
        )
    )


def past_slots(schema: Schema) -> list[int]:
    """Return the slots of the fields whose past values are the history."""
    slots = {schema.fields[i].name: slot for slot, i in enumerate(schema.field_of_slot)}
    return [slots[field.past] for field in schema.history if field.past in slots]


class Past:
    """The earlier rows of the same user, for each of some rows.

    Args:
        rows_V: the rows that are seen, all of a user side by side, by time.
        user_N: a number for each user, 0 for nobody.
    """

    def __init__(self, rows_V: Rows, user_N: npt.NDArray[Any]) -> None:
        self.rows_V = rows_V
        places_V, users_V = np.arange(len(rows_V)), user_N[rows_V]
        is_first_V = (users_V == 0) | (np.diff(users_V, prepend=-1) != 0)
        self.first_V = np.maximum.accumulate(np.where(is_first_V, places_V, 0))
        self.place_N = np.zeros(len(user_N), np.int64)
        self.place_N[rows_V] = places_V

    def of(self, rows_B: Rows, length: int) -> Rows:
        """Return the numbers BT of the last T = ``length`` rows, the oldest first, padded by -1."""
        place_B = self.place_N[rows_B]
        oldest_B = np.maximum(self.first_V[place_B], place_B - length)
        past_BT = oldest_B[:, None] + np.arange(length)
        is_past_BT = past_BT < place_B[:, None]
        return np.where(is_past_BT, self.rows_V[past_BT * is_past_BT], -1)


class Timed:
    """Rows with users and times, from which histories are computed.

    Args:
        frame: of USER and TIME, and of LABEL where past labels are known.
        part_N: the index of each row's part.
        ids_NC: of the fields whose past is taken.
        fields: of the history.
    """

    def __init__(
        self, frame: pl.DataFrame, part_N: Bytes, ids_NC: Ids, fields: Sequence[Field]
    ) -> None:
        self.part_N, self.ids_NC, self.fields = part_N, ids_NC, fields
        self.time_N = frame[TIME].to_numpy()
        self.label_N = np.zeros(len(frame), np.int32)
        if LABEL in frame.columns:  # and none but those of training rows are given
            self.label_N[:] = np.where(part_N == 0, clicks(frame) + 1, 0)
        user_N = frame[USER].rank("dense").fill_null(0).to_numpy().astype(np.int64)
        order_N = np.lexsort((self.time_N, user_N))  # rows of equal times stay in their order
        self.past = {
            part: Past(order_N[part_N[order_N] <= part], user_N)
            for part in np.unique(part_N).tolist()
        }

    def histories(self) -> Iterator[tuple[int, Rows, Ids]]:
        """Yield blocks of rows: split index, row numbers B, and the ids BS of their histories."""
        step = max(1, BLOCK_CELLS // self.fields[0].slots)
        for part in self.past:
            rows_N = np.flatnonzero(self.part_N == part)
            for start in range(0, len(rows_N), step):
                rows_B = rows_N[start : start + step]
                yield part, rows_B, self.of(rows_B, part)

    def of(self, rows_B: Rows, part: int) -> Ids:
        """Return the ids BS of the histories of some rows of a split."""
        past_BT = self.past[part].of(rows_B, self.fields[0].slots)
        ids = [column_N[past_BT] for column_N in self.ids_NC.T]
        if self.fields[-1].past == LABEL:
            is_known_BT = self.time_N[past_BT] < self.time_N[rows_B][:, None]
            ids.append(np.where(is_known_BT, self.label_N[past_BT], 0))
        for field, ids_BT in zip(self.fields, ids, strict=True):
            ids_BT[past_BT < 0] = field.padding
        return np.concatenate(ids, axis=1)


def create_histories(work: Path, fields: Sequence[Field], part_rows: Sequence[int]) -> list[Any]:
    """Create ``PART.history.npy``, of 16 bits where the ids fit, as writable memory maps."""
    columns = sum(field.slots for field in fields)
    dtype = "<i2" if max(field.size for field in fields) <= 2**15 else "<i4"
    return [
        create(work / f"{name}.history.npy", dtype, (rows, columns))
        for name, rows in zip(PARTS, part_rows, strict=True)
    ]


def write_histories(
    work: Path, schema: Schema, slices: list[Path], part_N: Bytes, part_rows: Sequence[int]
) -> float:
    """Write the ids of all histories to ``PART.history.npy``.

    Args:
        work: the folder of the store's arrays; the ids of the fields lie there.
        slices: the raw rows.
        part_N: the part of each.
        part_rows: how many rows each part has.

    Returns:
        the share of the training rows that have no past.
    """
    fields = schema.history
    outs = create_histories(work, fields, part_rows)
    ids = [np.load(work / f"{name}.ids.npy", mmap_mode="r") for name in PARTS]
    slots = past_slots(schema)
    without = 0
    for frame in _whole_users(slices, part_N):
        own_N, at_N = frame["part"].to_numpy(), frame["at"].to_numpy()
        ids_NC = np.empty((len(frame), len(slots)), np.int32)
        for part, array in enumerate(ids):
            is_own = own_N == part
            ids_NC[is_own] = array[at_N[is_own][:, None], slots]
        for part, rows_B, ids_BS in Timed(frame, own_N, ids_NC, fields).histories():
            outs[part][at_N[rows_B]] = ids_BS
            without += int((ids_BS[:, 0] == fields[0].padding).sum()) if part == 0 else 0
    for out in outs:
        out.flush()
    return without / part_rows[0]


def _whole_users(slices: list[Path], part_N: Bytes) -> Iterator[pl.DataFrame]:
    """Yield frames of rows in order, each user whole.

    Columns are added: ``part``, the index of the split, and ``at``, the row's place in it.
    """
    count = -(-len(part_N) // GROUP_ROWS)
    for group in range(count):
        frames, done = list[pl.DataFrame](), np.zeros(len(PARTS), np.int64)
        for start, paths in groups(slices, ENCODE_ROWS):
            frame = pl.read_parquet(paths, columns=[USER, TIME, LABEL])
            own_N = part_N[start : start + len(frame)]
            at_N = np.empty(len(frame), np.int64)
            for part in range(len(PARTS)):
                is_own = own_N == part
                at_N[is_own] = done[part] + np.arange(is_own.sum())
                done[part] += is_own.sum()
            frame = frame.with_columns(pl.Series("part", own_N), pl.Series("at", at_N))
            frame = frame.filter(pl.col("part") != LEFT_OUT)
            if count > 1:
                frame = frame.filter(pl.col(USER).hash() % count == group)
            frames.append(frame)
        yield pl.concat(frames)
