"""One run, from its settings to its directory."""

import logging
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import yaml
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ctrbench import metrics
from ctrbench.data.batches import Batches, choose
from ctrbench.data.crosses import cross
from ctrbench.data.prepare import content_key, prepare
from ctrbench.data.sources import open_source
from ctrbench.data.split import PARTS
from ctrbench.data.store import Store
from ctrbench.errors import UserError
from ctrbench.files import locked
from ctrbench.models import registry as models
from ctrbench.models.settings import CrossedSettings, LinearSettings
from ctrbench.optim import registry as optimizers
from ctrbench.records import RunDirectory, identity
from ctrbench.run_settings import RunSettings
from ctrbench.training.checkpoint import Progress
from ctrbench.training.trainer import Trainer

log = logging.getLogger(__name__)


def run_directory(settings: RunSettings) -> RunDirectory:
    """Where a run of these settings lies, by its identity."""
    config = asdict(settings)
    # The split is part of the content; where rows are held changes nothing.
    for name in ("results", "experiment", "split", "rows_in"):
        del config[name]
    content = content_key(settings.data, settings.split, open_source(settings.data))
    config["data"] = {"name": settings.data.name, "content": content}
    if settings.pretraining is not None:
        config["pretraining"] = _first_stage(settings).path.name
    config["device"] = resolve_device(settings.device).type
    folder = Path(settings.results) / "runs" / settings.data.name / settings.model.name
    return RunDirectory(folder / identity(config))


def _first_stage(settings: RunSettings) -> RunDirectory:
    """The run that a pre-trained model starts from."""
    stage = settings.pretraining
    return (
        RunDirectory(Path(stage.run))
        if stage.run
        else run_directory(_first_stage_settings(settings))
    )


def _first_stage_settings(settings: RunSettings) -> RunSettings:
    """Its settings: on the same rows, from the same seed, as if it had been asked for by itself."""
    stage = settings.pretraining
    own = {"model": stage.model, "optimizer": stage.optimizer, "trainer": stage.trainer}
    return replace(settings, **own, predictions=False)


def prepare_run(settings: RunSettings) -> Store:
    """The store of a run's data, with the crosses that its model asks for."""
    store = prepare(settings.data, settings.split, Path(settings.results))
    return with_crosses(store, settings.model)


def with_crosses(store: Store, model: LinearSettings) -> Store:
    """The store with the crosses that a model asks for."""
    if isinstance(model, CrossedSettings):
        count, buckets = model.cross_min_count, model.cross_buckets
        store = cross(store, model.crosses, min_count=count, buckets=buckets)
    return store


def resolve_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one.

    Raises:
        UserError: for ``cuda`` without a GPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: no GPU is visible to torch; use device=auto or device=cpu")
    return torch.device(name)


def run(settings: RunSettings) -> dict[str, Any]:
    """Train, or find the finished run; returns its result.

    Raises:
        UserError: for data that cannot be used or a loss that is not finite.
    """
    directory = run_directory(settings)
    with locked(directory.path.with_name(f".{directory.path.name}.lock")):
        result = directory.result()
        if result is None:
            result = _Run(settings, directory).result()
            directory.finish(result)
        else:
            log.info("already finished: %s", directory.path)
    return result


