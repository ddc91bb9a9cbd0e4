"""Updates of touched rows against the same optimizers with dense gradients."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support import Compose
from torch import Tensor, get_num_threads

from ctrbench.data.schema import Field, Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.lookup import RowReader
from ctrbench.models import registry
from ctrbench.models.base import Model
from ctrbench.optim import registry as optimizers
from ctrbench.optim.lazy_adam import LazyAdam
from ctrbench.optim.settings import AdamSettings
from ctrbench.optim.sparse_rows import cpu_embeddings, sparse_gradient
from ctrbench.training import checkpoint
from ctrbench.training.learning_rates import LearningRates
from ctrbench.training.schedule import CosineSettings
from ctrbench.training.step import Step

Sizes = tuple[int, ...]
SETTINGS = AdamSettings("adam", 1e-3, 1e-8, 0.0, "all", 0.0, [0.9, 0.999])
L2 = "optimizer.l2_embedding=.1"
L2_BATCH = "optimizer.l2_rows=batch"
OPTIMIZERS = {
    "ftrl": ["optimizer=ftrl", "optimizer.l1=1e-4"],
    "adagrad": ["optimizer=adagrad"],
    "adagrad_l2_batch": [
        "optimizer=adagrad",
        "optimizer.l2_embedding=.1",
        "optimizer.l2_rows=batch",
    ],
    "adagrad_l2_all": ["optimizer=adagrad", L2],
    "adam": ["optimizer=adam"],
    "adam_l2_batch": ["optimizer=adam", L2, L2_BATCH],
    "adam_l2_all": ["optimizer=adam", L2],
}


LAYOUTS = {"all kinds": ("bag", "x"), "single values": ("x",), "ids": ()}  # beside ids
OTHER_FIELDS = {"bag": Field("bag", "mean", 6, slots=3), "x": Field("x", "value", 1)}


def schema(*sizes: int, others: tuple[str, ...] = ("bag", "x")) -> Schema:
    fields = (Field(f"f{i}", "vocabulary", size) for i, size in enumerate(sizes))
    return Schema((*fields, *(OTHER_FIELDS[name] for name in others)))


def batch(
    sizes: Sizes,
    generator: torch.Generator,
    rows: int = 7,
    others: tuple[str, ...] = ("bag", "x"),
) -> tuple[Tensor, Tensor, Tensor]:
    """Ids that repeat; slots of the bag but the first are often empty (its last id)."""
    columns = [torch.randint(size, (rows, 1), generator=generator) for size in sizes]
    bag = torch.randint(5, (rows, 3), generator=generator)
    bag[:, 1:] += torch.randint(2, (rows, 2), generator=generator)
    more = {"bag": bag, "x": torch.zeros(rows, 1, dtype=torch.int64)}
    ids = torch.cat([*columns, *(more[name] for name in others)], dim=1)
    values = torch.randn(rows, int("x" in others), generator=generator, dtype=torch.float64)
    return ids.int(), values, (torch.rand(rows, generator=generator) < 0.5).double()


@pytest.mark.parametrize("words", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("name", ["lr", "fm", "ffm", "fm_dnn"])
@pytest.mark.parametrize("others", LAYOUTS.values(), ids=LAYOUTS)
def test_as_with_dense_gradients(
    name: str, words: list[str], others: tuple[str, ...], settings: Compose
) -> None:
    """Fields, bags of values with empty slots, and values: the same weights after many steps."""
    small = ["model.hidden=[5]", "model.dropout=0"] if name == "fm_dnn" else []
    own = settings(f"model={name}", "tuned=none", *small, *words)
    sizes = (11, 30, 200)
    torch.manual_seed(0)
    models = [registry.build(schema(*sizes, others=others), own.model).double() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    steps = [Step(model, optimizers.build(model, own.optimizer), "fp32") for model in models]
    for embedding in cpu_embeddings(models[1]):
        embedding.reader = None  # torch's own gather, its gradient dense
    generator = torch.Generator().manual_seed(1)
    for _ in range(60):
        drawn = batch(sizes, generator, others=others)
        losses = [float(step(drawn)) for step in steps]
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for ours, dense in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(ours, dense, rtol=1e-9, atol=1e-12)


def table(rows: int, columns: int) -> Embedding:
    torch.manual_seed(0)
    return Embedding(Schema((Field("a", "vocabulary", rows),)), columns, 0.01).double()


def train(
    embedding: Embedding, optimizer: torch.optim.Optimizer, steps: int, after: Callable[[int], None]
) -> None:
    """Rows that come by rates of their own, with gradients of scales of their own."""
    generator, rows = torch.Generator().manual_seed(0), len(embedding.weight)
    rate_V = 0.002 * 250 ** torch.rand(rows, generator=generator, dtype=torch.float64)
    scale_V = 10 ** (-9 + 6 * torch.rand(rows, generator=generator, dtype=torch.float64))
    for step in range(steps):
        drawn = torch.rand(rows, generator=generator, dtype=torch.float64) < rate_V
        ids = drawn.nonzero()
        noise = torch.randn(len(ids), 1, embedding.weight.shape[1], generator=generator)
        optimizer.zero_grad()
        rows_BFD = embedding(ids, torch.empty(len(ids), 0))
        (rows_BFD * noise.double() * scale_V[ids, None]).sum().backward()
        optimizer.step()
        after(step)


def difference(optimizer: LazyAdam, ours: Embedding, dense: Embedding) -> float:
    optimizer.catch_up()
    return float((ours.weight - dense.weight).detach().abs().max())


@pytest.mark.parametrize("betas", [[0.9, 0.999], [0.0, 0.99]])
def test_adam_is_dense_adam(betas: list[float]) -> None:
    """Over 2,000 steps, torch's dense Adam the reference, the learning rate another one in every
    step; the rows that a step reads are those of dense Adam at once, all others whenever they are
    asked for, by the learning rates of the steps that they missed."""
    ours, dense = table(200, 3), table(200, 3)
    own = AdamSettings("adam", 1e-3, 1e-8, 0.0, "all", 0.0, betas)
    adam = LazyAdam(ours, own, large=1)
    reference = torch.optim.Adam(dense.parameters(), 1e-3, (betas[0], betas[1]))
    pairs = ((dense, reference), (ours, adam))
    schedule = CosineSettings("cosine", 0.1, 0.01)
    for embedding, optimizer in pairs:
        rates = LearningRates(optimizer, schedule, 2_000)
        rates.set(0, 0)

        def after(
            step: int, optimizer: torch.optim.Optimizer = optimizer, rates: LearningRates = rates
        ) -> None:
            rates.set(step + 1, 0)
            if step == 700 and optimizer is adam:
                adam.catch_up()

        train(embedding, optimizer, 2_000, after)
    stale = float((ours.weight - dense.weight).detach().abs().max())
    assert difference(adam, ours, dense) < 2e-8
    assert betas[0] == 0 or stale > 1e-5  # rows had something to catch up
    for name in ("exp_avg", "exp_avg_sq"):
        expected = reference.state[dense.weight][name]
        torch.testing.assert_close(adam.state[ours.weight][name], expected, rtol=1e-9, atol=1e-30)


@pytest.mark.parametrize("beta2", [0.99, 0.95, 0.9])
def test_adam_of_other_betas_moves_all_rows(beta2: float) -> None:
    """Those of which the steps that a row missed could not be caught up exactly: no row is ever
    behind torch's dense Adam."""
    ours, dense = table(200, 3), table(200, 3)
    own = AdamSettings("adam", 1e-3, 1e-8, 0.0, "all", 0.0, [0.9, beta2])
    for embedding, optimizer in (
        (ours, LazyAdam(ours, own, large=1)),
        (dense, torch.optim.Adam(dense.parameters(), 1e-3, (0.9, beta2))),
    ):
        train(embedding, optimizer, 600, lambda step: None)
    torch.testing.assert_close(ours.weight, dense.weight, rtol=1e-12, atol=1e-12)


