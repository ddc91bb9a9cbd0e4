"""A finished run, opened again: its model with the best weights, and the encoder of its rows."""

from pathlib import Path

import numpy as np
import polars as pl
import safetensors.torch
import torch
import yaml
from torch import Tensor

from ctrbench.data.sources.base import FileSource
from ctrbench.data.sources.registry import source_class
from ctrbench.data.store.crosses import cross_ids, with_crosses
from ctrbench.data.store.manifest import MANIFEST
from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError
from ctrbench.models import registry as models
from ctrbench.runs.record import Results, RunDirectory
from ctrbench.settings import settings_from
from ctrbench.training import step


class OpenedRun:
    """What a run directory and the store of its data give.

    Raises:
        UserError: if the run is not finished, or its store is gone.
    """

    def __init__(self, path: Path) -> None:
        self.directory = RunDirectory(path)
        result = self.directory.result()
        if result is None:
            raise UserError(f"{path}: not a finished run; name a directory with a result.json")
        config = yaml.safe_load(self.directory.config.read_text())
        self.path, self.result = path, result
        self.data = settings_from(config["classes"]["data"], config["data"])
        self.settings = settings_from(config["classes"]["model"], config["model"])
        self.precision = config["precision"]
        self.store = self._store()
        self.encoder = self.store.encoder()
        self.model = models.build(self.store.schema, self.settings).eval()
        self.model.load_state_dict(safetensors.torch.load_file(self.directory.weights))

    def _store(self) -> Store:
        content = self.result["dataset"]["content"]
        folder = Results.around(self.path).store(self.result["data"], content)
        if not (folder / MANIFEST).exists():
            raise UserError(
                f"{folder}: the vocabularies of {self.path} should be here; "
                "make them again with ctrbench prepare and the keys of the run"
            )
        return with_crosses(Store(folder), self.settings.crossing())

    @property
    def source(self) -> FileSource:
        """What reads files in the layout of the run's data set.

        Raises:
            UserError: if that set is not one of files of rows.
        """
        source = source_class(self.data)
        if not issubclass(source, FileSource):
            raise UserError(f"{self.path}: data={self.result['data']} is not a file of rows")
        opened: FileSource = source(self.data)
        return opened

    def inputs(self, frame: pl.DataFrame) -> tuple[Tensor, Tensor]:
        """What the model takes, ids BS (crosses after fields) and values BX, of raw rows."""
        ids_NS, values_NX = self.encoder(frame)
        if self.store.crosses is not None:
            fields = self.settings.crossing().fields
            made = (fields, self.store.schema.crosses, self.store.crosses)
            ids_NC = cross_ids(self.encoder.schema, *made, ids_NS)
            ids_NS = np.concatenate([ids_NS, ids_NC], axis=1)
        return torch.from_numpy(ids_NS), torch.from_numpy(values_NX)

    @torch.no_grad()
    def logits(self, frame: pl.DataFrame, rows: int = 16_384) -> Tensor:
        """Logits N of raw rows, so many at once, in the precision that the run was trained in."""
        ids, values = self.inputs(frame)
        starts = range(0, len(ids), rows)
        pieces = [(ids[i : i + rows], values[i : i + rows]) for i in starts]
        return torch.cat([step.logits(self.model, *piece, self.precision) for piece in pieces])
