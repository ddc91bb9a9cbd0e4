"""Settings of ``ctrbench bench gpu``."""

from dataclasses import dataclass, field

from ctrbench.config.verb_settings import verb_settings
from ctrbench.settings import option, settings

PARTS = ("checks", "steps", "epochs")
PREFIX = "bench.gpu."


@settings("bench_gpu")
@dataclass
class GpuSettings:
    """The keys of ``ctrbench bench gpu`` in addition to those of a run."""

    parts: list[str] = field(
        default_factory=lambda: list(PARTS),
        metadata={"doc": "what to do now", "choices": PARTS},
    )
    rows: int = option("training rows of an epoch", default=36_700_000, ge=1_000)
    features: int = option("features of the 39 fields together", default=1_000_000, ge=1_000)
    steps: int = option("steps that are timed at once", default=200, ge=10)


def gpu_settings(words: list[str]) -> GpuSettings:
    """Return the settings of overrides ``bench.gpu.KEY=VALUE``."""
    own: GpuSettings = verb_settings("bench_gpu", words, PREFIX)
    return own
