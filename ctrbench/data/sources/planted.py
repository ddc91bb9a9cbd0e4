"""Criteo-shaped rows whose true click probability is known.

Every field is drawn independently: the categories with many levels from a heavy-tailed distribution
over them, the others, of 4 to 8, from one that is nearly even. The logit is

    b + signal * sum over orders o of sqrt(share_o) * (mean-square-one sum of effects of order o)

where an effect of order o is a product of a factor of each of o fields. A factor has mean zero, so
the effect has mean zero given any o - 1 of its fields: no model of lower order can express any of
it, and the shares are exact shares of the logit's variance.

Order 1 is of every field. Order 2 is of six pairs of fields; each is an inner product of vectors of
length one, so a factorisation machine with K = 6 expresses it all. Orders 3 and 4 are one effect
each, of fields with four levels, its factors evenly spaced over the levels: a smooth product, which
a network finds from some hundred thousand rows.

Rows have a user and a time, columns for a history and no features: those of one chunk are of USERS
users, by turns. With ``mood=m`` every user is in one of two moods and changes it after a row with
probability CHANGES; the logit is then

    b + signal * (sqrt(1 - m) * (the sum above) + sqrt(m) * mood), mood = 1 or -1

The true probability is that of one who knows all effects and has seen all earlier rows of the user
with their labels, but not the mood: the mean over the moods by their probability given those rows
(the forward recursion of a hidden Markov model).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import CATEGORICAL, LABEL, NUMERIC, TRUTH, Column, Slice
from ctrbench.data.settings import PlantedSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.sources.criteo import CATEGORICAL_NAMES, NUMERIC_NAMES, hex_digits
from ctrbench.data.sources.registry import reads
from ctrbench.errors import UserError
from ctrbench.machine import free_memory

CHUNK_ROWS = 65_536
BYTES_PER_LEVEL = 56  # of probability, factor and code, and of drawing them
GENERATOR = 2  # a change of the rows made must change it
FEW, FEW_EXPONENT, MANY_EXPONENT = 8, 0.2, 1.1  # levels; the p-th frequent has weight p^-exponent
PAIRS = [(i, i + 1) for i in range(17, 29, 2)]  # C5 and C6, ..., C15 and C16
TRIPLES = [(0, 4, 13)]  # I1, I5, C1
QUADRUPLES = [(0, 4, 8, 13)]  # I1, I5, I9, C1

USERS, CHANGES = 1024, 0.05  # users of a chunk; how likely a mood ends after a row

Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.int64]
Factor = Callable[["PlantedField", np.random.Generator], Floats]


@dataclass(frozen=True)
class PlantedField:
    """A field's distribution: ``probabilities`` over levels, level 0 missing if ``has_missing``."""

    name: str
    probabilities: Floats
    has_missing: bool

    def draw(self, rng: np.random.Generator, rows: int) -> Levels:
        """Draw the levels of ``rows`` rows."""
        bounds = np.cumsum(self.probabilities)[:-1]
        return np.searchsorted(bounds, rng.random(rows), side="right")

    def standardise(self, effect: Floats) -> Floats:
        """Scale to mean zero and mean square one over the field's own distribution."""
        centred = effect - self.probabilities @ effect
        return centred / np.sqrt(self.probabilities @ centred**2)


