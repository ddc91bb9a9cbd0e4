"""Planted rows: their shares of variance, their truth, their streams."""

import dataclasses
from itertools import pairwise, product
from typing import Any

import numpy as np
import polars as pl
import pytest
from support import Compose, run, store_of

from ctrbench.data.schema import LABEL, TIME, TRUTH, USER
from ctrbench.data.sources.planted import (
    CHANGES,
    CHUNK_ROWS,
    PAIRS,
    QUADRUPLES,
    TRIPLES,
    USERS,
    Planted,
)
from ctrbench.data.store.encode import log_squared


def test_shares_of_the_logit_variance(settings: Compose) -> None:
    """Each order has its share, and orders do not correlate."""
    data = settings("data.effects=[0.4,0.3,0.2,0.1]", "data.signal=1.5").data
    source = Planted(data)
    rng = np.random.default_rng(0)
    levels = [field.draw(rng, 200_000) for field in source.fields]
    orders = np.zeros((4, 200_000))
    for effect in source.effects:
        orders[len(effect.fields) - 1] += effect(levels)
    np.testing.assert_allclose(orders.var(axis=1) / 1.5**2, [0.4, 0.3, 0.2, 0.1], rtol=0.05)
    np.testing.assert_allclose(np.corrcoef(orders), np.eye(4), atol=0.02)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_an_effect_is_not_expressible_by_fewer_fields(order: int, settings: Compose) -> None:
    """Summed over one field's distribution, an effect vanishes whatever the other levels."""
    source = Planted(settings("data.effects=[0.25,0.25,0.25,0.25]").data)
    effects = [effect for effect in source.effects if len(effect.fields) == order]
    for effect in effects:
        for field, factor in zip(effect.fields, effect.factors, strict=True):
            np.testing.assert_allclose(source.fields[field].probabilities @ factor, 0, atol=1e-9)
    assert effects


def test_a_factorisation_machine_of_six_factors_expresses_order_two(settings: Compose) -> None:
    """v_i of a field in pair p is its factor along dimension p, and zero along all others."""
    source = Planted(settings("data.effects=[0,1,0,0]").data)
    levels = [field.draw(np.random.default_rng(0), 1000) for field in source.fields]
    v_NFK = np.zeros((1000, 39, 6))
    for p, effect in enumerate(source.effects):
        for field, factor in zip(effect.fields, effect.factors, strict=True):
            v_NFK[:, field, p] = np.sqrt(effect.weight) * factor[levels[field]]
    pairs_N = ((v_NFK.sum(axis=1) ** 2) - (v_NFK**2).sum(axis=1)).sum(axis=1) / 2
    np.testing.assert_allclose(pairs_N, sum(e(levels) for e in source.effects), atol=1e-9)


def test_a_truth_of_certainty(settings: Compose) -> None:
    """Logits whose probabilities are 0 and 1 in float64 give finite figures."""
    own = settings("model=lr", "data.signal=60", "data.rows=20000", "trainer.epochs=1")
    frame = next(iter(Planted(own.data).slices())).read()
    assert frame[TRUTH].abs().max() > 40
    assert all(np.isfinite(figure) for figure in run(own)["metrics"]["test"].values())


def test_labels_follow_the_truth(settings: Compose) -> None:
    source = Planted(settings("data.rows=131072", "data.click_rate=0.25").data)
    frame = pl.concat([piece.read() for piece in source.slices()])
    frame = frame.with_columns((1 / (1 + (-pl.col(TRUTH)).exp())).alias(TRUTH))
    assert frame[TRUTH].mean() == pytest.approx(0.25, abs=0.01)
    for low in np.arange(0, 1, 0.1):
        inside = frame.filter(pl.col(TRUTH).is_between(low, low + 0.1))
        if len(inside) > 1000:
            error = 4 * 0.5 / np.sqrt(len(inside))
            assert inside[LABEL].mean() == pytest.approx(inside[TRUTH].mean(), abs=error)


def test_more_rows_begin_with_the_same_rows(settings: Compose) -> None:
    data = settings().data
    few = pl.concat([p.read() for p in Planted(dataclasses.replace(data, rows=1000)).slices()])
    more = pl.concat([p.read() for p in Planted(dataclasses.replace(data, rows=70_000)).slices()])
    assert len(more) == 70_000 and more.head(1000).equals(few)
    other = pl.concat([p.read() for p in Planted(dataclasses.replace(data, seed=1)).slices()])
    assert not other.head(1000).equals(few)


