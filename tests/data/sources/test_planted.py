"""Planted rows: their shares of variance, their truth, their streams."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from support import Compose, run

from ctrbench.data.schema import LABEL, TRUTH
from ctrbench.data.sources.planted import PAIRS, QUADRUPLES, TRIPLES, Planted
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
