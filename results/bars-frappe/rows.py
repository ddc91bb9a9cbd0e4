"""Rows of Frappe_x1 but for the apps of its training file's negatives, from two public sources.

    python rows.py frappe.csv frappe.validation.libfm frappe.test.libfm FOLDER

``frappe.csv`` is the log (96,203 rows, each a click), the two others are the files that the
authors of NFM published, whose rows are those of Frappe_x1's validation and test files. For every
row of the log they drew two apps that its user never used. Their ids are those of the log's user
and app, then each context's values by their first row. So the clicks and the contexts of the
training file follow exactly, as what the log has beside the other two files; the 134,423 apps of
its negatives alone are drawn anew, by the seed 0. FOLDER gets ``train.csv``, ``valid.csv`` and
``test.csv``.
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

CONTEXTS = ["daytime", "weekday", "isweekend", "homework", "cost", "weather", "country", "city"]
FIELDS = ["user", "item", *CONTEXTS]
Rows = npt.NDArray[np.int64]


def log(path: str) -> Rows:
    """Ids NF of the clicks, those of each field behind those of the ones before."""
    frame = pd.read_csv(path, sep="\t", keep_default_na=False)
    codes = [frame["user"], frame["item"], *(pd.factorize(frame[name])[0] for name in CONTEXTS)]
    offsets = np.cumsum([0, *(max(code) + 1 for code in codes)])
    return np.stack(
        [np.asarray(code) + offset for code, offset in zip(codes, offsets, strict=False)], 1
    )


def published(path: str) -> tuple[Rows, Rows]:
    """Labels N and ids NF of a published file."""
    lines = Path(path).read_text().splitlines()
    rows = np.array([[int(word.partition(":")[0]) for word in line.split()] for line in lines])
    return (rows[:, 0] > 0).astype(np.int64), rows[:, 1:]


def counted(rows: Rows) -> Counter[tuple[int, ...]]:
    """How often each row is there."""
    return Counter(map(tuple, rows.tolist()))


def training(clicks: Rows, others: list[tuple[Rows, Rows]]) -> tuple[Rows, Rows]:
    """Labels N and ids NF of the training file, in random order."""
    seen = counted(clicks)
    twice = Counter({context: 2 * n for context, n in counted(np.delete(clicks, 1, 1)).items()})
    for labels, ids in others:
        seen.subtract(counted(ids[labels == 1]))
        twice.subtract(counted(np.delete(ids[labels == 0], 1, 1)))
    assert min(seen.values()) >= 0 and min(twice.values()) >= 0, "the files are of another log"
    positive, contexts = (np.array(list(rows.elements())) for rows in (seen, twice))
    rng = np.random.default_rng(0)
    used = set(map(tuple, clicks[:, :2].tolist()))
    least, most = clicks[:, 1].min(), clicks[:, 1].max() + 1
    apps = rng.integers(least, most, len(contexts))
    while again := [i for i, app in enumerate(apps) if (contexts[i, 0], app) in used]:
        apps[again] = rng.integers(least, most, len(again))
    ids = np.concatenate([positive, np.insert(contexts, 1, apps, 1)])
    labels = (np.arange(len(ids)) < len(positive)).astype(np.int64)
    order = rng.permutation(len(ids))
    return labels[order], ids[order]


def main(log_path: str, valid_path: str, test_path: str, folder: str) -> None:
    """Write the three files."""
    valid, test = published(valid_path), published(test_path)
    train = training(log(log_path), [valid, test])
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, (labels, ids) in (("train", train), ("valid", valid), ("test", test)):
        frame = pd.DataFrame(np.column_stack([labels, ids]), columns=["label", *FIELDS])
        frame.to_csv(Path(folder) / f"{name}.csv", index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