@dataclass(frozen=True)
class Effect:
    """A product over fields, of mean square ``weight`` squared: one term of the logit."""

    fields: tuple[int, ...]
    factors: tuple[Floats, ...]  # for each of the fields, of its levels
    weight: float

    def __call__(self, levels: list[Levels]) -> Floats:
        product = np.full(len(levels[0]), self.weight)
        for field, factor in zip(self.fields, self.factors, strict=True):
            product = product * factor[levels[field]]
        return product


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
        needed, free = BYTES_PER_LEVEL * sum(_sizes(settings.vocabulary)), free_memory()
        if needed > free:
            raise UserError(
                f"data.vocabulary={settings.vocabulary}: the effects of so many values take "
                f"{needed / 1e9:,.1f} GB of memory, and {free / 1e9:.1f} GB are free; lower it"
            )

    @cached_property
    def fields(self) -> list[PlantedField]:
        """Of all columns, in their order."""
        return _fields(self.settings)

    @cached_property
    def effects(self) -> list[Effect]:
        """The terms of the logit, but for the intercept."""
        return _effects(self.fields, self.settings, np.random.default_rng([self.settings.seed, 0]))

    @cached_property
    def codes(self) -> list[Levels]:
        """For every field, the number that stands for each level in the rows."""
        rng = np.random.default_rng([self.settings.seed, 3])
        return [rng.integers(2**32, size=len(f.probabilities)) for f in self.fields]

    @property
    def groupable(self) -> set[str]:
        return super().groupable | {"user"}

    @property
    def times(self) -> tuple[str, ...]:
        return ("time",)

    @staticmethod
    def category_text(column: pl.Series) -> pl.Series:
        return hex_digits(column)

    def fingerprint(self) -> str:
        """Return the version of the generator: all else follows from the settings."""
        return f"planted {GENERATOR}"

    def slices(self) -> Iterator[Slice]:
        """Yield all rows, which are not split yet."""
        total = self.settings.rows
        for chunk, start in enumerate(range(0, total, CHUNK_ROWS)):
            rows = min(CHUNK_ROWS, total - start)
            yield Slice("all", (start + rows) / total, partial(self._chunk, chunk, rows))

    def _chunk(self, chunk: int, rows: int) -> pl.DataFrame:
        rng = np.random.default_rng([self.settings.seed, 1, chunk])
        levels = [field.draw(rng, CHUNK_ROWS) for field in self.fields]
        truth = self.intercept + self._effect(levels)
        chance = rng.random(CHUNK_ROWS)
        if self.settings.mood is None:
            label = (chance < _sigmoid(truth)).astype(np.uint8)
        else:
            moods = np.random.default_rng([self.settings.seed, 4, chunk])
            label, truth = _moody(truth, self._mood, chance, moods)
        frame: dict[str, npt.NDArray[np.generic] | pl.Series] = {LABEL: label}
        for field, level, codes in zip(self.fields, levels, self.codes, strict=True):
            if field.name in NUMERIC_NAMES:
                raw = pl.Series(_counts(level - field.has_missing, rng))
            else:
                raw = pl.Series(codes[level].astype(np.uint32))
            if field.has_missing:
                raw = raw.set(pl.Series(level == 0), None)
            frame[field.name] = raw
        turn, user = np.divmod(np.arange(CHUNK_ROWS), USERS)
        keys = {"user": user + chunk * USERS, "time": turn + chunk * (CHUNK_ROWS // USERS)}
        keyed = self.keyed(pl.DataFrame(frame | {TRUTH: truth} | keys))
        return keyed.drop("user", "time").head(rows)

    def _effect(self, levels: list[Levels]) -> Floats:
        """Compute the logit of each row without the intercept and the mood."""
        total: Floats = np.sum([effect(levels) for effect in self.effects], axis=0)
        return total * float(np.sqrt(1 - (self.settings.mood or 0)))

    @property
    def _mood(self) -> float:
        """What a mood adds to the logit, or takes from it."""
        return float(self.settings.signal * np.sqrt(self.settings.mood or 0))

    @cached_property
    def intercept(self) -> float:
        """The intercept that gives the wanted click rate, by bisection over a sample."""
        rng = np.random.default_rng([self.settings.seed, 2])
        effect = self._effect([field.draw(rng, CHUNK_ROWS) for field in self.fields])
        effect += self._mood * rng.choice([-1, 1], CHUNK_ROWS)
        low, high = -50.0 * self.settings.signal, 50.0 * self.settings.signal
        for _ in range(60):
            middle = (low + high) / 2
            too_many = np.mean(_sigmoid(effect + middle)) > self.settings.click_rate
            low, high = (low, middle) if too_many else (middle, high)
        return low


def _sizes(vocabulary: int) -> list[int]:
    """Return the number of values of each field, those that are missing apart."""
    largest = np.geomspace(4, vocabulary, len(CATEGORICAL_NAMES))
    return [4 + i % 4 for i in range(len(NUMERIC_NAMES))] + [round(size) for size in largest]


def _fields(settings: PlantedSettings) -> list[PlantedField]:
    sizes = _sizes(settings.vocabulary)
    fields = []
    for i, (name, size) in enumerate(zip(NUMERIC_NAMES + CATEGORICAL_NAMES, sizes, strict=True)):
        tail = np.arange(1.0, size + 1) ** -(FEW_EXPONENT if size <= FEW else MANY_EXPONENT)
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
    orders: list[tuple[Sequence[tuple[int, ...]], Factor]] = [
        (every, _normal),
        (PAIRS, _normal),
        (TRIPLES, _ramp),
        (QUADRUPLES, _ramp),
    ]
    effects = []
    for share, (places, factor) in zip(settings.effects, orders, strict=True):
        weight = settings.signal * np.sqrt(share / len(places))
        for place in places:  # drawn whatever the share, so that shares change nothing else
            factors = [fields[i].standardise(factor(fields[i], rng)) for i in place]
            if share:
                effects.append(Effect(place, tuple(factors), weight))
    return effects


def _normal(field: PlantedField, rng: np.random.Generator) -> Floats:
    drawn: Floats = rng.standard_normal(len(field.probabilities))
    return drawn


def _ramp(field: PlantedField, rng: np.random.Generator) -> Floats:
    """Return evenly spaced values, permuted over the levels."""
    return rng.permutation(len(field.probabilities)).astype(np.float64)


def _moody(
    logits: Floats, mood: float, chance: Floats, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Draw the labels of rows whose users have moods, and the logits given their past."""
    labels, truth = np.empty(len(logits), np.uint8), np.empty(len(logits))
    is_good, believed = rng.random(USERS) < 0.5, np.full(USERS, 0.5)
    for start in range(0, len(logits), USERS):
        turn = slice(start, start + USERS)
        chances = [_sigmoid(logits[turn] + mood), _sigmoid(logits[turn] - mood)]
        labels[turn] = chance[turn] < np.where(is_good, *chances)
        expected = believed * chances[0] + (1 - believed) * chances[1]
        expected = expected.clip(1e-300, 1 - 2.0**-53)
        truth[turn] = np.log(expected) - np.log1p(-expected)
        good, bad = (np.where(labels[turn] > 0, c, 1 - c) for c in chances)
        believed = believed * good / (believed * good + (1 - believed) * bad)
        believed = believed * (1 - CHANGES) + (1 - believed) * CHANGES
        is_good ^= rng.random(USERS) < CHANGES
    return labels, truth


def _sigmoid(logits: Floats) -> Floats:
    """Compute the sigmoid without an overflow, however large a logit is."""
    from scipy.special import expit  # here: 0.15 s that planning a run does not need

    probabilities: Floats = expit(logits)
    return probabilities


def _counts(levels: Levels, rng: np.random.Generator) -> Levels:
    """Draw integers whose log-squared bin is the level: 0, 1, 2, then floor((ln x)^2) = k."""
    k = np.maximum(levels - 2, 1)
    low, high = np.ceil(np.exp(np.sqrt(k))), np.ceil(np.exp(np.sqrt(k + 1)))
    drawn = (low + np.floor(rng.random(len(levels)) * (high - low))).astype(np.int64)
    return np.where(levels <= 2, levels, drawn)
