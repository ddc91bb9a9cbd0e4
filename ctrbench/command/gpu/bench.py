"""``ctrbench bench gpu``: checks, steps and epochs, in pieces that can be done one by one."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from ctrbench.command.composition.compose import compose, to_settings, untuned
from ctrbench.command.composition.grammar import values_of
from ctrbench.command.composition.keys import given, without
from ctrbench.command.composition.meant import beside
from ctrbench.command.gpu import measures
from ctrbench.command.gpu.checks import CHECKS, CheckError
from ctrbench.command.gpu.device import Gpu
from ctrbench.command.gpu.settings import PREFIX, GpuSettings, gpu_settings
from ctrbench.command.gpu.written import Figures, Written, page
from ctrbench.errors import UnavailableError, UserError, one_line
from ctrbench.machine import environment, resolve_device, use_threads
from ctrbench.models import registry as models
from ctrbench.runs.record import Results
from ctrbench.runs.settings import RunSettings
from ctrbench.settings import check, deciding, digest

PRECISIONS = ("fp32", "bf16")
OF_EPOCHS = ("lr", "deepfm")
log = logging.getLogger(__name__)
Runs = dict[str, RunSettings]


def bench_gpu(words: list[str]) -> str:
    """By the words of the command; ``model=A,B`` takes some of the models. Returns what was found,
    which is written too.

    Raises:
        UnavailableError: without a GPU.
        UserError: at the end, with what failed.
    """
    own = gpu_settings([word for word in words if word.startswith(PREFIX)])
    words = [word for word in words if not word.startswith(PREFIX)]
    asked = given(words).get("device", "auto")
    if not torch.cuda.is_available():
        raise UnavailableError(f"device={asked}: no GPU is visible to torch; bench gpu needs one")
    if asked == "cpu":
        raise UserError("device=cpu: bench gpu measures a GPU; leave it out, or device=cuda")
    runs = runs_of(words)
    run = next(iter(runs.values()))
    device = resolve_device(run.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    use_threads(run.threads)
    written = measure(Gpu(device), runs, own, Results(run.results))
    if written.failures:
        raise UserError("\n  ".join([f"{written.json}: what failed:", *written.failures]))
    return f"{page(written.figures)}\n{written.json}"


@beside(GpuSettings, PREFIX)
def runs_of(words: list[str]) -> Runs:
    """A run of every model that is asked for; without tuned values unless words ask for some."""
    names, others = values_of("model", words), untuned(without("model", words))
    runs = {}
    for name in names or models.able(models.names(), compose(others).data.history.user):
        runs[name] = to_settings(compose([*others, f"model={name}"]))
        check(runs[name])
        runs[name].model.check_history(runs[name].data.history)
    return runs


def measure(gpu: Gpu, runs: Runs, own: GpuSettings, results: Results) -> Written:
    """All parts that are asked for and not done; what is found is written at once."""
    written = Written(results, gpu.name, environment(gpu.device, "fp32"))
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
                _enter(written, part, key, asked, partial(measures.of_a_step, gpu, run, own))
            elif run.model.name in OF_EPOCHS:
                _enter(written, part, key, asked, partial(epochs, run))
    return written


def _asked(run: RunSettings, own: GpuSettings | None = None) -> str:
    return digest([deciding(run), own and deciding(own)])


def _enter(written: Written, part: str, key: str, asked: str, work: Callable[[], Figures]) -> None:
    if written.has(part, key, asked):
        return
    try:
        figures = work()
    except Exception as error:  # of the device, of its memory: the rest is to be had
        figures = {"failed": str(error) if isinstance(error, CheckError) else one_line(error)}
    log.info("%s, %s: %s", part, key, figures.get("failed", "done"))
    written.add(part, key, asked, figures)
