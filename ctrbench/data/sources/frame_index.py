"""The index of a data frame in a file: a column without a name, or with one that pandas gives."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import polars as pl

# Of Parquet files by pandas; of CSV files by pandas or R that were read and written again.
INDEX_NAME = re.compile(r"__index_level_\d+__|Unnamed: 0(\.\d+)?")


def name_index(names: Iterable[str]) -> str:
    """Return the name that pandas gives to a first column without a name, beside other names."""
    others = set(names)
    free = (f"Unnamed: 0{suffix}" for suffix in ["", *(f".{i}" for i in range(1, 100))])
    return next(name for name in free if name not in others)


def unnamed_index_columns(path: Path) -> list[str]:
    """Return the columns of a Parquet file that pandas declares as an index without a name."""
    try:
        declared = json.loads(pl.read_parquet_metadata(path)["pandas"])
        index = [name for name in declared["index_columns"] if isinstance(name, str)]
        columns = [column for column in declared["columns"] if column["name"] is None]
        return [column["field_name"] for column in columns if column["field_name"] in index]
    except (KeyError, TypeError, ValueError, pl.exceptions.PolarsError):
        return []
