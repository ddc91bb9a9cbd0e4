"""The training of one run, from its rows to what ``result.json`` says."""

import logging
import os
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import safetensors.torch
import torch
import yaml
from safetensors import SafetensorError
from torch import Tensor, nn

from ctrbench import metrics
from ctrbench.data.batches import Batches, choose
from ctrbench.data.split import PARTS
from ctrbench.data.store.opened import Store
from ctrbench.errors import DivergenceError, UserError
from ctrbench.files import temporary_folder
from ctrbench.machine import (
    environment,
    peak_memory,
    reset_peak_memory,
    resolve_device,
    reuse_memory,
    use_threads,
)
from ctrbench.models import registry as models
from ctrbench.monitor import metrics_of, valid_figures
from ctrbench.optim import registry as optimizers
from ctrbench.progress import Progress
from ctrbench.quoting import list_override
from ctrbench.runs.code import code_digests
from ctrbench.runs.kept_code import keep_code
from ctrbench.runs.opened import OpenedRun
from ctrbench.runs.plan import RunPlan
from ctrbench.runs.record import RunDirectory, relative_paths
from ctrbench.runs.scores import metrics_of_test_rows, write_scores, write_valid_scores
from ctrbench.runs.size import check_batch_size, check_size
from ctrbench.runs.tracker import tracking
from ctrbench.runs.warm_start import WarmStart, load_pretrained
from ctrbench.training import checkpoint
from ctrbench.training.trainer import Record, Trainer

log = logging.getLogger(__name__)
LARGE_VALUE = 1e4  # of an unscaled field, that can make a loss infinite


