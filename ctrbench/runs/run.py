"""Train one run into its directory."""

import logging
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import yaml
from torch import nn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ctrbench import metrics
from ctrbench.data.batches import Batches, choose
from ctrbench.data.split import PARTS
from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError
from ctrbench.files import locked
from ctrbench.machine import environment, peak_memory, resolve_device, reuse_memory
from ctrbench.models import registry as models
from ctrbench.optim import registry as optimizers
from ctrbench.runs.planned import Planned
from ctrbench.training.checkpoint import Progress
from ctrbench.training.trainer import Trainer

log = logging.getLogger(__name__)


def run(planned: Planned) -> dict[str, Any]:
    """Train, or find the finished run; returns its result.

    Raises:
        UserError: for data that cannot be used or a loss that is not finite.
    """
    directory = planned.directory
    with locked(directory.lock):
        result = directory.result()
        if result is None:
            result = _Run(planned).train()
            directory.finish(result)
        else:
            log.info("already finished: %s", directory.path)
    return result


class _Run:
    """A run that is not finished yet."""

    def __init__(self, planned: Planned) -> None:
        self.planned, self.settings, self.directory = planned, planned.settings, planned.directory
        self.device = resolve_device(self.settings.device)

    def train(self) -> dict[str, Any]:
        """Everything, from the rows to what ``result.json`` says."""
        reuse_memory()
        if self.settings.threads is not None:
            torch.set_num_threads(self.settings.threads)
        started = time.perf_counter()
        store = self.planned.prepare()
        prepare_seconds = time.perf_counter() - started
        stage = self._first_stage()
        self._write_config()
        trainer = self._trainer(store)
        progress = self._fit(trainer)
        best = progress.history[progress.best]
        figures = {
            "valid": {name: best[f"valid_{name}"] for name in ("auc", "logloss")},
            "test": self._test(trainer, store),
        }
        self._save(progress)
        seconds = {
            "prepare": prepare_seconds,
            "pretrain": 0.0 if stage is None else stage["seconds"]["train"],
            "train": progress.train_seconds,
            "evaluate": progress.evaluate_seconds,
        }
        return self._describe(trainer, progress) | {
            "metrics": figures,
            "seconds": seconds,
            "pretrain_seconds_per_epoch": None if stage is None else stage["seconds_per_epoch"],
            "dataset": store.summary(),
        }

    def _first_stage(self) -> dict[str, Any] | None:
        """The result of the stage before: trained now, or found as trained before."""
        if self.planned.stage is not None:
            return run(self.planned.stage)
        return None if self.planned.start is None else self.planned.start.result()

    def _write_config(self) -> None:
        resolved = replace(self.settings, data=self.planned.source.resolved())
        classes = {key: getattr(resolved, key).registered for key in ("model", "data")}
        config = asdict(resolved) | {"classes": classes}
        self.directory.write(self.directory.config.name, yaml.safe_dump(config, sort_keys=False))

    def _trainer(self, store: Store) -> Trainer:
        settings = self.settings
        torch.manual_seed(settings.seed)
        model = models.build(store.schema, settings.model).to(self.device)
        if self.planned.start is not None:
            _start_from(model, self.planned.start.weights)
        self.rows_in = settings.rows_in
        if self.rows_in == "auto":
            self.rows_in = choose([store.part(name) for name in PARTS], self.device)
        return Trainer(
            model,
            optimizers.build(model, settings.optimizer),
            self._batches(store, "train"),
            self._batches(store, "valid"),
            settings.trainer,
            seed=settings.seed,
            device=self.device,
            precision=settings.precision,
            path=self.directory.checkpoint,
        )

    def _batches(self, store: Store, name: str) -> Batches:
        batch_size = self.settings.trainer.batch_size
        return Batches(store.part(name), batch_size, self.device, self.rows_in)

    def _fit(self, trainer: Trainer) -> Progress:
        done = trainer.progress.epoch * trainer.train.steps + trainer.progress.step
        if done:
            log.info("going on from epoch %d", trainer.progress.epoch + 1)
        total = self.settings.trainer.epochs * trainer.train.steps
        bar = tqdm(total=total, initial=done, unit="step", leave=False, disable=None)
        with bar, logging_redirect_tqdm():
            progress = trainer.fit(bar.update, self.directory.write_history)
        self.directory.write_history(progress.history)
        return progress

    def _test(self, trainer: Trainer, store: Store) -> dict[str, float]:
        """The only look at the test rows, with the best weights."""
        test = self._batches(store, "test")
        logits_N = trainer.predict(test)
        if self.settings.predictions:
            np.save(self.directory.predictions, logits_N.sigmoid().cpu().numpy())
        figures = metrics.score(logits_N, test.labels_N)
        truth_N = store.part("test").truth_N
        if truth_N is not None:
            best = metrics.score(torch.tensor(truth_N).logit(), test.labels_N.cpu())
            figures |= {f"best_{name}": figure for name, figure in best.items()}
            figures["excess_logloss"] = figures["logloss"] - best["logloss"]
        return figures

    def _save(self, progress: Progress) -> None:
        """The best weights, in one rename."""
        weights = {name: tensor.contiguous() for name, tensor in progress.best_weights.items()}
        side = self.directory.weights.with_suffix(".tmp")
        safetensors.torch.save_file(weights, side)
        side.replace(self.directory.weights)

    def _describe(self, trainer: Trainer, progress: Progress) -> dict[str, Any]:
        settings = self.settings
        tables, network = optimizers.split_parameters(trainer.model)
        epochs = progress.epoch + progress.step / trainer.train.steps
        seconds = progress.train_seconds
        return {
            "status": "ok",
            "model": settings.model.name,
            "data": settings.data.name,
            "seed": settings.seed,
            "identity": self.planned.identity,
            "best_epoch": progress.history[progress.best]["epoch"],
            "epochs": epochs,
            "seconds_per_epoch": seconds / epochs,
            "rows_per_second": epochs * trainer.train.steps * trainer.train.batch_size / seconds,
            "parameters": {
                "embedding": sum(p.numel() for p in tables),
                "network": sum(p.numel() for p in network),
            },
            "peak_memory_bytes": peak_memory(self.device),
            "environment": environment(self.device, settings.precision),
        }


def _start_from(model: nn.Module, weights: Path) -> None:
    """Take over the weights of the stage before by their names."""
    given, own = safetensors.torch.load_file(weights), model.state_dict()
    for name, tensor in given.items():
        if name not in own or own[name].shape != tensor.shape:
            raise UserError(
                f"{weights}: {name} of shape {list(tensor.shape)} does not fit this model; "
                "check model.embedding_dim"
            )
    model.load_state_dict(own | given)
