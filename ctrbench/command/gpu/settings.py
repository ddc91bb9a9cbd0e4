"""Settings of ``ctrbench bench gpu``."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ctrbench.errors import UserError
from ctrbench.settings import check, nearest, option, settings, settings_from

PARTS = ("checks", "steps", "epochs")
PREFIX = "bench.gpu."


@settings("bench_gpu")
@dataclass
class GpuSettings:
    """Its keys beside those of a run."""

    parts: list[str] = field(
        default_factory=lambda: list(PARTS),
        metadata={"doc": "what to do now: checks, steps, epochs", "choices": PARTS},
    )
    rows: int = option("training rows of an epoch", default=36_700_000, ge=1_000)
    features: int = option("features of the 39 fields together", default=1_000_000, ge=1_000)
    steps: int = option("steps that are timed at once", default=200, ge=10)


def gpu_settings(words: list[str]) -> GpuSettings:
    """From words ``bench.gpu.KEY=VALUE``.

    Raises:
        UserError: for an unknown key or a value that does not fit.
    """
    known = list(GpuSettings.__dataclass_fields__)
    for word in words:
        key = word.partition("=")[0].removeprefix(PREFIX)
        if key not in known:
            raise UserError(f"{PREFIX}{key}: no such key; {nearest(key, known)}")
    try:
        given: Any = OmegaConf.from_dotlist([word.removeprefix(PREFIX) for word in words])
        own: GpuSettings = settings_from("bench_gpu", given)
    except OmegaConfBaseException as error:
        raise UserError(f"{PREFIX}{error.full_key}: {str(error).splitlines()[0]}") from None
    check(own, PREFIX)
    return own
