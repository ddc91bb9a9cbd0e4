"""Rows of one file that are rows of another: a model would be measured on what it was trained on.

Rows are compared by hashes of their ids, values and label, so that neither their order nor how a
file is written or compressed matters. Rows of few categories repeat by nature: a share q of the
training rows has an equal row among the other training rows, and other rows of the same source have
one there as often. If a share p of the test rows has one, a share (p - q) / (1 - q) of them is more
than chance explains; that share is judged, where p is significantly above q. Where q is large,
values that are more frequent in the test rows raise p too: above ``OFTEN`` nothing is refused, and
above ``NATURAL`` there is no warning.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ctrbench.data.split import PARTS, tagged_stream
from ctrbench.data.store.opened import Part
from ctrbench.errors import UserError

WARN, REFUSE = 0.5, 0.95
OFTEN, NATURAL = 0.5, 0.9
CHANCE = 1e-4  # of as many repeats by nature, below which rows are taken for copies
SAMPLE_ROWS = 100_000  # of a part, that are looked up in another
BLOCK_ROWS = 1024  # consecutive rows of a sample
CHUNK_ROWS = 250_000
Hashes = npt.NDArray[np.uint64]


def check_repeats(parts: dict[str, Part], files: dict[str, str]) -> list[str]:
    """Return a warning for each two parts of which one repeats many rows of the other.

    Args:
        files: how each part's file is named in a message.
    """
    warnings = []
    for other, name in combinations(PARTS, 2):
        share, natural = copied_share(parts[name], parts[other])
        text = f"{share:.1%} of the rows of {files[name]} are rows of {files[other]} too"
        if share >= REFUSE and natural <= OFTEN:
            raise UserError(f"{text}; give each part rows of its own")
        if share >= WARN:
            warnings.append(f"{text}: was one of the files cut from the other?")
    return warnings


def copied_share(part: Part, other: Part) -> tuple[float, float]:
    """Return the share of a part's rows that are copied from another part, and the share of that
    part's rows that have an equal row in it by nature."""
    sample, other_sample = _sample_hashes(part), _sample_hashes(other)
    sampled = np.unique(np.concatenate([sample, other_sample]))
    counts = np.zeros(len(sampled), np.int64)
    for start in range(0, len(other.labels_N), CHUNK_ROWS):
        chunk = hash_rows(other, np.arange(start, min(start + CHUNK_ROWS, len(other.labels_N))))
        places = np.searchsorted(sampled, chunk).clip(max=len(sampled) - 1)
        counts += np.bincount(places[sampled[places] == chunk], minlength=len(sampled))
    repeated = int((counts[np.searchsorted(sampled, sample)] > 0).sum())
    natural = float((counts[np.searchsorted(sampled, other_sample)] > 1).mean())
    from scipy.stats import binom  # late: half a second that only a preparation needs

    if natural > NATURAL or binom.sf(repeated - 1, len(sample), natural) > CHANCE:
        return 0.0, natural
    return (repeated / len(sample) - natural) / (1 - natural), natural


def hash_rows(part: Part, rows_B: npt.NDArray[np.int64]) -> Hashes:
    """Return a hash of ids, values and label of each row: a sum with random odd multipliers."""
    columns: Sequence[npt.NDArray[np.uint32]] = (
        part.ids_NS[rows_B].view(np.uint32),
        part.values_NX[rows_B].view(np.uint32),
        part.labels_N[rows_B, None].astype(np.uint32),
    )
    stream = np.random.Generator(tagged_stream("row hashes", 0))
    hashes = np.zeros(len(rows_B), np.uint64)
    for array in columns:
        for column in array.T:
            hashes += column * (stream.integers(2**64, dtype=np.uint64) | np.uint64(1))
    return hashes


def _sample_hashes(part: Part) -> Hashes:
    rows = np.arange(len(part.labels_N))
    every = -(-len(rows) // SAMPLE_ROWS)
    return hash_rows(part, rows[rows // BLOCK_ROWS % every == 0])
