"""A GPU, as checks and measurements use it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from ctrbench.config.settings import RunSettings
from ctrbench.data.batches import Batches
from ctrbench.data.schema import Schema
from ctrbench.models import registry as models
from ctrbench.optim import registry as optimizers
from ctrbench.training.cuda_graph import CapturedLoop, CudaGraph, Graph
from ctrbench.training.settings import TrainerSettings
from ctrbench.training.step import Step
from ctrbench.training.trainer import MakeLoop, Trainer


class Gpu:
    """Operations on the GPU; tests substitute a CPU."""

    rows_of_checks = 10_000
    repeats = 20  # of what is timed by itself

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def graph(self) -> Graph:
        """Return an empty CUDA graph."""
        return CudaGraph(self.device)

    def step(self, run: RunSettings, schema: Schema, device: torch.device | None = None) -> Step:
        """Return the step of a model with fresh weights; the seed is that of its dropout too."""
        torch.manual_seed(run.seed)
        model = models.build(schema, run.model).to(device or self.device).train()
        return Step.from_settings(
            run.trainer, model, optimizers.build(model, run.optimizer), run.precision
        )

    def trainer(
        self,
        run: RunSettings,
        step: Step,
        train: Batches,
        valid: Batches,
        settings: TrainerSettings,
        path: Path,
        make_loop: MakeLoop,
    ) -> Trainer:
        """Return a trainer of a step, with the seed and the precision of a run."""
        return Trainer(
            *(step.model, step.optimizer, train, valid, settings),
            seed=run.seed,
            device=self.device,
            precision=run.precision,
            path=path,
            make_loop=make_loop,
        )

    def captured(self, step: Step, batches: Batches) -> CapturedLoop:
        """Return a training loop of replays."""
        return CapturedLoop(step, batches, self.graph())

    @contextmanager
    def no_waits(self) -> Iterator[None]:
        """Turn every call that makes the host wait for the device into an error."""
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    @property
    def name(self) -> str:
        """As its maker calls it."""
        return torch.cuda.get_device_name(self.device)

    def busy_seconds(self, work: Callable[[], object]) -> float:
        """Return the seconds that the device works, without the gaps between kernels."""
        with profile(activities=[ProfilerActivity.CUDA]) as found:
            work()
            torch.cuda.synchronize(self.device)
        events = [e.time_range for e in found.events() if e.device_type.name == "CUDA"]
        busy, end = 0.0, 0.0
        for span in sorted(events, key=lambda span: span.start):
            busy += max(0.0, span.end - max(span.start, end))
            end = max(end, span.end)
        return busy * 1e-6
