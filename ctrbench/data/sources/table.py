"""Any table of named columns: CSV, TSV or Parquet, its column types declared or inferred.

A type is one of

    category    a value is a code: strings, booleans, integers that repeat
    number      a value is an amount; ``price:number:point`` reads $1,234.50 and 12.5%, and
                ``price:number:comma`` reads 1.234,50 €
    date        gives the fields NAME.hour, NAME.weekday and NAME.weekend; a form that cannot
                be inferred is declared (``hour:date:%y%m%d%H``); that of Unix times is their
                unit (``at:date:ms``)
    day         a date without a time of day
    multi       several values in a cell: lists in brackets, or text with a separator between
                them (that of ``data.values_separator``, or of ``tags:multi:;``)
    vector      a list of as many numbers in every row (``emb:vector:64`` for 64), one field
    skip        left out
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path

import polars as pl

from ctrbench.data.patterns import WILDCARD, is_named, resolve_patterns
from ctrbench.data.schema import GROUP, KEPT, RESERVED, USER, Column, Slice
from ctrbench.data.settings import TableSettings
from ctrbench.data.sources.base import FileSource
from ctrbench.data.sources.cells import read_cells, read_header, without_text
from ctrbench.data.sources.column_types import (
    DATES,
    InferredType,
    Type,
    infer,
    infer_partition,
)
from ctrbench.data.sources.compression import is_parquet
from ctrbench.data.sources.conversion import (
    convert_column,
    convert_keys,
    convert_labels,
    convert_times,
    convert_weights,
)
from ctrbench.data.sources.declarations import declared_types, declared_vectors
from ctrbench.data.sources.folders import add_partition
from ctrbench.data.sources.frame_index import INDEX_NAME
from ctrbench.data.sources.layout import NO_HEADER, TextOptions, is_row_of_values, quote_in
from ctrbench.data.sources.parquet import column_types
from ctrbench.data.sources.registry import reads
from ctrbench.data.sources.rows import Read
from ctrbench.errors import UserError
from ctrbench.files import file_signature
from ctrbench.quoting import list_override
from ctrbench.settings import closest, nearest

OTHERS = "*"


@reads(TableSettings)
class Table(FileSource):
    """A source of rows with named columns."""

    settings: TableSettings

    def __init__(self, settings: TableSettings) -> None:
        super().__init__(settings)
        if settings.label is None:
            raise UserError(f"data={settings.name} needs data.label=COLUMN, the column of clicks")
        self._options = TextOptions.from_settings(settings, declared_vectors(settings))
        self.header_lines = int(settings.header is None)

    def check(self) -> None:
        first, *others = self.paths
        names = self._names(first)
        has_header = is_parquet(first) or self.settings.header is not None
        label = str(self.settings.label)
        if not has_header and is_row_of_values(names, label):
            raise UserError(f"{first}, line 1: its names are {', '.join(names[:5])}; {NO_HEADER}")
        if label not in names:
            hint = nearest(label, names)
            hint += "" if has_header or closest(label, names) else f"; {NO_HEADER}"
            raise UserError(f"data.label={self.settings.label}: {first} has no such column; {hint}")
        self._check_weight(names)
        for path in others:
            other_names = self._names(path)
            for name in (*names, *other_names):
                is_shared = name in names and name in other_names
                if not is_shared and not INDEX_NAME.fullmatch(name):
                    raise UserError(
                        f"{path}: its columns differ from those of {first}: only one has {name}"
                    )
        for name, count in Counter(column.name for column in self.columns).items():
            if name in RESERVED:
                raise UserError(
                    f"{first}: the name {name} is reserved; rename the column, or declare "
                    f"data.types=[{name}:skip]"
                )
            if count > 1:
                raise UserError(f"{first}: {name} is made of a date and a column too; skip one")
        if not self.columns:
            left_out = [f"{name} is left out: {why}" for name, why in self.left_out.items()]
            raise UserError(
                f"{first}: no column is of use beside the label {self.settings.label}"
                f"{'; ' if left_out else ''}{', '.join(left_out[:3])}; name a file with features"
            )

    def _check_weight(self, names: list[str]) -> None:
        """Refuse a weight that is no column of its own."""
        weight = self.settings.weight
        if weight is None:
            return
        if weight not in names:
            hint = nearest(weight, names)
            raise UserError(f"data.weight={weight}: {self.paths[0]} has no such column; {hint}")
        if weight == self.settings.label:
            raise UserError(f"data.weight={weight}: is the label; name another column")
        if weight in self._declarations:
            raise UserError(
                f"data.types={weight}:{self._declarations[weight]}: it is data.weight, which is no "
                "feature; leave out one of the two"
            )

    def _names(self, path: Path) -> list[str]:
        """Return the columns of a file, those that its folders give last."""
        names = read_header(path, self._options)
        return [*names, *(name for name in self.partitions.get(path, {}) if name not in names)]

    @cached_property
    def _declarations(self) -> dict[str, Type]:
        declared = declared_types(self.settings.types)
        declared.pop(str(self.settings.label), None)
        return declared

    @cached_property
    def _declared(self) -> dict[str, Type]:
        """The declared types by the names of columns, those of all others apart."""
        declared = {name: type_ for name, type_ in self._declarations.items() if name != OTHERS}
        if not any(WILDCARD in name for name in declared) or not self._is_at_hand:
            return declared
        return resolve_patterns("data.types", declared, self._inferred)

    @property
    def _is_at_hand(self) -> bool:
        """Whether the files are there; a run may be opened where they are not."""
        try:
            return bool(self.files)
        except UserError:
            return False

    @cached_property
    def _inferred(self) -> dict[str, InferredType]:
        """The inferred type of every column but the label."""
        path = self.paths[0]
        splits = tuple(
            tuple((file, file_signature(file)) for file in files) for files in self.files.values()
        )
        inferred = dict(infer(splits, self._options))
        partitions = [self.partitions.get(path, {}) for path in self.paths]
        for name in self._names(path):
            if name not in inferred:  # a column that the folders give
                inferred[name] = infer_partition(name, [own.get(name) for own in partitions])
        inferred.pop(str(self.settings.weight), None)
        label = inferred.pop(str(self.settings.label), None)
        if label is not None and (label.type.name == "multi" or not label.is_read):
            what = label.note or "its cells are lists"
            raise UserError(f"data.label={self.settings.label}: in {path}, {what}; must be 0 or 1")
        return inferred

    @cached_property
    def types(self) -> dict[str, Type]:
        """The type of every column but the label: as declared, or inferred from the first rows."""
        others, declared = self._declarations.get(OTHERS), dict(self._declared)
        for name in self.settings.sequence_columns:
            if name not in declared and name in self._inferred:
                declared[name] = Type("multi")
        for name in self._options.vectors:
            if name not in declared and name in self._inferred:
                declared[name] = Type("vector")
        if others is not None and others.name == "skip":
            return declared
        for name in self._inferred:
            if is_named(name, self._options.vectors):
                declared.setdefault(name, Type("vector"))
        for name in declared:
            if name not in self._inferred:
                path, hint = self.paths[0], nearest(name, self._inferred)
                raise UserError(f"data.types={name}: {path} has no such column; {hint}")
        return {name: self._type(name, declared.get(name), others) for name in self._inferred}

    def _type(self, name: str, declared: Type | None, others: Type | None) -> Type:
        path, inferred = self.paths[0], self._inferred[name]
        if not inferred.is_read:
            if declared is None or declared.name == "skip":
                return Type("skip")
            raise UserError(
                f"data.types={name}:{declared}: in {path} its {inferred.note}; convert the column, "
                f"or declare {name}:skip"
            )
        chosen = declared or (None if inferred.by_name_only or self._splits_rows(name) else others)
        is_open = chosen is None or (chosen.name in (*DATES, "vector") and chosen.form is None)
        if is_open and inferred.ask:
            raise UserError(f"{path}, column {name}: {inferred.ask}")
        if chosen is not None and is_open and inferred.type.name in (*DATES, "vector"):
            return replace(chosen, form=inferred.type.form)
        if chosen is None and self._splits_rows(name):
            return Type("skip", inferred.type.form if inferred.type.name in DATES else None)
        return chosen or inferred.type

    def _splits_rows(self, name: str) -> bool:
        """Return whether the rows are split by a column (``split=time``)."""
        return self.by_time and not self.is_split and name == self.settings.when

    @property
    def label(self) -> str:
        return str(self.settings.label)

    @property
    def weight(self) -> str | None:
        return self.settings.weight

    def separator_of(self, name: str) -> str:
        """Return what separates the values in a cell of a column of several values."""
        is_multi = name in self.types and self.types[name].name == "multi"
        form = self.types[name].form if is_multi else None
        return form or self.settings.values_separator

    @property
    def groupable(self) -> set[str]:
        """Columns of one value a row: those of the file, and those made of dates."""
        types = {name: {found.type, self.types.get(name)} for name, found in self._inferred.items()}
        return super().groupable | {
            name
            for name, own in types.items()
            if self._inferred[name].is_read
            and not {"multi", "vector"} & {type_.name for type_ in own if type_}
        }

    @property
    def left_out(self) -> dict[str, str]:
        skipped = [name for name, type_ in self.types.items() if type_.name == "skip"]
        return {name: self._reason(name) for name in skipped if name not in self._declared}

    def _reason(self, name: str) -> str:
        """Return why a column is left out."""
        if not self._splits_rows(name):
            return self._inferred[name].note
        type_ = self._inferred[name].type.name
        declared = list_override("data.types", [f"{name}:{'number' if type_ == 'skip' else type_}"])
        return f"it splits the rows (split=time); as a feature, declare {declared}"

    @property
    def doubts(self) -> dict[str, str]:
        if OTHERS in self._declarations:
            return {}
        used = [name for name, type_ in self.types.items() if type_.name != "skip"]
        open_ = [name for name in used if name not in self._declared or self._is_unsplit(name)]
        return {name: note for name in open_ if (note := self._inferred[name].note)}

    def _is_unsplit(self, name: str) -> bool:
        """Return whether the values of a declared ``multi`` column look separated otherwise."""
        separator = self._inferred[name].separator
        is_other = separator not in (None, "", self.separator_of(name).strip())
        return self.types[name].name == "multi" and is_other

    @cached_property
    def columns(self) -> tuple[Column, ...]:  # type: ignore[override]
        """The encoded columns, in the file's order."""
        return tuple(c for name, type_ in self.types.items() for c in type_.columns(name))

    @property
    def times(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, found in self._inferred.items()
            if found.is_read and found.type.name not in ("multi", "vector")
        )

    def time_text(self, value: float) -> str:
        name = str(self.settings.when)
        types = [
            self.types.get(name),
            self._inferred[name].type if name in self._inferred else None,
        ]
        if not any(type_ is not None and type_.name in DATES for type_ in types):
            return super().time_text(value)
        return str(datetime(1970, 1, 1) + timedelta(microseconds=value)).removesuffix(" 00:00:00")

    def resolved(self) -> TableSettings:
        """Return the settings with all types declared: other files are read the same way."""
        types = [f"{name}:{type_}" for name, type_ in self.types.items()]
        types.append(f"{OTHERS}:skip")
        path = self.paths[0]
        quote = None if is_parquet(path) else quote_in(path, file_signature(path), self._options)
        return replace(self.settings, types=types, quote=quote or self.settings.quote)

    def slices_of(self, path: Path, part: str = "all", *, labelled: bool = True) -> Iterator[Slice]:
        names, unused = self._names(path), without_text(path, self._options)
        used = {name: type_ for name, type_ in self.types.items() if type_.name != "skip"}
        named = [name for name in (self.settings.history.user, self.settings.when) if name]
        encoded = {column.name for name, type_ in used.items() for column in type_.columns(name)}
        needed = [
            name
            for name, type_ in used.items()
            if {column.name for column in type_.columns(name)} - {*self.settings.exclude}
        ]
        for name in (*needed, *(key for key in named if key in used or key not in encoded)):
            if name not in names:
                hint = nearest(name, names)
                if not labelled and not {*needed} & {*names}:
                    hint = "line 1 names none of the columns; has it a header? If not, write one"
                raise UserError(f"{path}: no column {name}; {hint}")
            if name in unused:
                raise UserError(f"{path}, column {name}: {unused[name]} are not read; convert them")
        for name in self.keep:
            if name not in names:
                raise UserError(f"keep={name}: {path} has no such column; {nearest(name, names)}")
        kinds = column_types(path) if self.keep and is_parquet(path) else {}
        there = {name: type_ for name, type_ in used.items() if name in names}
        in_file = read_header(path, self._options)
        partition = {n: v for n, v in self.partitions.get(path, {}).items() if n not in in_file}
        for share, read in read_cells(path, self._options):
            if partition:
                read = partial(add_partition, read, partition)
            yield Slice(part, share, partial(self._frame, read, there, kinds, labelled=labelled))

    def _frame(
        self,
        read: Read,
        used: dict[str, Type],
        kinds: Mapping[str, pl.DataType],
        *,
        labelled: bool,
    ) -> pl.DataFrame:
        cells, columns = read(), list[pl.Series]()
        label, group, user = self.settings.label, self.settings.group, self.settings.history.user
        if label in cells.frame.columns:
            positive = self.settings.positive
            columns += convert_labels(cells, str(label), positive, labelled=labelled)
        if labelled and self.settings.weight is not None:
            columns.append(convert_weights(cells, self.settings.weight))
        if group in cells.frame.columns:
            columns.append(convert_keys(cells, group).alias(GROUP))
        for name in self.keep:
            kind = kinds.get(name, pl.String())
            kept = cells.frame[name].alias(f"{KEPT}{name}")
            columns.append(kept.cast(kind) if kind.is_numeric() else kept)
        for name, type_ in used.items():
            columns += convert_column(cells, name, type_, self.settings.values_separator)
        if (when := self.settings.when) is not None:
            columns.append(convert_times(cells, when, self.types.get(when, Type("category"))))
        frame = pl.DataFrame(columns)
        if user is not None:
            user_keys = convert_keys(cells, user) if user in cells.frame.columns else frame[user]
            frame = frame.with_columns(user_keys.alias(USER))
        return frame
