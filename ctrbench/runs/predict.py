"""Probabilities of a click for raw rows, by a finished run."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import polars as pl
import torch
from torch import Tensor

from ctrbench import metrics
from ctrbench.data.schema import CATEGORICAL, KEPT, LABEL
from ctrbench.data.store.stages import join_parquet, write_parquet
from ctrbench.errors import UserError
from ctrbench.files import replacing, temporary_folder
from ctrbench.progress import Progress
from ctrbench.runs.opened import OpenedRun
from ctrbench.settings import nearest

COLUMN = "probability"
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
    for frame in _predictions(OpenedRun(run, trust=trust), file, ()):
        out.write(frame.write_csv(include_header=False).encode())


def predict_to_file(
    run: Path, file: Path, out: Path, keep: Sequence[str] = (), *, trust: bool = False
) -> None:
    """Write the same to a Parquet or CSV file, with columns of the rows beside ``probability``.

    The file is put into its place once all rows are scored.

    Args:
        out: ``NAME.parquet`` or ``NAME.csv``.
        keep: columns of the file, also those that the model does not read.
        trust: whether code that the run keeps may be executed.

    Raises:
        UserError: as :func:`predict`; for a column that is not there or holds lists that CSV cannot
            have.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise UserError(f"out={out}: not a file of a kind that is written; NAME.parquet, NAME.csv")
    if not out.parent.is_dir():
        raise UserError(f"out={out}: no such folder {out.parent}; make it first")
    if COLUMN in keep:
        raise UserError(f"keep={COLUMN}: is the column of the predictions; rename it in the file")
    frames = _predictions(OpenedRun(run, trust=trust), file, keep)
    if out.suffix == ".csv":
        _write_csv(frames, out)
    else:
        _write_parquet(frames, out)


def _write_csv(frames: Iterator[pl.DataFrame], out: Path) -> None:
    with replacing(out) as side:
        for i, frame in enumerate(frames):
            for column in frame:
                if isinstance(column.dtype, pl.List):
                    raise UserError(
                        f"keep={column.name}: has lists, and CSV has none; out=*.parquet"
                    )
            side.write(frame.write_csv(include_header=i == 0).encode())


def _write_parquet(frames: Iterator[pl.DataFrame], out: Path) -> None:
    with temporary_folder(out.with_name(f"{out.name}.pieces")) as folder:
        paths = []
        for i, frame in enumerate(frames):
            paths.append(folder / f"{i:06}.parquet")
            write_parquet(frame, paths[-1])
        join_parquet(paths, out)


def _predictions(opened: OpenedRun, file: Path, keep: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield the kept columns and the probabilities; log the metrics at the end."""
    logits, labels, rows = [], [], 0
    if opened.reads_past_rows:
        log.info("histories are of the file's own earlier rows, without their labels")
    with Progress("scored") as progress:
        for frame, logits_N in opened.scored(file, keep):
            rows += len(frame)
            probabilities = pl.Series(COLUMN, logits_N.sigmoid().numpy())
            yield pl.DataFrame([*_kept(opened, frame, keep), probabilities])
            progress.update(len(frame))
            if LABEL in frame.columns:
                logits.append(logits_N)
                labels.append(frame[LABEL])
    log.info("%s rows", f"{rows:,}")
    if labels:
        _log_metrics(torch.cat(logits), pl.concat(labels))


def _kept(opened: OpenedRun, frame: pl.DataFrame, keep: Sequence[str]) -> list[pl.Series]:
    columns = []
    own = {name for name in frame.columns if not name.startswith("__")}
    for name in keep:
        if f"{KEPT}{name}" in frame.columns:
            columns.append(frame[f"{KEPT}{name}"].alias(name))
        elif name in own:  # a layout without other columns
            kinds = {column.name: column.kind for column in opened.source.columns}
            is_category = kinds[name] == CATEGORICAL
            text = opened.source.category_text
            columns.append(text(frame[name]) if is_category else frame[name])
        else:
            raise UserError(f"keep={name}: the rows have no such column; {nearest(name, own)}")
    return columns


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
