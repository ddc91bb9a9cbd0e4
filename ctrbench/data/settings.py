"""Settings of the data sets and of the split."""

import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, ClassVar

from ctrbench.errors import UserError
from ctrbench.settings import option, settings

VALUE_ENCODINGS = ("value", "unscaled", "vector")  # that multiply the field's embedding
NUMERIC_ENCODINGS = ("log_squared", "quantile", "value", "unscaled")
HASH_BUCKETS = 100_000
POOLINGS = ("mean", "sum")
POSITIVE = re.compile(r"\s*(>=|>|==|<=|<)\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*")


@dataclass(frozen=True)
class Crosses:
    """Crosses that a model asks the data layer for.

    Attributes:
        fields: the names of the fields of each cross.
        min_count: training rows a combination must occur in to have an id.
        buckets: hash each cross to so many ids; None gives it a vocabulary.
    """

    fields: list[list[str]]
    min_count: int
    buckets: int | None


@dataclass
class HistorySettings:
    """The past of every row: values of the same user's rows before it."""

    user: str | None = option("column that says whose a row is; null: no history", default=None)
    time: str | None = option("column that says when a row is: numbers or dates", default=None)
    of: list[str] = option("the fields whose past values a row is given", default_factory=list)
    length: int = option("past rows at most, the last ones", default=20, ge=1, le=1000)
    labels: bool = option("give the labels of past training rows too", default=False)

    def __bool__(self) -> bool:
        return self.user is not None

    def validate(self) -> None:
        """Refuse a history that is declared in part, or of the same twice."""
        if self != HistorySettings(length=self.length):
            self.check_whole()
        for name in self.of:
            if self.of.count(name) > 1:
                raise UserError(f"data.history.of: {name} stands in it twice; name it once")

    def check_whole(self) -> None:
        """Refuse a history without a user, a time or fields."""
        given = {"user": self.user, "time": self.time, "of": self.of}
        lacking = [name for name, value in given.items() if not value]
        if lacking:
            raise UserError(
                f"data.history: {lacking[0]} is not given; a history is declared as "
                "data.history={user: COLUMN, time: COLUMN, of: [FIELD, ...], length: 20}"
            )


@dataclass
class DataSettings:
    """What every data set has: its name, and how its fields are encoded."""

    registered: ClassVar[str] = ""  # of rows in no layout
    name: str = option("name of the data set", named=True)
    numeric: str = option("encoding of the numeric fields", choices=NUMERIC_ENCODINGS)
    encoding: str = option(
        "encoding of the categorical fields: an id for each frequent value, or a hash of any",
        choices=("vocabulary", "hash"),
        default="vocabulary",
        neutral="vocabulary",
    )
    hash_buckets: int = option(
        "ids of a field whose values are hashed",
        default=HASH_BUCKETS,
        neutral=HASH_BUCKETS,
        ge=1,
        lt=2**31 - 2,
    )
    encodings: list[str] = option(
        "encodings of single fields, [I1:value, genres:sum, C14:target, emb:vector, ...]; "
        "*:target, of all categorical fields"
    )
    target_folds: int = option(
        "folds of the training rows by which C14:target computes click rates",
        default=5,
        neutral=5,
        ge=2,
        le=100,
    )
    bins: int = option("bins of the quantile encoding", ge=2)
    min_count: int = option("training rows a value must occur in to have an id", ge=1)
    max_values: int | None = option(
        "values of a row that a field of several values keeps, the first ones; null: twice as many "
        "as 99 % of the training rows have, at least 8",
        default=None,
        neutral=None,
        ge=1,
    )
    exclude: list[str] = option("fields to leave out")
    group: str | None = option(
        "the column within whose values GAUC is measured, mostly the user, and whose values "
        "split=group keeps together; it may be excluded",
        default=None,
        neutral=None,
    )
    negative_rate: float | None = option(
        "the share of the rows without a click that the data keep, where they were sampled: "
        "predictions are corrected for it; null: all",
        default=None,
        neutral=None,
        gt=0,
        le=1,
    )
    crosses: list[list[str]] = option(
        "crosses for Wide & Deep: [[C1, C2], [C1, C3, C4]]", affects_result=False
    )
    time: str | None = option(
        "column that says when a row is, for split=time; null: that of the history",
        default=None,
        neutral=None,
    )
    history: HistorySettings = option(
        "past values of a row's user",
        default_factory=HistorySettings,
        neutral=asdict(HistorySettings()),
    )
    sequences: Any = option(
        "columns of lists that hold past values of a field, the latest last: {hist_item: item}",
        default=None,
        neutral=None,
    )

    @property
    def when(self) -> str | None:
        """The column that says when a row is, where one is named."""
        return self.time or self.history.time

    @property
    def sequence_columns(self) -> dict[str, str]:
        """The columns of sequences, and the field of each."""
        return {str(name): str(of) for name, of in (self.sequences or {}).items()}

    @property
    def has_past(self) -> bool:
        """Whether rows come with past values."""
        return bool(self.history) or bool(self.sequences)

    def validate(self) -> None:
        """Refuse two columns of time, two kinds of past, and the length of none."""
        if not isinstance(self.sequences or {}, dict):
            raise UserError(
                f"data.sequences={self.sequences}: give columns of lists and the field of each, "
                "{hist_item: item}"
            )
        if self.sequences and self.history:
            raise UserError(
                "data.sequences: data.history is declared too, and a row has one past; leave one "
                "of them out"
            )
        if not self.sequences and self.history != HistorySettings():
            self.history.check_whole()
        if self.time and self.history and self.time != self.history.time:
            raise UserError(
                f"data.time={self.time}: data.history.time={self.history.time} is another; "
                "leave one of them out"
            )


