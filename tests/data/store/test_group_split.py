"""``split=group``: the rows of a user are in one part, by the seed and the user's name alone."""

import lzma
from pathlib import Path

import numpy as np
import polars as pl
from support import REAL, Compose, ctrbench, needs_real_rows, store_of

from ctrbench.data.store.prepare import content_key
from ctrbench.runs.plan import RunPlan

ROWS = 2_000
WORDS = [
    "data=table",
    "data.label=clicked",
    "data.types=[number:number,user:category]",
    "data.encodings=[number:unscaled]",
    "data.group=user",
    "split=group",
]


def frame_of(rows: int = ROWS, users: int = 300) -> pl.DataFrame:
    """Rows that carry their number, which no encoding hides."""
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "clicked": rng.integers(0, 2, rows),
            "number": np.arange(rows) + 0.5,
            "user": [f"u{i}" for i in rng.integers(0, users, rows)],
        }
    )


def users_of_parts(settings: Compose, path: Path, *words: str) -> dict[str, set[str | None]]:
    """The users of each part, found by the numbers of its rows."""
    store = store_of(settings(*WORDS, f"data.path={path}", *words))
    users = dict(pl.read_csv(path).select(pl.col("number"), "user").iter_rows())
    parts = {}
    for name in ("train", "valid", "test"):
        (values,) = store.part(name).values_NX.T
        parts[name] = {users[float(value)] for value in values}
    return parts


def test_no_user_is_in_two_parts(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    frame_of().write_csv(path)
    parts = users_of_parts(settings, path)
    assert sum(map(len, parts.values())) == len(set.union(*parts.values())) == 299
    assert abs(len(parts["train"]) / 300 - 0.8) < 0.07


def test_neither_order_nor_other_rows_matter(settings: Compose, tmp_path: Path) -> None:
    path, other = tmp_path / "rows.csv", tmp_path / "other.csv"
    frame = frame_of()
    frame.write_csv(path)
    frame.filter(pl.col("user") != "u7").sample(fraction=1, shuffle=True, seed=1).write_csv(other)
    parts, others = (users_of_parts(settings, p) for p in (path, other))
    assert {name: users - {"u7"} for name, users in parts.items()} == others


def test_the_seed_draws_another_split(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    frame_of().write_csv(path)
    parts = users_of_parts(settings, path)
    assert users_of_parts(settings, path, "split.seed=1") != parts


def test_rows_without_a_user_train_and_are_named(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    is_anonymous = pl.col("number") % 5 < 1
    user = pl.when(is_anonymous).then(None).otherwise(pl.col("user")).alias("user")
    frame_of().with_columns(user).write_csv(path)
    parts = users_of_parts(settings, path)
    assert None in parts["train"] and None not in parts["valid"] | parts["test"]
    warnings = store_of(settings(*WORDS, f"data.path={path}")).manifest["warnings"]
    assert any("400 of 2,000 rows have no user" in warning for warning in warnings)


def test_heavy_users_are_named(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    user = pl.when(pl.col("number") < 1500).then(pl.lit("u0")).otherwise(pl.col("user"))
    frame_of().with_columns(user.alias("user")).write_csv(path)
    warnings = store_of(settings(*WORDS, f"data.path={path}")).manifest["warnings"]
    assert any("split=group" in w and "so the parts are" in w for w in warnings)


def test_without_a_group_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    frame_of().write_csv(path)
    words = [*WORDS[:-2], "split=group", f"data.path={path}", f"results={tmp_path}/results"]
    done = ctrbench("data", *words)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "data.group" in done.stderr


def test_the_parts_are_a_store_of_their_own(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    frame_of().write_csv(path)
    own, random = (
        RunPlan(settings(*WORDS, f"data.path={path}", f"split={kind}"))
        for kind in ("group", "random")
    )
    assert content_key(own.source, own.settings.split) != random.content


@needs_real_rows
def test_the_users_of_movielens(settings: Compose, tmp_path: Path) -> None:
    """Real users, of whom some have a hundred times as many rows as others."""
    text = lzma.decompress((REAL / "movielens-1m/ratings.csv.xz").read_bytes())
    ratings = pl.read_csv(text).head(100_000)
    ratings.write_csv(tmp_path / "ratings.csv")
    words = ["data=table", f"data.path={tmp_path}/ratings.csv", "data.label=rating"]
    words += ["data.positive='>=4'", "data.group=user", "split=group", "data.types=[fold:skip]"]
    store = store_of(settings(*words, "data.encodings=[]"))
    clicks = sum(part["clicks"] for part in store.manifest["parts"].values())
    assert clicks == (ratings["rating"] >= 4).sum()
    groups = [set(np.unique(store.part(name).groups_N)) for name in ("valid", "test")]
    assert not groups[0] & groups[1]


def test_a_field_of_planted_rows_is_a_group(settings: Compose) -> None:
    store = store_of(settings("data=planted", "data.rows=3000", "data.group=C20", "split=group"))
    groups = [set(np.unique(store.part(name).groups_N)) for name in ("valid", "test")]
    assert not groups[0] & groups[1]
