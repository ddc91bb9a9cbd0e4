"""Every model of the registry: its formula in float64, its gradients, one step, its bytes."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import Compose
from torch import Tensor

from ctrbench.compose import CONF
from ctrbench.data.schema import Field, Schema
from ctrbench.models import registry
from ctrbench.models.registry import Model
from ctrbench.optim import registry as optimizers

NAMES = registry.names()
SCHEMA = Schema(
    (
        Field("a", "vocabulary", 5),
        Field("b", "value", 2),
        Field("c", "vocabulary", 7),
        Field("d", "value", 2),
    )
)
SMALL = {"deepfm": ["model.hidden=[6,5]"]}
Floats = npt.NDArray[np.float64]
Weights = dict[str, Floats]


def make(name: str, settings: Compose) -> Model:
    """A model with random weights everywhere."""
    torch.manual_seed(3)
    chosen = settings(f"model={name}", *SMALL.get(name, []))
    model = registry.build(SCHEMA, chosen.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def batch(rows: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(5)
    ids = np.stack([rng.integers(field.size, size=rows) for field in SCHEMA.fields], axis=1)
    values, labels = rng.normal(size=(rows, 2)), rng.integers(2, size=rows)
    return torch.tensor(ids, dtype=torch.int32), torch.tensor(values), torch.tensor(labels)


def lookup(w: Weights, ids: list[int], values: list[float]) -> tuple[Floats, Floats]:
    """x_i of a row, and the table row of each of its features."""
    starts = [0, 5, 7, 14]
    rows = np.stack([w["embedding.weight"][s + i] for s, i in zip(starts, ids, strict=True)])
    return np.array([1.0, values[0], 1.0, values[1]]), rows


def lr(w: Weights, ids: list[int], values: list[float]) -> float:
    x, rows = lookup(w, ids, values)
    return float(w["bias"] + sum(x[i] * rows[i, 0] for i in range(4)))


def fm(w: Weights, ids: list[int], values: list[float]) -> float:
    x, rows = lookup(w, ids, values)
    pairs = sum(rows[i, 1:] @ rows[j, 1:] * x[i] * x[j] for i, j in combinations(range(4), 2))
    return lr(w, ids, values) + float(pairs)


def deepfm(w: Weights, ids: list[int], values: list[float]) -> float:
    x, rows = lookup(w, ids, values)
    a = np.concatenate([x[i] * rows[i, 1:] for i in range(4)])
    layers = sorted({int(key.split(".")[1]) for key in w if key.startswith("mlp.")})
    for layer in layers:
        a = w[f"mlp.{layer}.weight"] @ a + w[f"mlp.{layer}.bias"]
        if layer != layers[-1]:
            a = np.maximum(a, 0)
    return fm(w, ids, values) + float(a[0])


REFERENCES: dict[str, Callable[[Weights, list[int], list[float]], float]] = {
    "lr": lr,
    "fm": fm,
    "deepfm": deepfm,
}


def test_every_model_has_a_config_and_a_reference() -> None:
    assert NAMES == sorted(path.stem for path in (Path(CONF) / "model").glob("*.yaml"))
    assert NAMES == sorted(REFERENCES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_logits_are_the_formula(
    name: str, dtype: torch.dtype, rtol: float, settings: Compose
) -> None:
    model = make(name, settings).to(dtype)
    ids, values, _ = batch(32)
    weights = {key: w.double().numpy() for key, w in model.state_dict().items()}
    rows = zip(ids.tolist(), values.to(dtype).double().tolist(), strict=True)
    expected = [REFERENCES[name](weights, *row) for row in rows]
    logits = model(ids, values.to(dtype)).detach()
    np.testing.assert_allclose(logits.double(), expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name: str, settings: Compose) -> None:
    model = make(name, settings).double()
    ids, values, _ = batch(4)
    parameters = dict(model.named_parameters())

    def logits(*tensors: Tensor) -> Tensor:
        given = dict(zip(parameters, tensors, strict=True))
        result: Tensor = torch.func.functional_call(model, given, (ids, values))
        return result

    start = tuple(p.detach().clone().requires_grad_() for p in parameters.values())
    assert torch.autograd.gradcheck(logits, start)


@pytest.mark.parametrize("name", NAMES)
def test_steps_lower_the_loss(name: str, settings: Compose) -> None:
    model = make(name, settings)
    optimizer = optimizers.build(model, settings(f"model={name}").optimizer)
    ids, values, labels = batch(64)

    def loss() -> Tensor:
        logits = model(ids, values.float())
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.float())

    before = loss()
    before.backward()
    optimizer.step()
    assert loss() < before


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_gives_the_bytes(name: str, settings: Compose) -> None:
    def weights() -> list[Tensor]:
        torch.manual_seed(11)
        return list(registry.build(SCHEMA, settings(f"model={name}").model).parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(), weights(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_step_has_no_data_dependent_shape(name: str, settings: Compose) -> None:
    """Export traces with the values unknown: anything that reads one on the host fails."""
    ids, values, _ = batch(8)
    torch.export.export(make(name, settings), (ids, values.float()))


def test_parameter_counts(settings: Compose) -> None:
    fields = tuple(Field(f"f{i}", "vocabulary", 100) for i in range(39))
    model = registry.build(Schema(fields), settings("model=deepfm").model)
    tables, network = optimizers.split_parameters(model)
    assert sum(p.numel() for p in tables) == 3900 * (1 + 10)
    hidden = (390 * 400 + 400) + 2 * (400 * 400 + 400)
    assert sum(p.numel() for p in network) == hidden + (400 + 1) + 1


def test_a_name_used_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="twice"):
        registry.register("lr")(Model)