def test_shape_is_criteos(settings: Compose) -> None:
    frame = next(iter(Planted(settings("data.missing=0.2").data).slices())).read()
    assert len([c for c in frame.columns if c.startswith("I")]) == 13
    assert len([c for c in frame.columns if c.startswith("C")]) == 26
    assert frame["I1"].null_count() / len(frame) == pytest.approx(0.2, abs=0.03)
    tokens = frame.select(log_squared(pl.col("I2"))).to_series()
    assert tokens.n_unique() <= 5  # the raw integers fall into as many bins as the field has levels


def test_the_default_crosses_are_the_planted_effects(settings: Compose) -> None:
    names = [column.name for column in Planted.columns]
    planted = [[names[i] for i in fields] for fields in (*PAIRS, *TRIPLES, *QUADRUPLES)]
    assert sorted(settings().data.crosses) == sorted(planted)


MOOD = ["data.mood=0.4", "data.history={user:user,time:time,of:[C1]}"]


def test_without_a_mood_the_rows_are_the_same(settings: Compose) -> None:
    """Users and times are beside them, where they are asked for."""
    plain = next(iter(Planted(settings("data.rows=3000").data).slices())).read()
    keyed = next(iter(Planted(settings("data.rows=3000", MOOD[1]).data).slices())).read()
    assert keyed.drop(USER, TIME).equals(plain) and plain.columns[-1] == TRUTH
    moody = next(iter(Planted(settings("data.rows=3000", *MOOD).data).slices())).read()
    assert moody.drop(USER, TIME, LABEL, TRUTH).equals(plain.drop(LABEL, TRUTH))


def test_the_truth_of_moods(settings: Compose) -> None:
    """The probability given all earlier rows of a user, by a sum over every path of moods."""
    source = Planted(settings(*MOOD, "data.rows=10000", "data.signal=2").data)
    frame = next(iter(source.slices())).read()
    mood = 2 * 0.4**0.5
    assert frame[USER].n_unique() == USERS
    for user in range(3):
        own = frame.filter(pl.col(USER) == user)
        assert own[TIME].to_list() == list(range(len(own))) and len(own) >= 9
        labels = own[LABEL].to_list()
        logits = _logits(source, user, len(own))
        for n in range(5):
            chance = [0.0, 0.0]  # of the labels so far, and of those with a click in row n
            for path in product((1, -1), repeat=n + 1):
                changes = sum(a != b for a, b in pairwise(path))
                p = 0.5 * CHANGES**changes * (1 - CHANGES) ** (n - changes)
                good = [1 / (1 + np.exp(-logits[i] - mood * m)) for i, m in enumerate(path)]
                for i in range(n):
                    p *= good[i] if labels[i] else 1 - good[i]
                chance[0] += p
                chance[1] += p * good[n]
            expected = chance[1] / chance[0]
            assert 1 / (1 + np.exp(-own[TRUTH][n])) == pytest.approx(expected, rel=1e-9)


def _logits(source: Planted, user: int, count: int) -> Any:
    """Of a user's rows but for the mood, from their levels."""
    rng = np.random.default_rng([source.settings.seed, 1, 0])
    levels = [field.draw(rng, CHUNK_ROWS) for field in source.fields]
    plain = sum(effect(levels) for effect in source.effects) * 0.6**0.5
    return (plain + source.intercept)[user : count * USERS : USERS]


def test_labels_follow_moods(settings: Compose) -> None:
    """The share of the variance, the click rate, and that the best reachable is well calibrated."""
    source = Planted(settings(*MOOD, "data.rows=65536", "data.click_rate=0.25").data)
    frame = pl.concat([piece.read() for piece in source.slices()])
    assert frame[LABEL].mean() == pytest.approx(0.25, abs=0.01)
    chance = 1 / (1 + np.exp(-frame[TRUTH].to_numpy()))
    for low in np.arange(0, 1, 0.1):
        inside = (chance >= low) & (chance < low + 0.1)
        if inside.sum() > 1000:
            error = 4 * 0.5 / np.sqrt(inside.sum())
            labels = frame[LABEL].to_numpy()[inside]
            assert labels.mean() == pytest.approx(chance[inside].mean(), abs=error)


def test_users_are_groups(settings: Compose) -> None:
    groups = store_of(settings("data.group=user", "data.rows=3000")).part("test").groups_N
    assert groups is not None and 100 < len(np.unique(groups)) < 400
