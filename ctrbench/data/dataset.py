"""A data set without a model: its source, its split, and the store of its encoded rows."""

from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctrbench.data.settings import Crosses, DataSettings, SplitSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.sources.registry import open_source
from ctrbench.data.split import PARTS, assign, check_fractions
from ctrbench.data.store.crosses import check_crosses, with_crosses
from ctrbench.data.store.encodings import field_encodings, without_patterns
from ctrbench.data.store.grouping import check_group
from ctrbench.data.store.history import check_history
from ctrbench.data.store.opened import SPLIT_OF_ROWS, Store
from ctrbench.data.store.prepare import content_key, prepare
from ctrbench.data.store.sequences import check_sequences
from ctrbench.errors import UserError
from ctrbench.results import Results
from ctrbench.settings import check


class Dataset:
    """The checked rows of a data set and how they are split, before they are read.

    Args:
        source: the data set, if it is open already.
        crosses: of fields, that a model asks for.

    Attributes:
        encodings: of every field, by its name.
    """

    def __init__(
        self,
        settings: DataSettings,
        split: SplitSettings,
        results: Results,
        *,
        source: Source | None = None,
        crosses: Crosses | None = None,
    ) -> None:
        check(settings, "data.")
        check_fractions(split)
        self.settings, self.split, self.results, self.crosses = settings, split, results, crosses
        self.source = source or open_source(settings, by_time=split.kind == "time")
        self.source.settings = without_patterns(self.source)
        check_group(self.source, split)
        check_sequences(self.source)
        self.encodings = field_encodings(self.source)
        check_history(self.source, split, self.encodings)
        if crosses is not None:
            check_crosses(crosses.fields, self.encodings)

    @cached_property
    def content(self) -> str:
        """The key of the encoded rows: a hash of the rows, their encodings and their split."""
        return content_key(self.source, self.split)

    @property
    def folder(self) -> Path:
        """The folder of the store."""
        return self.results.store(self.settings.name, self.content)

    def prepare(self) -> Store:
        """Encode the rows, with the crosses, unless they are encoded already."""
        return with_crosses(prepare(self.source, self.split, self.folder), self.crosses)

    def row_numbers(self, store: Store, name: str) -> npt.NDArray[np.int64]:
        """Return the numbers of a split's rows within the data set, from 0, in their order.

        Args:
            store: what :meth:`prepare` returned.
            name: ``train``, ``valid`` or ``test``.
        """
        counts: list[int] = [store.manifest["parts"][part]["rows"] for part in PARTS]
        index, total = PARTS.index(name), sum(counts)
        path = store.folder / SPLIT_OF_ROWS
        if path.exists():
            numbers: npt.NDArray[np.int64] = np.flatnonzero(np.load(path) == index)
            return numbers
        if self.source.is_split:
            return np.arange(counts[index]) + sum(counts[:index])
        if self.split.kind in ("random", "order"):
            return np.flatnonzero(assign(self.split, 0, total, total) == index)
        raise UserError(  # prepared before it was kept
            f"{store.folder}: does not say which rows are of which split; delete it and run "
            "again, or give the scores in the order of the rows"
        )
