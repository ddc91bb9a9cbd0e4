"""Probabilities of a click for raw rows, by a finished run."""

import logging
from pathlib import Path
from typing import BinaryIO

import polars as pl
import torch
from torch import Tensor

from ctrbench import metrics
from ctrbench.data.schema import LABEL
from ctrbench.runs.opened import OpenedRun

log = logging.getLogger(__name__)


def predict(run: Path, file: Path, out: BinaryIO, *, trust: bool = False) -> None:
    """Write a probability per row of a file, in its order, as text.

    Rows are read, scored and written a slice at a time. A label is not needed; where labels of both
    classes are there, the AUC and logloss of the rows that have one are logged.

    Args:
        file: in the raw format of the run's data set.
        trust: whether code that the run keeps may be executed.

    Raises:
        UserError: for a run that cannot be opened, or rows that do not fit.
    """
    opened = OpenedRun(run, trust=trust)
    logits, labels, rows = [], [], 0
    if opened.reads_past_rows:
        log.info("histories are of the file's own earlier rows, without their labels")
    for frame, logits_N in opened.scored(file):
        rows += len(frame)
        probabilities = pl.DataFrame({"p": logits_N.sigmoid().numpy()})
        out.write(probabilities.write_csv(include_header=False).encode())
        if LABEL in frame.columns:
            logits.append(logits_N)
            labels.append(frame[LABEL])
    log.info("%s rows", f"{rows:,}")
    if labels:
        _log_metrics(torch.cat(logits), pl.concat(labels))


def _log_metrics(logits: Tensor, labels: pl.Series) -> None:
    """Log AUC and logloss of the rows with a label, if both classes are among them."""
    is_labelled = labels.is_not_null()
    values = set(labels.drop_nulls().unique())
    if values == {-1, 0, 1}:
        log.warning("labels of three values, -1, 0 and 1: AUC and logloss are not computed")
    elif 1 in values and len(values) == 2:
        clicks = (labels.filter(is_labelled) > 0).to_numpy()
        figures = metrics.score(logits.numpy()[is_labelled.to_numpy()], clicks)
        some = "" if is_labelled.all() else f" of the {len(clicks):,} rows with a label"
        log.info("AUC %.5f, logloss %.5f%s", figures["auc"], figures["logloss"], some)
