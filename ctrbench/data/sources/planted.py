"""Criteo-shaped rows whose true click probability is known.

Every field is drawn independently from a heavy-tailed distribution over its levels. The logit is

    b + signal * sum over orders o of sqrt(share_o) * (mean-square-one sum of effects of order o)

where an effect of order o depends on o fields and has mean zero given any o - 1 of them, so that no
model of lower order can express any of it, and the shares are exact shares of the logit's variance.
Order 2 is factorised (an inner product of short vectors), as a factorisation machine supposes;
orders 3 and 4 are products of signs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import CATEGORICAL, LABEL, NUMERIC, TRUTH, Column, Slice
from ctrbench.data.settings import PlantedSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.sources.criteo import CATEGORICAL_NAMES, NUMERIC_NAMES
from ctrbench.data.sources.registry import reads
from ctrbench.errors import UserError

CHUNK_ROWS = 65_536
GENERATOR = 1  # a change of the rows made must change it
RANK = 3
ZIPF_EXPONENT = 1.1
PAIRS = [(i, i + 1) for i in range(17, 31, 2)]
TRIPLES = [(13, 14, 15), (2, 5, 16)]
QUADRUPLES = [(4, 13, 15, 17)]

Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PlantedField:
    """A field's distribution: ``probabilities`` over levels, level 0 missing if ``has_missing``."""

    name: str
    probabilities: Floats
    has_missing: bool

    def draw(self, rng: np.random.Generator, rows: int) -> Levels:
        """Levels of ``rows`` rows."""
        bounds = np.cumsum(self.probabilities)[:-1]
        return np.searchsorted(bounds, rng.random(rows), side="right")

    def standardise(self, effect: Floats) -> Floats:
        """Mean zero and mean square one over the field's own distribution."""
        centred = effect - self.probabilities @ effect
        return centred / np.sqrt(self.probabilities @ centred**2)


@dataclass(frozen=True)
class Effect:
    """A product over fields, summed over the columns of the factors: one term of the logit."""

    fields: tuple[int, ...]
    factors: tuple[Floats, ...]  # for each of the fields [levels, columns]
    weight: float

    def __call__(self, levels: list[Levels]) -> Floats:
        product = self.factors[0][levels[self.fields[0]]]
        for field, factor in zip(self.fields[1:], self.factors[1:], strict=True):
            product = product * factor[levels[field]]
        total: Floats = product.sum(axis=1)
        return self.weight * total


@reads(PlantedSettings)
class Planted(Source):
    """A source that makes its rows."""

    columns = tuple(
        [Column(name, NUMERIC) for name in NUMERIC_NAMES]
        + [Column(name, CATEGORICAL) for name in CATEGORICAL_NAMES]
    )

    settings: PlantedSettings

    def __init__(self, settings: PlantedSettings) -> None:
        if len(settings.effects) != 4 or abs(sum(settings.effects) - 1) > 1e-6:
            raise UserError(
                f"data.effects={settings.effects}: give four shares (order 1 to 4) that sum to 1"
            )
        self.settings = settings
        rng = np.random.default_rng([settings.seed, 0])
        self.fields = _fields(settings)
        self.effects = _effects(self.fields, settings, rng)
        self.codes = [rng.integers(2**32, size=len(f.probabilities)) for f in self.fields]

    def fingerprint(self) -> str:
        """The version of the generator: the settings decide all else."""
        return f"planted {GENERATOR}"

    def slices(self) -> Iterator[Slice]:
        """The rows; the split is still to be made."""
        total = self.settings.rows
        for chunk, start in enumerate(range(0, total, CHUNK_ROWS)):
            rows = min(CHUNK_ROWS, total - start)
            yield Slice("all", (start + rows) / total, partial(self._chunk, chunk, rows))

    def _chunk(self, chunk: int, rows: int) -> pl.DataFrame:
        rng = np.random.default_rng([self.settings.seed, 1, chunk])
        levels = [field.draw(rng, CHUNK_ROWS) for field in self.fields]
        truth = 1 / (1 + np.exp(-self.intercept - self._logits(levels)))
        label = (rng.random(CHUNK_ROWS) < truth).astype(np.uint8)
        frame: dict[str, npt.NDArray[np.generic] | pl.Series] = {LABEL: label}
        for field, level, codes in zip(self.fields, levels, self.codes, strict=True):
            if field.name in NUMERIC_NAMES:
                raw = pl.Series(_counts(level - field.has_missing, rng))
            else:
                raw = pl.Series(codes[level].astype(np.uint32))
            if field.has_missing:
                raw = raw.set(pl.Series(level == 0), None)
            frame[field.name] = raw
        return pl.DataFrame(frame | {TRUTH: truth}).head(rows)

    def _logits(self, levels: list[Levels]) -> Floats:
        logits: Floats = np.sum([effect(levels) for effect in self.effects], axis=0)
        return logits

    @cached_property
    def intercept(self) -> float:
        """The intercept that gives the wanted click rate, by bisection over a sample."""
        rng = np.random.default_rng([self.settings.seed, 2])
        levels = [field.draw(rng, CHUNK_ROWS) for field in self.fields]
        logits, low, high = self._logits(levels), -50.0, 50.0
        for _ in range(60):
            middle = (low + high) / 2
            rate = np.mean(1 / (1 + np.exp(-logits - middle)))
            low, high = (low, middle) if rate > self.settings.click_rate else (middle, high)
        return low