@settings("download")
@dataclass
class DownloadSettings:
    """A set that BARS publishes, its three files in one archive."""

    archive: str = option("name of the archive on the hub")
    md5: list[str] = option("MD5 of its train, valid and test file, as published with the set")


@dataclass
class FileSettings(DataSettings):
    """Rows in files.

    Which files they are decides nothing: the content of their rows does.
    """

    path: Any = option(  # str | list[str] | None, which OmegaConf 2.3 cannot compose
        "the file, plain or compressed, to be split by `split`: a file, a folder, a pattern "
        "(days/*/*.parquet), or a list of these",
        affects_result=False,
    )
    train: Any = option(
        "file of training rows, where the split is yours; also a folder, a pattern, or a list",
        affects_result=False,
    )
    valid: Any = option("file of validation rows, or several", affects_result=False)
    test: Any = option("file of test rows, or several", affects_result=False)
    download: Any = option("the public set that `ctrbench download` fetches", affects_result=False)

    def __post_init__(self) -> None:
        for name in ("path", "train", "valid", "test"):
            value = getattr(self, name)
            if isinstance(value, int | float):  # a file of that name
                setattr(self, name, str(value))

    def validate(self) -> None:
        """Refuse what is neither the name of a file nor a list of such names."""
        super().validate()
        for name in ("path", "train", "valid", "test"):
            value = getattr(self, name)
            items = value if isinstance(value, list) else [value or "-"]
            if not all(isinstance(item, str) and item for item in items):
                raise UserError(
                    f"data.{name}={value}: give a file, a folder, a pattern, or a list of these"
                )


@settings("criteo")
@dataclass
class CriteoSettings(FileSettings):
    """Rows of the Display Advertising challenge: label, 13 integers, 26 hex categories."""


