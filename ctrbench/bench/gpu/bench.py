"""``ctrbench bench gpu``: checks, steps and epochs, in pieces that can be done one by one."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from ctrbench.bench.gpu import measures
from ctrbench.bench.gpu.checks import CHECKS, CheckError
from ctrbench.bench.gpu.device import Gpu
from ctrbench.bench.gpu.record import Figures, GpuRecord, page
from ctrbench.bench.gpu.settings import PREFIX, GpuSettings, gpu_settings
from ctrbench.config.compose import compose, to_settings, without_tuned_values
from ctrbench.config.grammar import values_of
from ctrbench.config.keys import drop_key, values_by_key
from ctrbench.config.settings import RunSettings
from ctrbench.config.suggestions import suggesting_keys
from ctrbench.errors import UnavailableError, UserError, one_line
from ctrbench.machine import environment, resolve_device, use_threads
from ctrbench.models import registry as models
from ctrbench.results import Results
from ctrbench.settings import check, digest, identity_settings

PRECISIONS = ("fp32", "bf16")
OF_EPOCHS = ("lr", "deepfm")
log = logging.getLogger(__name__)
Runs = dict[str, RunSettings]


def bench_gpu(words: list[str]) -> str:
    """Run the parts of a command; ``model=A,B`` takes some of the models. Return the report, which
    is written too.

    Raises:
        UnavailableError: without a GPU.
        UserError: at the end, with what failed.
    """
    own = gpu_settings([word for word in words if word.startswith(PREFIX)])
    words = [word for word in words if not word.startswith(PREFIX)]
    asked = values_by_key(words).get("device", "auto")
    if not torch.cuda.is_available():
        raise UnavailableError(f"device={asked}: no GPU is visible to torch; bench gpu needs one")
    if asked == "cpu":
        raise UserError("device=cpu: bench gpu measures a GPU; leave it out, or device=cuda")
    runs = plan_runs(words)
    run = next(iter(runs.values()))
    device = resolve_device(run.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    use_threads(run.threads)
    written = measure(Gpu(device), runs, own, Results(run.results))
    if written.failures:
        raise UserError("\n  ".join([f"{written.json}: what failed:", *written.failures]))
    return f"{page(written.figures)}\n{written.json}"


@suggesting_keys(GpuSettings, PREFIX)
def plan_runs(words: list[str]) -> Runs:
    """Return a run of every requested model; without tuned values unless overrides ask for some."""
    names, others = values_of("model", words), without_tuned_values(drop_key("model", words))
    runs = {}
    for name in names or models.able(models.names(), compose(others).data.history.user):
        runs[name] = to_settings(compose([*others, f"model={name}"]))
        check(runs[name])
        runs[name].model.check_history(runs[name].data.history)
    return runs


def measure(gpu: Gpu, runs: Runs, own: GpuSettings, results: Results) -> GpuRecord:
    """Do all requested parts that are not done; every result is written at once."""
    written = GpuRecord(results, gpu.name, environment(gpu.device, "fp32"))
    both = {f"{k} {p}": replace(run, precision=p) for k, run in runs.items() for p in PRECISIONS}
    epochs = measures.Epochs(gpu, own)
    for part in own.parts:
        if part == "checks":
            for name, run in runs.items():
                for title, check_it in CHECKS.items():
                    work = partial(check_it, gpu, run)
                    _enter(written, part, f"{name} {title}", _asked(run), work)
        for key, run in both.items() if part != "checks" else ():
            asked = _asked(run, replace(own, parts=[]))
            if part == "steps":
                _enter(written, part, key, asked, partial(measures.measure_step, gpu, run, own))
            elif run.model.name in OF_EPOCHS:
                _enter(written, part, key, asked, partial(epochs, run))
    return written


def _asked(run: RunSettings, own: GpuSettings | None = None) -> str:
    return digest([identity_settings(run), own and identity_settings(own)])


def _enter(
    written: GpuRecord, part: str, key: str, asked: str, work: Callable[[], Figures]
) -> None:
    if written.has(part, key, asked):
        return
    try:
        figures = work()
    except Exception as error:  # of the device, of its memory: the rest is to be had
        figures = {"failed": str(error) if isinstance(error, CheckError) else one_line(error)}
    log.info("%s, %s: %s", part, key, figures.get("failed", "done"))
    written.add(part, key, asked, figures)
