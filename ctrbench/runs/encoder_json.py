"""``encoder.json``: what turns raw rows into the inputs of an exported program, as plain data.

The format is described in ``docs/serving.md``, with a reader of it.
"""

import json
import logging
from pathlib import Path
from typing import Any

import polars as pl

from ctrbench.data.sources.registry import source_class
from ctrbench.data.store.encode import (
    Encoder,
    MultiValued,
    Quantiles,
    Scaled,
    Unscaled,
    Vocabulary,
)
from ctrbench.data.store.hashing import Hashed
from ctrbench.data.store.target_encoder import TargetStatistic
from ctrbench.data.store.vectors import Vector
from ctrbench.files import write_atomic
from ctrbench.runs.opened import OpenedRun
from ctrbench.version import __version__

FORMAT = 1
FILE = "encoder.json"
log = logging.getLogger(__name__)


def metadata(opened: OpenedRun) -> dict[str, str]:
    """Return what an exported program says of itself."""
    schema, result = opened.encoding.schema, opened.result
    return {
        "ctrbench.version": __version__,
        "ctrbench.model": str(result["model"]),
        "ctrbench.data": str(result["data"]),
        "ctrbench.run": str(result["identity"]),
        "ctrbench.weights_sha256": str(result["files"][opened.directory.weights.name]),
        "ctrbench.fields": json.dumps([field.name for field in schema.fields]),
    }


def write_description(opened: OpenedRun, folder: Path) -> list[Path]:
    """Write ``encoder.json``; not of a history of earlier rows, which one row does not hold."""
    if opened.reads_past_rows:
        log.info(
            "%s is not written: the history of a row is in the user's earlier rows; ctrbench "
            "predict encodes them",
            FILE,
        )
        return []
    path = folder / FILE
    write_atomic(path, json.dumps(describe(opened)) + "\n")
    return [path]


def describe(opened: OpenedRun) -> dict[str, Any]:
    """Return the content of ``encoder.json``."""
    own = [_field(opened, encoder) for encoder in opened.encoder.encoders]
    sequences = [
        {
            "name": sequence.field.name,
            "encoding": "sequence",
            "of": sequence.field.past,
            "slots": sequence.field.slots,
            "padding": sequence.field.padding,
        }
        for sequence in opened.sequences
    ]
    return {
        "format": FORMAT,
        "about": metadata(opened),
        "fields": own + sequences,
        "crosses": _crosses(opened),
    }


def category_texts(opened: OpenedRun, keys: pl.Series) -> list[str | None]:
    """Return the values of a vocabulary as raw rows have them."""
    texts: list[str | None] = source_class(opened.data).category_text(keys).to_list()
    return texts


def _field(opened: OpenedRun, encoder: Encoder) -> dict[str, Any]:
    about: dict[str, Any] = {"name": encoder.field.name, "encoding": encoder.field.encoding}
    if isinstance(encoder, MultiValued):
        about |= _lookup(opened, encoder.vocabulary)
        return about | {"slots": encoder.field.slots, "padding": encoder.field.padding}
    if isinstance(encoder, Vector):
        return about | {"slots": encoder.field.slots, "padding": encoder.field.padding}
    if isinstance(encoder, Vocabulary | Hashed):
        return about | _lookup(opened, encoder)
    if isinstance(encoder, Quantiles):
        return about | {"edges": encoder.edges.tolist()}
    if isinstance(encoder, TargetStatistic):
        return about | {"encoding": "target", "of": encoder.of, "by_id": encoder.by_id.tolist()}
    if isinstance(encoder, Unscaled):
        return about | {"encoding": "unscaled"}
    assert isinstance(encoder, Scaled)
    return about | {"mean": encoder.mean, "std": encoder.std}


def _lookup(opened: OpenedRun, vocabulary: Vocabulary | Hashed) -> dict[str, Any]:
    if isinstance(vocabulary, Vocabulary):
        return {"values": _values(opened, vocabulary)}
    one = pl.Series([255], dtype=pl.UInt32)
    is_hex = category_texts(opened, one) != ["255"]  # what is hashed is the number
    return {"buckets": vocabulary.buckets, "hex": is_hex}


def _values(opened: OpenedRun, vocabulary: Vocabulary) -> list[Any]:
    if vocabulary.field.encoding == "log_squared" or vocabulary.state().dtype.is_float():
        return vocabulary.state().to_list()
    keys = vocabulary.state()
    is_category = vocabulary.field.encoding == "vocabulary"
    return category_texts(opened, keys) if is_category else keys.cast(pl.String).to_list()


def _crosses(opened: OpenedRun) -> list[dict[str, Any]]:
    if opened.encoding.crosses is None:
        return []
    crosses = []
    for names, field, vocabulary in zip(
        opened.settings.crossing().fields,
        opened.encoding.schema.crosses,
        opened.cross_vocabularies,
        strict=True,
    ):
        about: dict[str, Any] = {"fields": names}
        if vocabulary is None:
            about["buckets"] = field.size
        else:
            about["combinations"] = [list(row) for row in vocabulary.drop("id").rows()]
        crosses.append(about)
    return crosses
