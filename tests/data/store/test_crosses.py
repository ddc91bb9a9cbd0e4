"""Crosses of fields: their vocabularies, their buckets, their place in the store."""

import shutil
from collections import Counter

import numpy as np
import pytest
from support import Compose, run, store_of

from ctrbench.data.settings import Crosses
from ctrbench.data.store import crosses
from ctrbench.data.store.crosses import check_crosses, vocabularies, with_crosses
from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError

CROSSES = [["C25", "C26"], ["C3", "I2", "C1"]]


@pytest.fixture
def store(settings: Compose) -> Store:
    own = settings("data.encodings=[I1:value]")
    return store_of(own)


def columns(store: Store, part: str, names: list[str]) -> list[tuple[int, ...]]:
    fields = [field.name for field in store.schema.fields]
    rows = store.part(part).ids_NS[:, [fields.index(name) for name in names]]
    return [tuple(row) for row in rows.tolist()]


def test_an_id_for_each_frequent_combination_of_training_rows(store: Store) -> None:
    """Equal combinations share an id, the most frequent has the least; all others have 0."""
    crossed = with_crosses(store, Crosses(CROSSES, 3, None))
    unseen = 0
    for i, names in enumerate(CROSSES):
        counts = Counter(columns(store, "train", names))
        frequent = {combination for combination, n in counts.items() if n >= 3}
        assert crossed.schema.crosses[i].size == len(frequent) + 1
        ids: dict[tuple[int, ...], int] = {}
        for part in ("train", "valid", "test"):
            made = crossed.part(part).crosses_NC[:, i].tolist()
            for combination, number in zip(columns(store, part, names), made, strict=True):
                assert (number > 0) == (combination in frequent)
                assert ids.setdefault(combination, number) == number
                unseen += combination not in counts
        known = {number: counts[c] for c, number in ids.items() if number}
        assert len(known) == len(set(known)) == len(frequent)
        ordered = [known[number] for number in sorted(known)]
        assert ordered == sorted(ordered, reverse=True)
    assert unseen > 0


def test_hashed_into_buckets(store: Store) -> None:
    """Equal combinations share a bucket, and buckets are about equally full of combinations."""
    crossed = with_crosses(store, Crosses(CROSSES, 3, 7))
    assert [field.size for field in crossed.schema.crosses] == [7, 7]
    bucket: dict[tuple[int, ...], int] = {}
    for part in ("train", "valid", "test"):
        made = crossed.part(part).crosses_NC[:, 1].tolist()
        for combination, number in zip(columns(store, part, CROSSES[1]), made, strict=True):
            assert bucket.setdefault(combination, number) == number
    full = np.bincount(list(bucket.values()), minlength=7) / len(bucket)
    np.testing.assert_allclose(full, 1 / 7, atol=0.05)


def test_vocabularies_are_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not again for every slice of rows: those that were just made are at hand."""
    whole = with_crosses(store, Crosses(CROSSES, 3, None))
    assert whole.crosses is not None
    made = [known for known in vocabularies(whole.crosses, 2) if known is not None]
    assert [len(known) + 1 for known in made] == [f.size for f in whole.schema.crosses]
    monkeypatch.setattr(crosses, "SLICE_ROWS", 100)
    monkeypatch.setattr(crosses.pl, "read_parquet", None)
    shutil.rmtree(whole.crosses)
    pieces = with_crosses(store, Crosses(CROSSES, 3, None))
    np.testing.assert_array_equal(pieces.part("test").crosses_NC, whole.part("test").crosses_NC)


def test_made_once(store: Store) -> None:
    first = with_crosses(store, Crosses(CROSSES, 3, None))
    assert first.crosses is not None
    made = (first.crosses / "store.json").stat().st_mtime_ns
    again = with_crosses(Store(store.folder), Crosses(CROSSES, 3, None))
    assert again.crosses == first.crosses
    assert (first.crosses / "store.json").stat().st_mtime_ns == made
    assert with_crosses(store, Crosses(CROSSES, 4, None)).crosses != first.crosses
    assert with_crosses(store, Crosses(CROSSES[:1], 3, None)).crosses != first.crosses
    assert not list(store.folder.rglob("*.partial"))


def test_changed_bytes_are_noticed(store: Store) -> None:
    crossed = with_crosses(store, Crosses(CROSSES, 3, None))
    assert crossed.crosses is not None
    with (crossed.crosses / "test.ids.npy").open("ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match=r"test.ids.npy: .* changed .* delete"):
        with_crosses(store, Crosses(CROSSES, 3, None))


def test_no_frequent_combination(store: Store) -> None:
    with pytest.raises(UserError, match=r"\[C25, C26\]: no combination occurs 9999 times"):
        with_crosses(store, Crosses(CROSSES, 9999, None))
    assert not list(store.folder.rglob("*.partial"))


def test_no_crosses_leaves_the_wide_part_with_the_fields(settings: Compose) -> None:
    own = settings("model=wide_deep", "model.crosses=[]", "model.hidden=[8]")
    assert store_of(own).schema.crosses == ()
    assert run(own)["status"] == "ok"


def test_a_field_of_several_values_cannot_be_crossed() -> None:
    with pytest.raises(UserError, match=r"genres is encoded as mean"):
        check_crosses([["genres", "user"]], {"genres": "mean", "user": "vocabulary"})
