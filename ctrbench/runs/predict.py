"""Probabilities of a click for raw rows, by a finished run."""

import logging
from pathlib import Path
from typing import BinaryIO

import polars as pl
import torch

from ctrbench import metrics
from ctrbench.data.schema import LABEL
from ctrbench.runs.opened import OpenedRun

log = logging.getLogger(__name__)


def predict(run: Path, file: Path, out: BinaryIO) -> None:
    """Write a probability per row of a file, in its order, as text.

    Rows are read, scored and written a slice at a time. Where the file has labels of both classes,
    its AUC and logloss are logged.

    Args:
        file: in the raw format of the run's data set, with or without labels.

    Raises:
        UserError: for a run that cannot be opened, or rows that do not fit.
    """
    opened = OpenedRun(run)
    logits, labels, rows = [], [], 0
    if opened.encoding.schema.history:
        log.info("histories are of the file's own earlier rows, without their labels")
    for frame, logits_N in opened.scored(file):
        rows += len(frame)
        probabilities = pl.DataFrame({"p": logits_N.sigmoid().numpy()})
        out.write(probabilities.write_csv(include_header=False).encode())
        if LABEL in frame.columns:
            logits.append(logits_N)
            labels.append(torch.tensor(frame[LABEL].to_numpy()))
    log.info("%s rows", f"{rows:,}")
    if labels and 0 < float(torch.cat(labels).double().mean()) < 1:
        figures = metrics.score(torch.cat(logits), torch.cat(labels))
        log.info("AUC %.5f, logloss %.5f", figures["auc"], figures["logloss"])
