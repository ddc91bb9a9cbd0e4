"""A CPU in the place of a GPU: what a CUDA graph does, done again operation by operation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ctrbench.bench.gpu.device import Gpu
from ctrbench.config.settings import RunSettings
from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.training.cuda_graph import Graph
from ctrbench.training.step import Step

WAITS = "operation not permitted when stream is capturing"
BY_VALUE = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
BATCH_NORM = torch.ops.aten.native_batch_norm.default  # does not say that it writes
BY_NUMBER = torch.ops.aten.index.Tensor  # whose shape depends on the values of a mask alone


def tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


class NoWaits(TorchDispatchMode):
    """Refuses what reads a value on the host, or has a shape that depends on one."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        by_mask = any(tensor.dtype == torch.bool for tensor in tensors(args[1:]))
        if BY_VALUE & set(func.tags) and (func is not BY_NUMBER or by_mask):
            raise RuntimeError(f"{WAITS}: {func}")
        return func(*args, **(kwargs or {}))


class Recorder(NoWaits):
    """Keeps the operations, and what the memory that they write to held before."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self.own: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        given = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
        for argument in func._schema.arguments:
            written = argument.alias_info is not None and argument.alias_info.is_write
            if written or (func is BATCH_NORM and argument.name.startswith("running")):
                for tensor in tensors(given.get(argument.name)):
                    self.keep(tensor)
        out = super().__torch_dispatch__(func, types, args, kwargs)
        known = {tensor.untyped_storage().data_ptr() for tensor in tensors((args, kwargs))}
        self.own |= {tensor.untyped_storage().data_ptr() for tensor in tensors(out)} - known
        self.calls.append((func, args, kwargs, tensors(out)))
        return out

    def keep(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.before.keys() | self.own:
            self.before[storage.data_ptr()] = storage, storage.clone()

    def undo(self) -> None:
        for storage, before in self.before.values():
            storage.copy_(before)


class Recording(Graph):
    """Stands in for a CUDA graph: no Python of the work runs in a replay, the memory is the same,
    numbers of the host are those of the recording, and the recording changes nothing."""

    def __init__(self) -> None:
        self.replays = 0
        self.recorder: Recorder | None = None

    def run_eagerly(self, work: Callable[[], object]) -> None:
        work()

    def capture(self, work: Callable[[], object]) -> None:
        assert self.recorder is None
        random = torch.get_rng_state()
        self.recorder = Recorder()
        with self.recorder:
            work()
        self.recorder.undo()
        torch.set_rng_state(random)

    @torch.no_grad()
    def replay(self) -> None:
        assert self.recorder is not None
        self.replays += 1
        for func, args, kwargs, kept in self.recorder.calls:
            for old, new in zip(kept, tensors(func(*args, **kwargs)), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class StandIn(Gpu):
    """A CPU whose gradients of tables are dense, as a GPU's are."""

    rows_of_checks = 1_200
    repeats = 1

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))

    @property
    def name(self) -> str:
        return "Stand-in (CPU) 1"

    def busy_seconds(self, work: Callable[[], object]) -> float:
        work()
        return 0.001

    def graph(self) -> Recording:
        return Recording()

    def step(self, run: RunSettings, schema: Schema, device: torch.device | None = None) -> Step:
        step = super().step(run, schema, device)
        if device is None:
            for embedding in (m for m in step.model.modules() if isinstance(m, Embedding)):
                embedding.reader = None
        return step

    @contextmanager
    def no_waits(self) -> Iterator[None]:
        with NoWaits():
            yield
