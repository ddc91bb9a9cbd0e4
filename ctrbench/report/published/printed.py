"""Published figures as data: a CSV file for each table or figure, each row with its source.

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
    """Return the rows of ``published/NAME.csv``; a setting's ``value`` is text."""
    with as_file(files("ctrbench.report") / "published" / f"{name}.csv") as path:
        return pd.read_csv(path, dtype={"value": "str"})


@cache
def claims(paper: str) -> list[dict[str, Any]]:
    """Return the claims of a paper from ``published/PAPER_claims.yaml``; its head explains them."""
    path = files("ctrbench.report") / "published" / f"{paper}_claims.yaml"
    claims_of_paper: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return claims_of_paper


def table2(data: str) -> dict[str, pd.DataFrame]:
    """Return Table 2 by the paper's version: AUC and logloss by model; none for other data sets."""
    rows = published("deepfm_table2")
    rows = rows[rows["data"] == data]
    versions = {
        version: rows[rows["source"] == source].set_index("model")[["auc", "logloss"]]
        for version, source in VERSIONS.items()
    }
    return {version: table for version, table in versions.items() if len(table)}


def leaderboard(source: str, data: str) -> pd.DataFrame:
    """Return all results that a source prints of a data set, the best AUC first."""
    rows = published(source)
    rows = rows[rows["dataset"] == data].sort_values("auc", ascending=False, kind="stable")
    return rows.fillna({"ours": "", "lacks": ""})


def published_rows(source: str, data: str) -> dict[str, int]:
    """Return the number of rows of each split of a source's data set; empty if it has none."""
    rows = published(f"{source}_sets").set_index("dataset").drop(columns="source")
    return {} if data not in rows.index else {k: int(v) for k, v in rows.loc[data].items()}