class _Run:
    """A run that is not finished yet."""

    def __init__(self, settings: RunSettings, directory: RunDirectory) -> None:
        self.settings, self.directory = settings, directory
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        started = time.perf_counter()
        self.store = prepare_run(settings)
        self.prepare_seconds = time.perf_counter() - started
        self.pretraining = None if settings.pretraining is None else self._pretrain()
        directory.path.mkdir(parents=True, exist_ok=True)
        resolved = replace(settings, data=open_source(settings.data).resolved())
        classes = {key: getattr(resolved, key).registered for key in ("model", "data")}
        config = asdict(resolved) | {"classes": classes}
        directory.write("config.yaml", yaml.safe_dump(config, sort_keys=False))
        self.device = resolve_device(settings.device)
        self.rows_in = settings.rows_in
        if self.rows_in == "auto":
            self.rows_in = choose([self.store.part(name) for name in PARTS], self.device)
        torch.manual_seed(settings.seed)
        self.model = models.build(self.store.schema, settings.model).to(self.device)
        if self.pretraining is not None:
            self._start_from(_first_stage(settings).weights)
        self.trainer = Trainer(
            self.model,
            optimizers.build(self.model, settings.optimizer),
            self._batches("train"),
            self._batches("valid"),
            settings.trainer,
            seed=settings.seed,
            device=self.device,
            precision=settings.precision,
            path=directory.checkpoint,
        )

    def _pretrain(self) -> dict[str, Any]:
        """The result of stage one: trained now, found as trained before, or the run named."""
        named = self.settings.pretraining.run
        if not named:
            return run(_first_stage_settings(self.settings))
        result = RunDirectory(Path(named)).result()
        assert result is not None  # as StageSettings.validate has seen
        if result["dataset"]["content"] != self.store.summary()["content"]:
            raise UserError(
                f"pretraining.run={named}: was not trained on these rows; leave pretraining.run "
                "out to train one on them"
            )
        return result

    def _start_from(self, weights: Path) -> None:
        """Take over the weights of stage one by their names."""
        given, own = safetensors.torch.load_file(weights), self.model.state_dict()
        for name, tensor in given.items():
            if name not in own or own[name].shape != tensor.shape:
                raise UserError(
                    f"{weights}: {name} of shape {list(tensor.shape)} does not fit this model; "
                    "check model.embedding_dim"
                )
        self.model.load_state_dict(own | given)

    def _batches(self, name: str) -> Batches:
        part, batch_size = self.store.part(name), self.settings.trainer.batch_size
        return Batches(part, batch_size, self.device, self.rows_in)

    def result(self) -> dict[str, Any]:
        progress = self._fit()
        best = progress.history[progress.best]
        figures = {
            "valid": {name: best[f"valid_{name}"] for name in ("auc", "logloss")},
            "test": self._test(),
        }
        weights = {name: tensor.contiguous() for name, tensor in progress.best_weights.items()}
        side = self.directory.weights.with_suffix(".tmp")
        safetensors.torch.save_file(weights, side)
        side.replace(self.directory.weights)
        return self._describe(progress, figures)

    def _fit(self) -> Progress:
        trainer = self.trainer
        done = trainer.progress.epoch * trainer.train.steps + trainer.progress.step
        if done:
            log.info("going on from epoch %d", trainer.progress.epoch + 1)
        total = self.settings.trainer.epochs * trainer.train.steps
        bar = tqdm(total=total, initial=done, unit="step", leave=False, disable=None)
        with bar, logging_redirect_tqdm():
            progress = trainer.fit(bar.update, self.directory.write_history)
        self.directory.write_history(progress.history)
        return progress

    def _test(self) -> dict[str, float]:
        """The only look at the test rows, with the best weights."""
        test = self._batches("test")
        logits_N = self.trainer.predict(test)
        if self.settings.predictions:
            np.save(self.directory.predictions, logits_N.sigmoid().cpu().numpy())
        figures = metrics.score(logits_N, test.labels_N)
        truth_N = self.store.part("test").truth_N
        if truth_N is not None:
            best = metrics.score(torch.tensor(truth_N).logit(), test.labels_N.cpu())
            figures |= {f"best_{name}": figure for name, figure in best.items()}
            figures["excess_logloss"] = figures["logloss"] - best["logloss"]
        return figures

    def _describe(self, progress: Progress, figures: dict[str, Any]) -> dict[str, Any]:
        settings, trainer, stage = self.settings, self.trainer, self.pretraining
        tables, network = optimizers.split_parameters(self.model)
        epochs = progress.epoch + progress.step / trainer.train.steps
        seconds = progress.train_seconds
        return {
            "status": "ok",
            "model": settings.model.name,
            "data": settings.data.name,
            "seed": settings.seed,
            "identity": self.directory.path.name,
            "metrics": figures,
            "best_epoch": progress.history[progress.best]["epoch"],
            "epochs": epochs,
            "seconds": {
                "prepare": self.prepare_seconds,
                "pretrain": 0.0 if stage is None else stage["seconds"]["train"],
                "train": seconds,
                "evaluate": progress.evaluate_seconds,
            },
            "seconds_per_epoch": seconds / epochs,
            "pretrain_seconds_per_epoch": None if stage is None else stage["seconds_per_epoch"],
            "rows_per_second": epochs * trainer.train.steps * trainer.train.batch_size / seconds,
            "parameters": {
                "embedding": sum(p.numel() for p in tables),
                "network": sum(p.numel() for p in network),
            },
            "peak_memory_bytes": _peak_memory(self.device),
            "environment": environment(self.device, settings.precision),
            "dataset": self.store.summary(),
        }


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def environment(device: torch.device, precision: str) -> dict[str, Any]:
    """Where a number was measured."""
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else f"cpu ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "precision": precision,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": _commit(),
    }


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
