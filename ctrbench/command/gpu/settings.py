"""Settings of ``ctrbench bench gpu``."""

from dataclasses import dataclass, field

from ctrbench.command.settings import own_settings
from ctrbench.settings import option, settings

PARTS = ("checks", "steps", "epochs")
PREFIX = "bench.gpu."


@settings("bench_gpu")
@dataclass
class GpuSettings:
    """Its keys beside those of a run."""

    parts: list[str] = field(
        default_factory=lambda: list(PARTS),
        metadata={"doc": "what to do now", "choices": PARTS},
    )
    rows: int = option("training rows of an epoch", default=36_700_000, ge=1_000)
    features: int = option("features of the 39 fields together", default=1_000_000, ge=1_000)
    steps: int = option("steps that are timed at once", default=200, ge=10)


def gpu_settings(words: list[str]) -> GpuSettings:
    """From words ``bench.gpu.KEY=VALUE``.

    Raises:
        UserError: for an unknown key or a value that does not fit.
    """
    own: GpuSettings = own_settings("bench_gpu", words, PREFIX)
    return own
