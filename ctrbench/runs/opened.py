"""A finished run, opened again: its model with the best weights, and the encoder of its rows.

All of it lies in the run's directory, so that a copy of that is as good.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ctrbench.components import activated
from ctrbench.data.schema import TIME, USER
from ctrbench.data.sources.base import FileSource
from ctrbench.data.sources.registry import source_class
from ctrbench.data.split import PARTS
from ctrbench.data.store.crosses import cross_ids, vocabularies
from ctrbench.data.store.history import Ids, Timed, past_slots
from ctrbench.data.store.opened import Encoding
from ctrbench.data.store.sequences import sequence_encoders
from ctrbench.data.store.unknown import UnknownValues
from ctrbench.errors import UserError
from ctrbench.extensions import import_installed
from ctrbench.metrics import correct_logits
from ctrbench.models import registry as models
from ctrbench.runs.kept_code import code_to_run
from ctrbench.runs.record import ANEW, RunDirectory
from ctrbench.settings import settings_from
from ctrbench.training import step

log = logging.getLogger(__name__)
DATA_OPTION = re.compile(r"\bdata\.\w+=")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights.

    Raises:
        UserError: if it is none.
    """
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, ValueError, KeyError):  # another kind of file, or unknown types in it
        raise UserError(f"{path}: not weights of a model; {ANEW}") from None


class CorrectedModel(nn.Module):
    """A model trained on rows whose negatives were sampled, which scores rows that were not.

    Args:
        negative_rate: the share of the rows without a click that were kept.
    """

    def __init__(self, model: nn.Module, negative_rate: float) -> None:
        super().__init__()
        self.model, self.negative_rate = model, negative_rate

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        """Return the corrected logits, in float32."""
        logits_B: Tensor = self.model(ids_BS, values_BX)
        corrected_B: Tensor = correct_logits(logits_B.float(), self.negative_rate)
        return corrected_B