class Training:
    """The training of a run that is not finished yet: first :meth:`prepare`, then :meth:`train`.

    Args:
        watch: as :func:`ctrbench.runs.run.run` takes it.
    """

    def __init__(self, plan: RunPlan, watch: Record) -> None:
        self.plan, self.settings, self.directory = plan, plan.settings, plan.directory
        self.watch = watch
        self.device = resolve_device(self.settings.device)
        if self.device.type == "cuda":  # its random numbers are those of a checkpoint
            torch.cuda.set_device(self.device.index or 0)

    def prepare(self) -> None:
        """Prepare the rows, and refuse what these and this machine have no room for."""
        use_threads(self.settings.threads)
        reuse_memory()
        started = time.perf_counter()
        self.store = self.plan.prepare()
        for warning in self.store.manifest["warnings"]:
            log.warning("%s", warning)
        self.as_published = self.plan.source.as_published()
        self.prepare_seconds = time.perf_counter() - started
        self._check(self.store)
        self.warm_start = self._warm_start()

    def train(self, pretraining: dict[str, Any] | None) -> dict[str, Any]:
        """Train, evaluate, and return what ``result.json`` says.

        Args:
            pretraining: the result of the pre-training run; None without one.
        """
        store = self.store
        self._write_inputs(store)
        reset_peak_memory(self.device)
        trainer = self._trainer(store)
        try:
            progress = self._fit(trainer)
        except DivergenceError as error:
            raise DivergenceError(f"{error}; {self._divergence_remedy(store)}") from None
        figures = {"valid": valid_figures(progress.history[progress.best])}
        if self.plan.scores_test:
            figures["valid"] |= self._beside(trainer, store)
            figures["test"] = self._test(trainer, store)
        _write_weights(self.directory, progress.best_weights)
        per_epoch = None if pretraining is None else pretraining["seconds_per_epoch"]
        seconds = {
            "prepare": self.prepare_seconds,
            "pretrain": 0.0 if pretraining is None else pretraining["seconds"]["train"],
            "train": progress.train_seconds,
            "to_best": progress.history[progress.best]["train_seconds"],
            "evaluate": progress.evaluate_seconds,
        }
        return self._about() | {
            **_training(trainer, progress),
            "metrics": figures,
            "seconds": seconds,
            "pretrain_seconds_per_epoch": per_epoch,
            "dataset": store.summary() | {"as_published": self.as_published},
        }

    def _check(self, store: Store) -> None:
        """Refuse what these rows and this machine have no room for, before any stage is trained."""
        model, optimizer, trainer = (
            self.settings.model,
            self.settings.optimizer,
            self.settings.trainer,
        )
        averaged = trainer.ema is not None
        check_size(store.schema, model, optimizer, self.device, averaged=averaged)
        rows = store.summary()["rows"]["train"]
        batch_size = trainer.rows_of_step(rows)
        check_batch_size(store.schema, model, batch_size)
        trainer.schedule.check_steps(trainer.epochs * -(-rows // batch_size))
        self._check_groups(store)

    def _check_groups(self, store: Store) -> None:
        """Refuse to monitor the GAUC of validation rows that have none."""
        monitor, valid = self.settings.trainer.monitor, store.part("valid")
        if "gauc" not in metrics_of(monitor) or valid.groups_N is None:
            return
        labels_N = np.asarray(valid.labels_N)
        if metrics.gauc(np.zeros(len(labels_N)), labels_N, valid.groups_N)["gauc"] is None:
            raise UserError(
                f"trainer.monitor={monitor}: no group of validation rows (data.group="
                f"{self.settings.data.group}) has both labels; monitor auc or logloss"
            )

    def _about(self) -> dict[str, Any]:
        """What ran, where, and what it left."""
        settings = self.settings
        return {
            "status": "ok",
            "model": settings.model.name,
            "data": settings.data.name,
            "seed": settings.seed,
            "identity": self.plan.identity,
            "settings": self.plan.identity_settings,
            "peak_memory_bytes": peak_memory(self.device),
            "environment": environment(self.device, settings.precision),
            "code": code_digests(settings.model.name),
            "files": self.directory.file_digests(),
        }

    def _write_inputs(self, store: Store) -> None:
        """All settings, and what rows are encoded by."""
        resolved = replace(self.settings, data=self.plan.source.resolved())
        config = asdict(resolved) | {"classes": {"data": resolved.data.registered}}
        if components := keep_code(self.directory, self.settings):
            config["components"] = components
        config |= self.plan.command.record()
        text = yaml.safe_dump(relative_paths(config), sort_keys=False)
        self.directory.write(self.directory.config.name, text)
        shutil.rmtree(self.directory.encoder, ignore_errors=True)
        store.keep(self.directory.encoder)

    def _trainer(self, store: Store) -> Trainer:
        settings = self.settings
        parts = [store.part(name) for name in PARTS]
        rows_in = choose(parts, self.device, settings.rows_in)
        model = self._model(store)
        return Trainer(
            model,
            optimizers.build(model, settings.optimizer),
            self._batches(store, "train", rows_in),
            self._batches(store, "valid", rows_in),
            settings.trainer,
            seed=settings.seed,
            device=self.device,
            precision=settings.precision,
            path=self.directory.checkpoint,
        )

    def _model(self, store: Store) -> nn.Module:
        """With fresh weights by the seed, or those of the stage before."""
        torch.manual_seed(self.settings.seed)
        model = models.build(store.schema, self.settings.model).to(self.device)
        if self.plan.start is not None:
            load_pretrained(model, self.plan.start.trained_weights())
        if self.warm_start is not None:
            self.warm_start.load(model)
        return model

    def _warm_start(self) -> WarmStart | None:
        """Open the run to start from, and match its fields."""
        directory, name = self.plan.warm_start, self.settings.start_from
        if directory is None or name is None:
            return None
        return WarmStart(OpenedRun(directory.path), name, self.store)

    def _batches(self, store: Store, name: str, rows_in: str) -> Batches:
        batch_size = self.settings.trainer.rows_of_step(store.summary()["rows"]["train"])
        return Batches(store.part(name), batch_size, self.device, rows_in)

    def _tracking(self, steps: int) -> AbstractContextManager[Record]:
        kind = "run" if self.plan.scores_test else "trial"
        return tracking(self.settings, self.directory.path, kind, self.plan.identity, steps)

    def _fit(self, trainer: Trainer) -> checkpoint.Progress:
        batches = trainer.train
        log.info("%d steps of %s rows an epoch", batches.steps, f"{batches.batch_size:,}")
        if trainer.progress.history:
            log.info("resuming at epoch %d", trainer.progress.epoch + 1)
        rows = batches.batch_size
        total, done = batches.steps * rows, trainer.progress.step * rows
        with (
            self._tracking(batches.steps) as track,
            Progress(trainer.position, total=total, initial=done) as shown,
        ):

            def advance(rows: int) -> None:
                if shown.n == shown.total:
                    shown.restart(trainer.position)
                shown.update(rows)

            def record(history: list[dict[str, Any]]) -> None:
                self.directory.write_history(history)
                track(history)
                self.watch(history)

            if trainer.progress.history:  # of an earlier start
                record(trainer.progress.history)
            progress = trainer.fit(advance, record)
        if trainer.ended_by == "epochs" and progress.best == len(progress.history) - 1:
            log.info("the last evaluation was the best: raise trainer.epochs=%d", progress.epoch)
        return progress

    def _divergence_remedy(self, store: Store) -> str:
        """Say what to change after a loss that is not finite."""
        schema, values_NX = store.schema, store.part("train").values_NX
        for column, slot in enumerate(schema.value_slots):
            largest = float(np.abs(values_NX[:, column]).max(initial=0))
            if not largest <= LARGE_VALUE:  # NaN too
                name = schema.fields[schema.field_of_slot[slot]].name
                if schema.fields[schema.field_of_slot[slot]].encoding == "vector":
                    return f"field {name} has numbers up to {largest:.3g}; scale its vectors"
                override = list_override("data.encodings", [f"{name}:quantile"])
                return f"field {name} has values up to {largest:.3g}; use {override}"
        return f"lower {' or '.join(self.settings.optimizer.rates())}"

    def _beside(self, trainer: Trainer, store: Store) -> dict[str, Any]:
        """Write the scores of the validation rows by the best weights, and return what these say
        beside AUC and logloss."""
        logits_N = trainer.predict(trainer.valid).cpu().numpy()
        valid = store.part("valid")
        write_valid_scores(self.directory, logits_N, valid)
        beside = (valid.groups_N, valid.weights_N, valid.negative_rate)
        return metrics.beside(logits_N, np.asarray(valid.labels_N), *beside)

    def _test(self, trainer: Trainer, store: Store) -> dict[str, Any]:
        """The only look at the test rows, with the best weights."""
        test = self._batches(store, "test", trainer.train.rows_in)
        logits_N = trainer.predict(test).cpu().numpy()
        rows = store.part("test")
        write_scores(self.directory, logits_N, rows)
        return metrics_of_test_rows(logits_N, rows)


def _write_weights(directory: RunDirectory, weights: dict[str, Tensor]) -> None:
    """Write them in one rename."""
    with temporary_folder(directory.weights) as folder:
        side = folder / directory.weights.name
        try:
            # Copies: safetensors refuses tensors that share memory, as those of shared layers do.
            safetensors.torch.save_file({name: w.clone() for name, w in weights.items()}, side)
        except SafetensorError as error:
            raise UserError(f"{directory.weights}: cannot be written ({error})") from None
        shutil.copymode(directory.config, side)  # the library's own is for one user alone
        with side.open("rb") as file:
            os.fsync(file.fileno())
        side.replace(directory.weights)


def _training(trainer: Trainer, progress: checkpoint.Progress) -> dict[str, Any]:
    """How long it took, and how large the model is."""
    tables, network = optimizers.split_parameters(trainer.model)
    epochs = progress.epoch + progress.step / trainer.train.steps
    seconds = progress.train_seconds
    return {
        "batch_size": trainer.train.batch_size,
        "ended_by": trainer.ended_by,
        "best_epoch": progress.history[progress.best]["epoch"],
        "epochs": epochs,
        "seconds_per_epoch": seconds / epochs,
        "rows_per_second": epochs * trainer.train.steps * trainer.train.batch_size / seconds,
        "parameters": {
            "embedding": sum(p.numel() for p in tables),
            "network": sum(p.numel() for p in network),
        },
    }
