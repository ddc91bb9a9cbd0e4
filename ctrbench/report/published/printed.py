"""What others printed, as data: a CSV file for each table or figure, each row with its source.

The DeepFM paper was printed twice, with different numbers in Table 2; both are kept. Its figures 6
to 11 were read off the drawings, to about .0001 in AUC and .000005 in logloss; the note says which
points were overlapped. ``model`` is the name in our registry, ``key`` and ``value`` an option as we
take it: dropout is the probability of dropping. A leaderboard's rows keep its own names of models;
``ours`` is the name of its form in our registry, ``lacks`` what keeps its recipe from being ours.
"""

from functools import cache
from importlib.resources import as_file, files
from typing import Any

import pandas as pd
import yaml

CRITEO_ROWS = 45_840_617  # of the paper's data set
VERSIONS = {"arXiv": "Guo et al. 2017, arXiv 1703.04247v1", "IJCAI": "Guo et al., IJCAI 2017"}


@cache
def published(name: str) -> pd.DataFrame:
    """The rows of ``published/NAME.csv``; a setting's ``value`` is text."""
    with as_file(files("ctrbench.report") / "published" / f"{name}.csv") as path:
        return pd.read_csv(path, dtype={"value": "str"})


@cache
def claims(paper: str) -> list[dict[str, Any]]:
    """What ``published/PAPER_claims.yaml`` says that a paper concludes; its head says how."""
    path = files("ctrbench.report") / "published" / f"{paper}_claims.yaml"
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return found


def table2(data: str) -> dict[str, pd.DataFrame]:
    """Table 2 by the paper's version: AUC and logloss by model; none for a set not in it."""
    rows = published("deepfm_table2")
    rows = rows[rows["data"] == data]
    versions = {
        version: rows[rows["source"] == source].set_index("model")[["auc", "logloss"]]
        for version, source in VERSIONS.items()
    }
    return {version: table for version, table in versions.items() if len(table)}


def leaderboard(source: str, data: str) -> pd.DataFrame:
    """All that a source prints of a data set, the best AUC first."""
    rows = published(source)
    rows = rows[rows["dataset"] == data].sort_values("auc", ascending=False, kind="stable")
    return rows.fillna({"ours": "", "lacks": ""})


def published_rows(source: str, data: str) -> dict[str, int]:
    """The rows of each part of a source's data set; nothing for one that it does not have."""
    rows = published(f"{source}_sets").set_index("dataset").drop(columns="source")
    return {} if data not in rows.index else {k: int(v) for k, v in rows.loc[data].items()}