class OpenedRun:
    """What a run directory gives.

    Args:
        trust: whether code from outside the package that the run keeps may be executed.

    Raises:
        UserError: if the run is not finished, was changed, is of another version, or needs code
            that is not trusted.
    """

    def __init__(self, path: Path, *, trust: bool = False) -> None:
        self.directory = RunDirectory(path)
        result = self.directory.result()
        if result is None:
            raise UserError(f"{path}: not a finished run; name a directory with a result.json")
        self.path, self.result = path, result
        self.directory.check_trained()
        self.encoding = self._encoding()
        self.encoder = self.encoding.encoder()
        self.sequences = sequence_encoders(self.encoder, self.encoding.schema)
        if (crosses := self.encoding.crosses) is not None:
            self.cross_vocabularies = vocabularies(crosses, len(self.encoding.schema.crosses))
        import_installed()
        with activated(code_to_run(self.directory, trust=trust)):
            self._read_config()
            self.model = self._model()
            self._source_class = source_class(self.data)

    def _read_config(self) -> None:
        path, config = self.directory.config, self.directory.settings()
        try:
            self.data = settings_from(config["classes"]["data"], config["data"])
            self.settings = settings_from(config["model"]["name"], config["model"])
            self.precision = config["precision"]
        except Exception as error:  # whatever it holds
            reason = str(error).partition("\n")[0]
            raise UserError(
                f"{path}: not the settings of a run of this version of ctrbench "
                f"({type(error).__name__}: {reason}); {ANEW}"
            ) from None

    def _encoding(self) -> Encoding:
        path = self.directory.encoder
        try:
            return Encoding.kept(path)
        except UserError:
            raise UserError(
                f"{path}: not what rows were encoded by here, or of another version; {ANEW}"
            ) from None

    def _model(self) -> nn.Module:
        path = self.directory.trained_weights()
        try:
            model = models.build(self.encoding.schema, self.settings).eval()
            model.load_state_dict(read_weights(path))
        except (RuntimeError, TypeError, ValueError, KeyError):
            raise UserError(
                f"{self.directory.config}: the model of these settings is another than that of "
                f"{path.name}; {ANEW}"
            ) from None
        rate = self.data.negative_rate
        return model if rate is None else CorrectedModel(model, rate).eval()

    @property
    def source(self) -> FileSource:
        """What reads files in the layout of the run's data set.

        Raises:
            UserError: if that set is not one of files of rows.
        """
        source = self._source_class
        if not issubclass(source, FileSource):
            raise UserError(f"{self.path}: data={self.result['data']} is not a file of rows")
        data = self.data
        if not self.reads_past_rows:  # the time of a row was for the split alone
            data = replace(data, time=None)
        opened: FileSource = source(data)
        return opened

    @property
    def reads_past_rows(self) -> bool:
        """Whether the history of a row is of earlier rows, not in the row itself."""
        return bool(self.encoding.schema.history) and not self.sequences

    def _timed(self, frames: Iterable[pl.DataFrame]) -> Timed | None:
        """Raw rows whose histories are rows among them, of a run with a history."""
        schema, keys, ids = self.encoding.schema, list[pl.DataFrame](), list[Ids]()
        if not self.reads_past_rows:
            return None
        for frame in frames:
            keys.append(frame.select(USER, TIME))
            ids.append(self.encoder(frame)[0][:, past_slots(schema)])
        whole = pl.concat(keys)
        part_N = np.full(len(whole), PARTS.index("test"), np.uint8)
        return Timed(whole, part_N, np.concatenate(ids), schema.history)

    def inputs(
        self, frame: pl.DataFrame, timed: Timed | None = None, start: int = 0
    ) -> tuple[Tensor, Tensor]:
        """What the model takes, ids BS (history and crosses last) and values BX, of raw rows.

        Args:
            timed: rows that the frame is a part of, from row ``start`` on; None: itself.
        """
        ids_NS, values_NX = self.encoder(frame)
        if (timed := timed or self._timed([frame])) is not None:
            rows_N, part = np.arange(start, start + len(frame)), PARTS.index("test")
            ids_NS = np.concatenate([ids_NS, timed.of(rows_N, part)], axis=1, dtype=np.int32)
        if self.sequences:
            past = [sequence.ids(frame[sequence.field.name]) for sequence in self.sequences]
            ids_NS = np.concatenate([ids_NS, *past], axis=1)
        if self.encoding.crosses is not None:
            fields = self.settings.crossing().fields
            made = (fields, self.encoding.schema.crosses, self.cross_vocabularies)
            ids_NC = cross_ids(self.encoding.schema, *made, ids_NS)
            ids_NS = np.concatenate([ids_NS, ids_NC], axis=1)
        return torch.from_numpy(ids_NS), torch.from_numpy(values_NX)

    def scored(self, file: Path, keep: Sequence[str] = ()) -> Iterator[tuple[pl.DataFrame, Tensor]]:
        """The rows of a file in its order, some at a time, and their logits.

        Of a run with a history, that of a row is of the file's own earlier rows. Past labels are
        not given, as they are not of test rows.
        """
        source, unknown = self.source, UnknownValues(self.encoder)
        source.keep = tuple(keep)
        timed = self._timed(_unlabelled_frames(source, file))
        start, slots = 0, self.encoding.schema.present.slots
        for frame in _unlabelled_frames(source, file):
            ids, values = self.inputs(frame, timed, start)
            unknown.add(ids[:, :slots].numpy(), frame)
            yield frame, self._logits(ids, values)
            start += len(frame)
        for warning in unknown.warnings("rows", self.encoding.manifest["unknown"]):
            log.warning("%s", warning)

    def logits(self, frame: pl.DataFrame, timed: Timed | None = None, start: int = 0) -> Tensor:
        """Logits N of raw rows (see :meth:`inputs`), in the precision of the run."""
        return self._logits(*self.inputs(frame, timed, start))

    @torch.no_grad()
    def _logits(self, ids: Tensor, values: Tensor) -> Tensor:
        rows = step.evaluation_rows(self.model, ids, values)
        starts = range(0, len(ids), rows)
        pieces = [(ids[i : i + rows], values[i : i + rows]) for i in starts]
        return torch.cat([step.logits(self.model, *piece, self.precision) for piece in pieces])


def _unlabelled_frames(source: FileSource, file: Path) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file, or of those of a folder or a pattern, which need no label.

    The options of data are those of the run. Where an error advises one, say how to set it.
    """
    try:
        how = "ctrbench predict RUN FILE scores the rows of one"
        for path in source.find("FILE", str(file), how):
            for piece in source.slices_of(path, labelled=False):
                yield piece.read()
    except UserError as error:
        if DATA_OPTION.search(str(error)) is None:
            raise
        raise UserError(f"{error}; data.* options are for training: train again with it") from None