def _fields(settings: PlantedSettings) -> list[PlantedField]:
    sizes = [8 + i for i in range(len(NUMERIC_NAMES))]
    largest = np.geomspace(4, settings.vocabulary, len(CATEGORICAL_NAMES))
    sizes += [round(size) for size in largest]
    fields = []
    for i, (name, size) in enumerate(zip(NUMERIC_NAMES + CATEGORICAL_NAMES, sizes, strict=True)):
        tail = np.arange(1.0, size + 1) ** -ZIPF_EXPONENT
        probabilities = tail / tail.sum()
        has_missing = i % 3 == 0 and settings.missing > 0
        if has_missing:
            seen = (1 - settings.missing) * probabilities
            probabilities = np.concatenate([[settings.missing], seen])
        fields.append(PlantedField(name, probabilities, has_missing))
    return fields


def _effects(
    fields: list[PlantedField], settings: PlantedSettings, rng: np.random.Generator
) -> list[Effect]:
    every = [(i,) for i in range(len(fields))]
    orders: list[Sequence[tuple[int, ...]]] = [every, PAIRS, TRIPLES, QUADRUPLES]
    make = [_main_effect, _inner_product, _sign_product, _sign_product]
    effects = []
    for share, places, factors in zip(settings.effects, orders, make, strict=True):
        weight = settings.signal * np.sqrt(share / len(places))
        for place in places:  # drawn whatever the share, so that shares change nothing else
            made = factors([fields[i] for i in place], rng)
            if share:
                effects.append(Effect(tuple(place), tuple(made), weight))
    return effects


def _main_effect(fields: list[PlantedField], rng: np.random.Generator) -> list[Floats]:
    (field,) = fields
    return [field.standardise(rng.standard_normal(len(field.probabilities)))[:, None]]


def _inner_product(fields: list[PlantedField], rng: np.random.Generator) -> list[Floats]:
    """Two centred sets of vectors whose inner product has mean square one."""
    left, right = (
        np.stack(
            [f.standardise(rng.standard_normal(len(f.probabilities))) for _ in range(RANK)], axis=1
        )
        for f in fields
    )
    moments = [
        (vectors * field.probabilities[:, None]).T @ vectors
        for vectors, field in zip([left, right], fields, strict=True)
    ]
    return [left / np.sqrt(np.sum(moments[0] * moments[1])), right]


def _sign_product(fields: list[PlantedField], rng: np.random.Generator) -> list[Floats]:
    """Signs dealt to the levels so that both have about half of the mass, then standardised."""
    factors = []
    for field in fields:
        mass, signs = 0.0, np.empty(len(field.probabilities))
        for level in np.argsort(-field.probabilities):
            signs[level] = -1.0 if mass > 0 else 1.0
            mass += signs[level] * field.probabilities[level]
        factors.append(field.standardise(rng.choice([-1.0, 1.0]) * signs)[:, None])
    return factors


def _counts(levels: Levels, rng: np.random.Generator) -> Levels:
    """Integers whose log-squared bin is the level: 0, 1, 2, then any x with floor((ln x)^2) = k."""
    k = np.maximum(levels - 2, 1)
    low, high = np.ceil(np.exp(np.sqrt(k))), np.ceil(np.exp(np.sqrt(k + 1)))
    drawn = (low + np.floor(rng.random(len(levels)) * (high - low))).astype(np.int64)
    return np.where(levels <= 2, levels, drawn)