def test_l2_of_the_rows_of_a_batch_is_of_their_weights_now() -> None:
    """Not of those that a large table would still have to catch up."""
    ours, dense = table(200, 3), table(200, 3)
    own = AdamSettings("adam", 1e-3, 1e-8, 0.1, "batch", 0.0, [0.9, 0.999])
    for embedding, large in ((ours, 1), (dense, 10**12)):
        train(embedding, LazyAdam(embedding, own, large=large), 600, lambda step: None)
    torch.testing.assert_close(ours.weight, dense.weight, rtol=1e-12, atol=1e-12)


def test_whoever_looks_sees_dense_adam() -> None:
    """Evaluation, the model's weights and the optimizer's state, each the first to look."""
    ids, none = torch.arange(50)[:, None], torch.empty(50, 0)

    def evaluated(embedding: Embedding, adam: torch.optim.Optimizer) -> Tensor:
        with torch.no_grad():
            return embedding(ids, none)[:, 0]

    def saved(embedding: Embedding, adam: torch.optim.Optimizer) -> Tensor:
        return embedding.state_dict()["weight"]

    def with_the_state(embedding: Embedding, adam: torch.optim.Optimizer) -> Tensor:
        adam.state_dict()
        return embedding.weight.detach()

    dense = table(50, 3)
    train(dense, torch.optim.Adam(dense.parameters(), 1e-3), 400, lambda _: None)
    for look in (evaluated, saved, with_the_state):
        ours = table(50, 3)
        adam = LazyAdam(ours, SETTINGS, large=1)
        train(ours, adam, 400, lambda _: None)
        assert (ours.weight - dense.weight).abs().max() > 1e-5
        torch.testing.assert_close(look(ours, adam), dense.weight.detach(), rtol=0, atol=2e-8)