@settings("table")
@dataclass
class TableSettings(FileSettings):
    """Rows of named columns: CSV, TSV or Parquet."""

    label: str | None = option("the column of clicks: 0 or 1, true or false, yes or no")
    positive: str | None = option(
        'the labels that are clicks, of a column of ratings: ">=4", ">3", "==5", "<=2"; null: '
        "labels are 0 and 1",
        default=None,
        neutral=None,
    )
    weight: str | None = option(
        "column of weights of the rows, for the loss and the metrics; no feature",
        default=None,
        neutral=None,
    )
    separator: str | None = option("separator of cells; null: the usual one of the header")
    quote: str | None = option(
        "double: cells may stand between quotation marks; none: a mark is a character like any "
        "other; null: by the rows",
        choices=("double", "none"),
        default=None,
        neutral=None,
    )
    header: Any = option(
        "names of the columns of a text file without a header, or none: column_1, column_2, ...; "
        "null: the first line",
        default=None,
        neutral=None,
    )
    values_separator: str = option("separator of the values in a cell of type multi")
    types: list[str] = option(
        "types of columns, [zip:category, price:number, seen:date, genres:multi, id:skip], and of "
        "all others, *:TYPE; those not named are inferred"
    )

    missing: list[str] = option(
        'values that stand for a missing one, ["-", "?"], besides empty cells',
        default_factory=list,
        neutral=[],
    )

    def validate(self) -> None:
        """Refuse ratings without a comparison, and a header that is no list of different names."""
        super().validate()
        if self.positive is not None and not POSITIVE.fullmatch(self.positive):
            raise UserError(
                f"data.positive={self.positive}: not a comparison with a number; give "
                "\"data.positive='>=4'\""
            )
        if self.header is None or self.header == "none":
            return
        names = list(map(str, self.header)) if isinstance(self.header, list) else []
        if not names or "" in names or len(set(names)) < len(names):
            raise UserError(
                f"data.header={self.header}: must be [NAME, ...], all different, or none"
            )


@settings("libsvm")
@dataclass
class LibsvmSettings(FileSettings):
    """Sparse rows as libfm (label index:value) and libffm (label field:index:value) take them."""

    fields: list[str] = option(
        "what every field is, [0:category, 1:number, 2:multi] (number:INDEX where its index is "
        "known); none named: inferred"
    )


@settings("movielens")
@dataclass
class MovieLensSettings(DataSettings):
    """MovieLens-1M as clicks: ratings of 4 and 5 are clicks, 1 and 2 are none, 3 is dropped."""

    path: str | None = option(
        "the folder of the three files, by GroupLens or tab-separated", affects_result=False
    )


@settings("planted")
@dataclass
class PlantedSettings(DataSettings):
    """Rows of the same shape made from a seed, whose true click probability is known."""

    rows: int = option("number of rows", ge=10)
    seed: int = option("seed of the rows and of the planted effects", ge=0)
    vocabulary: int = option("values of the largest categorical field", ge=4, le=2**31)
    missing: float = option("share of missing values in every third field", ge=0, lt=1)
    effects: list[float] = option("shares of the logit's variance: order 1, 2, 3, 4", ge=0)
    signal: float = option("standard deviation of the logit", gt=0)
    click_rate: float = option("expected share of clicks", gt=0, lt=1)
    mood: float | None = option(
        "share of the logit's variance by a user's mood; effects share the rest; null: no moods",
        default=None,
        neutral=None,
        gt=0,
        le=1,
    )


@settings("split")
@dataclass
class SplitSettings:
    """How rows become training, validation and test rows."""

    kind: str = option(
        "random: drawn by the seed; order: by the file's order; time: by data.time; group: drawn "
        "for each value of data.group",
        choices=("random", "order", "time", "group"),
    )
    fractions: list[float] = option("shares of train, valid and test", gt=0, lt=1)
    seed: int = option("seed of a drawn split, apart from the run's seed", ge=0)
    train_share: Any = option(  # int | float | str, which OmegaConf 2.3 cannot compose
        "share of the training rows to train on, 0.25 or 1/64; a smaller share lies within a "
        "larger one, and validation and test rows stay the same",
        default=1.0,
        neutral=1.0,
    )

    def __post_init__(self) -> None:
        with suppress(ValueError, ZeroDivisionError):
            self.train_share = float(Fraction(str(self.train_share)))

    def validate(self) -> None:
        """Refuse a share of the training rows that is none."""
        share = self.train_share
        if not isinstance(share, float) or not 0 < share <= 1:
            raise UserError(
                f"split.train_share={share}: give a share of the training rows above 0 and up to "
                "1: 0.25 or 1/64"
            )
