"""Fields whose values are missing or unknown in most rows of a file, but not in training rows: they
may be written differently there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.split import PARTS
from ctrbench.data.store.arrays import Bytes
from ctrbench.data.store.encode import Encoder, Ids, MultiValued, RowEncoder, Vocabulary
from ctrbench.data.store.stages import ENCODE_ROWS, groups

MOST = 0.5  # share of a field's values
FEW_ROWS = 10  # below which nothing is concluded
LISTED = 3  # fields and values in a warning
Shares = dict[str, float]


class UnknownValues:
    """Counts of the values of each field that are missing, rare or absent in training rows."""

    def __init__(self, encoder: RowEncoder) -> None:
        self.encoders = list(encoder.encoders)
        self.rows = 0
        self.values_F = np.zeros(len(self.encoders), np.int64)
        self.unknown_F = np.zeros(len(self.encoders), np.int64)
        self.examples: dict[str, str] = {}

    def add(self, ids_NS: Ids, frame: pl.DataFrame | None = None) -> None:
        """Count encoded rows.

        Args:
            frame: the raw rows, from which an example of an unknown value is kept.
        """
        self.rows += len(ids_NS)
        slot = 0
        for i, encoder in enumerate(self.encoders):
            field = encoder.field
            ids = ids_NS[:, slot : slot + field.slots]
            slot += field.slots
            is_unknown = (ids == 0) | (ids == encoder.missing_id)
            self.values_F[i] += (ids != field.padding).sum()
            self.unknown_F[i] += is_unknown.sum()
            if frame is not None and is_unknown.any():
                self.add_example(encoder, frame[field.name].filter(is_unknown.any(axis=1)))

    def add_example(self, encoder: Encoder, values: pl.Series) -> None:
        """Keep the first of some values that is there but unknown, unless there is one."""
        name = encoder.field.name
        if name in self.examples:
            return
        if isinstance(values.dtype, pl.List):
            values = values.explode(empty_as_null=True, keep_nulls=True)
            ids = encoder.vocabulary.ids(values) if isinstance(encoder, MultiValued) else None
            values = values if ids is None else values.filter(ids == 0)
        if len(present := values.drop_nulls()):
            self.examples[name] = repr(str(present[0])[:40])

    @property
    def shares(self) -> Shares:
        """The share of each field's values."""
        shares = self.unknown_F / np.maximum(self.values_F, 1)
        names = [encoder.field.name for encoder in self.encoders]
        return dict(zip(names, shares.tolist(), strict=True))

    def suspects(self, train: Shares) -> list[str]:
        """Return the fields most of whose values are unknown, unlike in training, the worst first.

        Args:
            train: the shares of the training rows.
        """
        if self.rows < FEW_ROWS:
            return []
        shares = self.shares
        suspects = [
            name
            for name, share in shares.items()
            if share > MOST and train.get(name, 1.0) < share / 2
        ]
        return sorted(suspects, key=lambda name: -shares[name])

    def warnings(self, rows: str, train: Shares) -> list[str]:
        """Return a warning, if there are suspects.

        Args:
            rows: which rows were counted, in words.
        """
        suspects, shares = self.suspects(train), self.shares
        if not suspects:
            return []
        encoders = {encoder.field.name: encoder for encoder in self.encoders}
        fields = [
            f"{shares[name]:.0%} of the {rows} have values of field {name} that are missing or "
            f"unknown in training{self._examples(encoders[name])}"
            for name in suspects[:LISTED]
        ]
        more = len(suspects) - LISTED
        if more > 0:
            fields.append(f"so it is with {more} more {'field' if more == 1 else 'fields'}")
        return [f"{'; '.join(fields)}: are they written differently there?"]

    def _examples(self, encoder: Encoder) -> str:
        """Return an unknown value beside the most frequent ones of training rows."""
        vocabulary = encoder.vocabulary if isinstance(encoder, MultiValued) else encoder
        example = self.examples.get(encoder.field.name)
        if not isinstance(vocabulary, Vocabulary) or example is None:
            return ""
        frequent = vocabulary.state().drop_nulls().head(LISTED).to_list()
        return f" ({example}; training has {', '.join(repr(str(v)[:40]) for v in frequent)})"


def find_unknown(
    folder: Path, encoder: RowEncoder, slices: Sequence[Path], parts_N: Bytes
) -> tuple[Shares, list[str]]:
    """Return the shares of unknown values in training rows, and warnings for the other splits.

    Args:
        folder: of the arrays of all splits.
        slices: files of the raw rows.
        parts_N: the split of each.
    """
    counts = {name: UnknownValues(encoder) for name in PARTS}
    for name, unknown in counts.items():
        ids_NS = np.load(folder / f"{name}.ids.npy", mmap_mode="r")
        for start in range(0, len(ids_NS), ENCODE_ROWS):
            unknown.add(ids_NS[start : start + ENCODE_ROWS])
    train, warnings = counts["train"].shares, list[str]()
    for name in PARTS[1:]:
        if suspects := counts[name].suspects(train):
            _add_examples(counts[name], suspects, slices, parts_N == PARTS.index(name))
            warnings += counts[name].warnings(f"{name} rows", train)
    return train, warnings


def _add_examples(
    unknown: UnknownValues,
    names: list[str],
    slices: Sequence[Path],
    is_part_N: npt.NDArray[np.bool_],
) -> None:
    encoders = [encoder for encoder in unknown.encoders if encoder.field.name in names]
    for start, paths in groups(list(slices), ENCODE_ROWS):
        frame = pl.read_parquet(paths, columns=names)
        frame = frame.filter(pl.Series(is_part_N[start : start + len(frame)]))
        for encoder in encoders:
            column = frame[encoder.field.name]
            ids = encoder.ids(column).reshape(len(frame), -1)
            is_unknown_N = ((ids == 0) | (ids == encoder.missing_id)).any(axis=1)
            unknown.add_example(encoder, column.filter(is_unknown_N))
        if len(unknown.examples) == len(names):
            break