def test_two_passes_before_a_step_add_up() -> None:
    ours, dense = table(9, 2), table(9, 2)
    adam, reference = LazyAdam(ours, SETTINGS), torch.optim.Adam(dense.parameters(), 1e-3)
    for embedding, optimizer in ((ours, adam), (dense, reference)):
        for rows in ([1, 5, 5], [5, 2]):
            embedding(
                torch.tensor(rows)[:, None], torch.empty(len(rows), 0)
            ).square().sum().backward()
        optimizer.step()
    torch.testing.assert_close(ours.weight, dense.weight)


def test_resumed_as_if_never_stopped(settings: Compose, tmp_path: Path) -> None:
    """A checkpoint behind the dense steps: the same bytes."""
    own = settings("model=fm", "tuned=none")
    sizes = (11, 30, 200)

    def made() -> tuple[Model, LazyAdam]:
        torch.manual_seed(0)
        model = registry.build(schema(*sizes), own.model)
        return model, LazyAdam(model, own.optimizer, large=1)

    def weights(interrupted: bool) -> dict[str, Tensor]:
        model, adam = made()
        generator = torch.Generator().manual_seed(1)
        for step in range(400):
            ids, values, labels = batch(sizes, generator)
            Step(model, adam, "fp32")((ids, values.float(), labels.float()))
            if step == 350:
                checkpoint.save(tmp_path / "c.pt", model, adam, checkpoint.Progress())
                if interrupted:
                    model, adam = made()
                    checkpoint.load(tmp_path / "c.pt", model, adam, torch.device("cpu"))
        return model.state_dict()

    through, again = weights(interrupted=False), weights(interrupted=True)
    assert all(torch.equal(through[name], again[name]) for name in through)


@pytest.mark.parametrize("row_count", [1, 64, 65, 1_000])
def test_different_rows_of_a_batch(row_count: int) -> None:
    """Ascending, each once, and for each position its own; twice, as the memory is reused."""
    reader = RowReader(torch.zeros(row_count, 1))
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        row_BS = torch.randint(row_count, (30, 3), generator=generator)
        expected_U, expected_BS = torch.unique(row_BS, return_inverse=True)
        rows_U, index_BS = reader.find(row_BS)
        assert torch.equal(rows_U, expected_U) and torch.equal(index_BS.long(), expected_BS)


@pytest.mark.parametrize("name", ["lr", "fm", "ffm"])
def test_same_bytes_with_any_number_of_threads(name: str, settings: Compose) -> None:
    own, before = settings(f"model={name}", "tuned=none", "optimizer=adagrad"), get_num_threads()
    sizes, weights = (5, 400, 3_000), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            torch.manual_seed(0)
            model = registry.build(schema(*sizes, others=("x",)), own.model)
            step = Step(model, optimizers.build(model, own.optimizer), "fp32")
            generator = torch.Generator().manual_seed(1)
            for _ in range(3):
                ids, values, labels = batch(sizes, generator, 4_096, ("x",))
                step((ids, values.float(), labels.float()))
            weights.append([w.detach().clone() for w in model.parameters()])
    finally:
        torch.set_num_threads(before)
    for others in weights[1:]:
        assert all(torch.equal(a, b) for a, b in zip(weights[0], others, strict=True))


def test_gradient_of_two_reads_of_one_table() -> None:
    """The sum of both, each row once."""
    embedding = table(50, 4)
    dense = table(50, 4)
    embedding.reader = RowReader(embedding.weight)
    for layer in (embedding, dense):
        first, second = (
            layer(ids, torch.empty(len(ids), 0))
            for ids in (torch.tensor([[3], [1], [3]]), torch.tensor([[7], [3]]))
        )
        (first.square().sum() + second.sum()).backward()
    rows_U, grad_UD = sparse_gradient(embedding.weight)
    assert rows_U.tolist() == [1, 3, 7] and dense.weight.grad is not None
    torch.testing.assert_close(grad_UD, dense.weight.grad[rows_U])
