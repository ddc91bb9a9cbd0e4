"""Train a model on the training rows, evaluate it on the validation rows, keep its best weights.

Nothing in a step waits for the device: a batch is gathered there, losses are written to a tensor
there and read once per evaluation, together with the scores. On a GPU the steps are replays of a
CUDA graph (:mod:`ctrbench.training.cuda_graph`).
"""

import copy
import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ctrbench.data.batches import Batches
from ctrbench.errors import DivergenceError
from ctrbench.metrics import gauc
from ctrbench.monitor import is_maximised, metrics_of, monitored, valid_figures
from ctrbench.training import checkpoint
from ctrbench.training.cuda_graph import make_training_loop
from ctrbench.training.learning_rates import LearningRates
from ctrbench.training.schedule import evaluations_without_improvement, improves
from ctrbench.training.settings import TrainerSettings
from ctrbench.training.step import Step, TrainingLoop, evaluation_rows, logits
from ctrbench.training.validation import score

log = logging.getLogger(__name__)
Advance = Callable[[int], object]
Record = Callable[[list[dict[str, Any]]], None]
MakeLoop = Callable[[Step, Batches], TrainingLoop]


class Trainer:
    """One training run, resumable from its checkpoint.

    Args:
        path: the checkpoint file; training continues from an existing one.
        seed: seed of the row order.
        precision: ``fp32``, or ``bf16`` for autocast of the forward pass.
        make_loop: replaces the training loop of the device, for tests.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        train: Batches,
        valid: Batches,
        settings: TrainerSettings,
        *,
        seed: int,
        device: torch.device,
        precision: str,
        path: Path,
        make_loop: MakeLoop | None = None,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.train, self.valid, self.settings = train, valid, settings
        self.seed, self.device, self.precision, self.path = seed, device, precision, path
        self.rates = LearningRates(optimizer, settings.schedule, settings.epochs * train.steps)
        step = Step.from_settings(settings, model, optimizer, precision)
        self.average = step.average
        self.progress = checkpoint.load(path, model, optimizer, device, self.average)
        make_loop = make_loop or partial(make_training_loop, captured=settings.captured)
        self.loop = make_loop(step, train)
        losses, done = torch.tensor(self.progress.losses), self.progress.step
        self.loop.losses_T[done - len(losses) : done] = losses
        self.pace = checkpoint.Pace()

    @property
    def ended_by(self) -> str | None:
        """Return why training ended, ``patience`` or ``epochs``; None while it goes on."""
        progress = self.progress
        since_best = len(progress.history) - 1 - progress.best
        if progress.epoch >= self.settings.min_epochs and since_best >= self.settings.patience:
            return "patience"
        return "epochs" if progress.epoch >= self.settings.epochs else None

    @property
    def position(self) -> str:
        """The epoch that is trained, for a person."""
        return f"epoch {self.progress.epoch + 1} of at most {self.settings.epochs}"

    def fit(self, advance: Advance, record: Record) -> checkpoint.Progress:
        """Train to the end and load the best weights into the model.

        Args:
            advance: called with the number of rows after each step, for a progress bar.
            record: called with the history after each evaluation.

        Raises:
            DivergenceError: when a loss is not finite, naming the step.
            KeyboardInterrupt: by Ctrl-C, once the checkpoint is written.
        """
        progress = self.progress
        begun = None
        while self.ended_by is None:
            with checkpoint.Interrupts() as interrupts:
                if progress.epoch != begun:
                    self.loop.begin(self.seed, progress.epoch, progress.step)
                    begun = progress.epoch
                evaluations = len(progress.history)
                self._advance(advance, interrupts)
                if len(progress.history) > evaluations:
                    record(progress.history)
                if interrupts.held or self.pace.due:
                    with self.pace.taken():
                        self._save()
        self.model.load_state_dict(progress.best_weights)
        return progress

    def _save(self) -> None:
        checkpoint.save(self.path, self.model, self.optimizer, self.progress, self.average)

    def _advance(self, advance: Advance, interrupts: checkpoint.Interrupts) -> None:
        """Train up to the next evaluation and evaluate, or stop at a signal."""
        progress, started = self.progress, time.perf_counter()
        interval = self.settings.steps_between(self.train.steps)
        first = progress.step - progress.step % interval
        stop = min(first + interval, self.train.steps)
        self.model.train()
        figures = [self._monitored(line) for line in progress.history]
        without = evaluations_without_improvement(figures, self.settings.schedule.min_delta)
        while progress.step < stop and not interrupts.held:
            self.rates.set(progress.epoch * self.train.steps + progress.step, without)
            self.loop()
            progress.step += 1
            advance(self.train.batch_size)
        progress.losses = self._read_losses(first)
        progress.train_seconds += time.perf_counter() - started
        if progress.step == stop:
            epoch, loss = progress.epoch + 1, math.fsum(progress.losses) / len(progress.losses)
            progress.step, progress.losses = stop % self.train.steps, []
            progress.epoch += progress.step == 0
            self._evaluate(epoch, stop, loss)

    def _read_losses(self, first: int) -> list[float]:
        """Return the losses from a step on; the only wait for the device between evaluations."""
        losses: list[float] = self.loop.losses_T[first : self.progress.step].tolist()
        for offset, loss in enumerate(losses):
            if not math.isfinite(loss):
                step = self.progress.epoch * self.train.steps + first + offset + 1
                raise DivergenceError(
                    f"the training loss is {loss} at step {step} (epoch {self.progress.epoch + 1})"
                )
        return losses

    def _evaluate(self, epoch: int, step: int, loss: float) -> None:
        with nullcontext() if self.average is None else self.average.in_place():
            self._evaluate_weights(epoch, step, loss)

    def _evaluate_weights(self, epoch: int, step: int, loss: float) -> None:
        progress, started = self.progress, time.perf_counter()
        figures = self._score()
        if not math.isfinite(figures["logloss"]):
            done = (epoch - 1) * self.train.steps + step
            raise DivergenceError(
                f"the validation logloss is {figures['logloss']} after step {done} (epoch {epoch})"
            )
        progress.evaluate_seconds += time.perf_counter() - started
        line = {"epoch": epoch, "step": step, "train_loss": loss}
        line |= {f"valid_{name}": figure for name, figure in figures.items()}
        progress.history.append(line | {"train_seconds": progress.train_seconds})
        if self._improves(line):
            progress.best = len(progress.history) - 1
            self._keep_weights()
        log.info(
            "epoch %d step %d: train loss %.5f, valid AUC %.5f, logloss %.5f, %.1f s",
            *(epoch, step, loss, figures["auc"], figures["logloss"], progress.train_seconds),
        )

    def _score(self) -> dict[str, float]:
        """Return the metrics of the validation rows: AUC, logloss and, if it is monitored, GAUC."""
        logits_N, valid = self.predict(self.valid), self.valid
        figures = score(logits_N, valid.labels_N, valid.weights_N)
        if valid.groups_N is not None and "gauc" in metrics_of(self.settings.monitor):
            weights_N = None if valid.weights_N is None else valid.weights_N.cpu().numpy()
            rows = logits_N.cpu().numpy(), valid.labels_N.cpu().numpy(), valid.groups_N
            figures["gauc"] = gauc(*rows, weights_N)["gauc"]
        return figures

    def _keep_weights(self) -> None:
        """Store the weights as the best so far, in the memory of the previous best."""
        if not self.progress.best_weights:  # a copy that shares what layers share
            self.progress.best_weights = dict(copy.deepcopy(self.model.state_dict()))
        for name, weight in self.model.state_dict().items():
            self.progress.best_weights[name].copy_(weight)

    def _improves(self, line: dict[str, float]) -> bool:
        """Return whether an evaluation improves on the best one by the schedule's ``min_delta``."""
        history, best = self.progress.history, self.progress.best
        before = None if best < 0 else self._monitored(history[best])
        return improves(self._monitored(line), before, self.settings.schedule.min_delta)

    def _monitored(self, line: dict[str, float]) -> float:
        """Return the monitored metric of an evaluation, signed so that more is better."""
        monitor = self.settings.monitor
        figure: float = monitored(monitor, valid_figures(line))
        return figure if is_maximised(monitor) else -figure

    @torch.no_grad()
    def predict(self, part: Batches) -> Tensor:
        """Return the logits N of all rows, in their order."""
        self.model.eval()
        rows = evaluation_rows(self.model, *next(part.pieces(1)))
        pieces = part.pieces(rows)
        return torch.cat([logits(self.model, *piece, self.precision) for piece in pieces])
