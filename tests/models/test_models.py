"""Every model of the registry: its formula in float64, its gradients, one step, its bytes."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from support import Compose
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from ctrbench.command.compose import CONF
from ctrbench.data.schema import Field, Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.mlp import Dropout
from ctrbench.models import registry
from ctrbench.models.registry import Model
from ctrbench.models.settings import LinearSettings
from ctrbench.optim import registry as optimizers
from ctrbench.optim.touched import tables_on_cpu
from ctrbench.training.step import Step

NAMES = registry.names()
CROSSED = ("wide_deep",)
SCHEMA = Schema(
    (
        Field("a", "vocabulary", 5),
        Field("b", "value", 2),
        Field("c", "vocabulary", 7),
        Field("d", "value", 2),
        Field("e", "mean", 6, slots=3),  # id 5 fills unused slots
    ),
    (Field("a x c", "vocabulary", 4),),
)
FIELDS = len(SCHEMA.fields)
SMALL = {
    "lr": [],
    "fm": [],
    "ffm": ["model.embedding_dim=3"],
    "ccpm": ["model.embedding_dim=3", "model.maps=[2,3]", "model.filters=[3,2]"],
}
Floats = npt.NDArray[np.float64]
Weights = dict[str, Floats]
Row = tuple[list[int], list[float]]  # ids of slots and crosses, values of value fields


def make(name: str, settings: Compose, *words: str) -> Model:
    """A model with random weights everywhere."""
    torch.manual_seed(3)
    chosen = settings(f"model={name}", *SMALL.get(name, ["model.hidden=[6,5]"]), *words)
    model = registry.build(SCHEMA, chosen.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def batch(rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Slots of ``e`` are used by one, two or three values; the cross comes last."""
    rng = np.random.default_rng(5)
    single = [rng.integers(field.size, size=(rows, 1)) for field in SCHEMA.fields[:4]]
    several = rng.integers(5, size=(rows, 3))
    several[np.arange(3) >= rng.integers(1, 4, size=(rows, 1))] = 5
    ids = np.concatenate([*single, several, rng.integers(4, size=(rows, 1))], axis=1)
    values, labels = rng.normal(size=(rows, 2)), rng.integers(2, size=rows)
    return torch.tensor(ids, dtype=torch.int32), torch.tensor(values), torch.tensor(labels)


def given(rows: int, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """The batch as a model is given it: only one of crosses sees those."""
    ids, values, labels = batch(rows)
    return ids if name in CROSSED else ids[:, : SCHEMA.slots], values, labels


def vectors(table: Floats, row: Row) -> Floats:
    """x_i times the table's row of field i; for field e the mean of the rows of its values."""
    ids, values = row
    e = [table[16 + i] for i in ids[4:7] if i != 5]
    found = [
        table[ids[0]],
        values[0] * table[5 + ids[1]],
        table[7 + ids[2]],
        values[1] * table[14 + ids[3]],
        sum(e) / len(e),
    ]
    if len(table) > 22:  # the table of a wide part
        found.append(table[22 + ids[7]])
    return np.array(found)


def lr(w: Weights, row: Row, part: str = "") -> float:
    return float(w[f"{part}bias"] + sum(v[0] for v in vectors(w[f"{part}embedding.weight"], row)))


def fm(w: Weights, row: Row, part: str = "") -> float:
    v = vectors(w[f"{part}embedding.weight"], row)[:, 1:]
    pairs = sum(v[i] @ v[j] for i, j in combinations(range(FIELDS), 2))
    return lr(w, row, part) + float(pairs)


def ffm(w: Weights, row: Row) -> float:
    v = vectors(w["embedding.weight"], row)[:, 1:]

    def towards(i: int, j: int) -> Floats:
        return np.array([v[i, k * FIELDS + j] for k in range(3)])

    pairs = combinations(range(FIELDS), 2)
    return lr(w, row) + float(sum(towards(i, j) @ towards(j, i) for i, j in pairs))


def relu(a: Floats) -> Floats:
    return np.maximum(a, 0)


def mlp(w: Weights, a: Floats, part: str = "mlp.", act: Callable[[Floats], Floats] = relu) -> float:
    layers = sorted({int(key.removeprefix(part).split(".")[0]) for key in w if part in key[:9]})
    for layer in layers:
        if f"{part}{layer}.bias" in w:
            a = w[f"{part}{layer}.weight"] @ a + w[f"{part}{layer}.bias"]
            if layer != layers[-1] and f"{part}{layer + 1}.0.weight" not in w:
                a = act(a)
        else:  # a parametric activation, of one slope for all units
            a = np.where(a > 0, a, w[f"{part}{layer}.0.weight"] * a)
    return float(a[0])


def dnn(w: Weights, row: Row) -> float:
    return mlp(w, vectors(w["deep.embedding.weight"], row).ravel(), "deep.mlp.")


def deepfm(w: Weights, row: Row) -> float:
    return fm(w, row) + mlp(w, vectors(w["embedding.weight"], row)[:, 1:].ravel())


def fnn(w: Weights, row: Row) -> float:
    return mlp(w, np.array([w["bias"], *vectors(w["embedding.weight"], row).ravel()]))


def inner(f: Floats, theta: Floats) -> Floats:
    """W_p^n . p with W_p^n = theta^n theta^nT, over all i and j."""
    every = [(i, j) for i in range(FIELDS) for j in range(FIELDS)]
    return np.array([sum(t[i] * t[j] * (f[i] @ f[j]) for i, j in every) for t in theta])


def pairwise(f: Floats, weight: Floats) -> Floats:
    p = [f[i] @ f[j] for i, j in combinations(range(FIELDS), 2)]
    return weight @ np.array(p)


def outer(f: Floats, weight: Floats) -> Floats:
    pooled = f.sum(axis=0)
    return np.array([np.sum(w.reshape(10, 10) * np.outer(pooled, pooled)) for w in weight])


def pnn(w: Weights, row: Row, *products: str, act: Callable[[Floats], Floats] = relu) -> float:
    f = vectors(w["embedding.weight"], row)
    pre = w["linear.weight"] @ f.ravel() + w["linear.bias"]
    functions = {"theta": inner, "pairs": pairwise, "outer": outer}
    for i, product in enumerate(products):
        key = "theta" if product == "theta" else "weight"
        pre = pre + functions[product](f, w[f"products.{i}.{key}"])
    return mlp(w, act(pre), act=act)


def ccpm(w: Weights, row: Row) -> float:
    s = vectors(w["embedding.weight"], row).T[None]  # maps, K, n
    for layer, (width, p) in enumerate([(3, 2), (2, 3)]):  # p = (1 - (1/2)^1) 5, then 3
        weight = w[f"convolutions.{layer}.weight"]
        n = s.shape[2] + width - 1
        padded = np.pad(s, ((0, 0), (0, 0), (width - 1, width - 1)))
        r = np.zeros((weight.shape[1], 3, n))
        for k in range(3):
            for o in range(len(r)):
                for m in range(n):
                    r[o, k, m] = np.sum(padded[:, k, m : m + width] * weight[k, o])
        keep = np.sort(np.argsort(r, axis=2)[:, :, -p:], axis=2)
        s = np.tanh(np.take_along_axis(r, keep, axis=2))
    return float((w["output.weight"] @ s.ravel() + w["output.bias"])[0])


REFERENCES: dict[str, Callable[[Weights, Row], float]] = {
    "lr": lr,
    "fm": fm,
    "ffm": ffm,
    "fnn": fnn,
    "ipnn": lambda w, row: pnn(w, row, "theta", act=np.tanh),
    "opnn": lambda w, row: pnn(w, row, "outer"),
    "pnn": lambda w, row: pnn(w, row, "theta", "outer"),
    "wide_deep": lambda w, row: lr(w, row, "wide.") + dnn(w, row),
    "lr_dnn": lambda w, row: lr(w, row, "wide.") + dnn(w, row),
    "fm_dnn": lambda w, row: fm(w, row, "wide.") + dnn(w, row),
    "deepfm": deepfm,
    "ccpm": ccpm,
}
# Options of a model that change its formula.
VARIANTS: dict[str, tuple[str, list[str], Callable[[Weights, Row], float]]] = {
    "ipnn full": (
        "ipnn",
        ["model.product=full", "model.activation=relu"],
        lambda w, row: pnn(w, row, "pairs"),
    ),
    "pnn full": ("pnn", ["model.product=full"], lambda w, row: pnn(w, row, "pairs", "outer")),
    "pnn of one layer": (
        "pnn",
        ["model.hidden=[6]"],
        lambda w, row: pnn(w, row, "theta", "outer"),
    ),
    "prelu": ("deepfm", ["model.activation=prelu"], deepfm),
    "sigmoid": (
        "opnn",
        ["model.activation=sigmoid"],
        lambda w, row: pnn(w, row, "outer", act=lambda a: 1 / (1 + np.exp(-a))),
    ),
}
CASES = {name: (name, list[str](), reference) for name, reference in REFERENCES.items()} | VARIANTS


def test_every_model_has_a_config_and_a_reference() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in (Path(CONF) / "model").glob("*.yaml"))
    assert sorted(NAMES) == sorted(REFERENCES)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_logits_are_the_formula(
    case: str, dtype: torch.dtype, rtol: float, settings: Compose
) -> None:
    name, words, reference = CASES[case]
    model = make(name, settings, *words).to(dtype)
    ids, values, _ = batch(32)
    weights = {key: w.double().numpy() for key, w in model.state_dict().items()}
    rows = zip(ids.tolist(), values.to(dtype).double().tolist(), strict=True)
    expected = [reference(weights, row) for row in rows]
    ids = given(32, name)[0]
    logits = model(ids, values.to(dtype)).detach()
    np.testing.assert_allclose(logits.double(), expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("case", CASES)
def test_gradients(case: str, settings: Compose) -> None:
    name, words, _ = CASES[case]
    model = make(name, settings, *words).double()
    ids, values, _ = given(4, name)
    parameters = dict(model.named_parameters())

    def logits(*tensors: Tensor) -> Tensor:
        weights = dict(zip(parameters, tensors, strict=True))
        result: Tensor = torch.func.functional_call(model, weights, (ids, values))
        return result

    start = tuple(p.detach().clone().requires_grad_() for p in parameters.values())
    assert torch.autograd.gradcheck(logits, start)


@pytest.mark.parametrize("name", NAMES)
def test_steps_lower_the_loss(name: str, settings: Compose) -> None:
    model = make(name, settings)
    optimizer = optimizers.build(model, settings(f"model={name}").optimizer)
    ids, values, labels = given(64, name)
    batch = ids, values.float(), labels.float()
    step = Step(model, optimizer, "fp32")
    assert step(batch) > step.forward(batch)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_gives_the_bytes(name: str, settings: Compose) -> None:
    def weights() -> list[Tensor]:
        torch.manual_seed(11)
        return list(registry.build(SCHEMA, settings(f"model={name}").model).parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(), weights(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_step_reads_no_value_on_the_host(name: str, settings: Compose) -> None:
    """A whole step on tensors without values: anything that needs one, or whose shape does,
    fails. The gradients of tables are dense, as on a GPU."""
    own = settings(f"model={name}", "tuned=none")
    with FakeTensorMode():
        model = registry.build(SCHEMA, own.model).train()
        optimizer = optimizers.build(model, own.optimizer)
        for embedding in tables_on_cpu(model):
            embedding.touched = False
        ids = torch.zeros(8, given(1, name)[0].shape[1], dtype=torch.int32)
        Step(model, optimizer, "fp32")((ids, torch.zeros(8, 2), torch.zeros(8)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("name", NAMES)
def test_the_step_does_not_wait_for_the_gpu(name: str, settings: Compose) -> None:
    model = make(name, settings).train().cuda()
    step = Step(model, optimizers.build(model, settings(f"model={name}").optimizer), "fp32")
    ids, values, labels = (tensor.cuda() for tensor in given(64, name))
    for mode in ("default", "error"):  # the first step allocates the optimizer's state
        torch.cuda.set_sync_debug_mode(mode)
        try:
            step((ids, values.float(), labels.float()))
        finally:
            torch.cuda.set_sync_debug_mode("default")


DEEP = [name for name in NAMES if name not in ("lr", "fm", "ffm", "ccpm")]


@pytest.mark.parametrize("name", DEEP)
def test_every_hidden_layer_drops_its_units(name: str, settings: Compose) -> None:
    """With the probability of dropping, not of keeping."""
    words = [f"model={name}", "model.hidden=[200,200,200]", "model.dropout=0.25"]
    model = registry.build(SCHEMA, settings(*words).model).train()
    layers = [module for module in model.modules() if isinstance(module, Dropout)]
    assert len(layers) == 3
    torch.manual_seed(0)
    for layer in layers:
        assert (layer(torch.ones(200, 200)) == 0).double().mean() == pytest.approx(0.25, abs=0.01)
    seen: list[int] = []
    for layer in layers:
        layer.register_forward_hook(lambda *_: seen.append(1))
    ids, values, _ = given(4, name)
    model(ids, values.float())
    assert len(seen) == 3


@pytest.mark.parametrize("name", NAMES)
def test_initial_weights(name: str, settings: Compose) -> None:
    """Biases and first-order weights are zero, embeddings have the deviation asked for."""
    words = [] if name == "lr" else ["model.init_std=0.05"]
    model = registry.build(LARGE, settings(f"model={name}", *words).model)
    for key, bias in model.named_parameters():
        if key.endswith("bias"):
            assert not bias.any()
    has_first_order = {"lr", "fm", "ffm", "fnn", "deepfm"}
    for key, module in model.named_modules():
        if isinstance(module, Embedding):
            first = name in has_first_order or key == "wide.embedding"
            weights = module.weight.detach()
            assert not first or not weights[:, 0].any()
            others = weights[:, int(first) :]
            assert others.numel() == 0 or others.std() == pytest.approx(0.05, rel=0.05)


LARGE = Schema(tuple(Field(f"f{i}", "vocabulary", 100) for i in range(39)))
MLP_400 = 2 * (400 * 400 + 400) + (400 + 1)  # what follows the first layer
COUNTS = {  # of LARGE, K = 10: embedding, network
    "lr": (3900, 1),
    "fm": (3900 * 11, 1),
    "ffm": (3900 * (1 + 39 * 4), 1),
    "fnn": (3900 * 11, 1 + (430 * 400 + 400) + MLP_400),
    "ipnn": (3900 * 10, (390 * 400 + 400) + 15_600 + MLP_400),
    "ipnn model.product=full": (3900 * 10, (390 * 400 + 400) + 296_400 + MLP_400),
    "opnn": (3900 * 10, (390 * 400 + 400) + 40_000 + MLP_400),
    "pnn": (3900 * 10, (390 * 400 + 400) + 15_600 + 40_000 + MLP_400),
    "wide_deep": (3900 * 11, 1 + (390 * 400 + 400) + MLP_400),
    "lr_dnn": (3900 * 11, 1 + (390 * 400 + 400) + MLP_400),
    "fm_dnn": (3900 * 21, 1 + (390 * 400 + 400) + MLP_400),
    "deepfm": (3900 * 11, 1 + (390 * 400 + 400) + MLP_400),
    "deepfm model.activation=prelu": (3900 * 11, 1 + (390 * 400 + 400) + MLP_400 + 3),
    "deepfm model.batch_norm=true": (3900 * 11, 1 + (390 * 400 + 400) + MLP_400 + 3 * 800),
    # 6 and 5 fields wide, 4 maps each, for each of 10 dimensions; then 4 x 10 x 3 and a bias
    "ccpm": (3900 * 10, 10 * 4 * 6 + 10 * 4 * 4 * 5 + 4 * 10 * 3 + 1),
}


@pytest.mark.parametrize("words", COUNTS)
def test_parameter_counts(words: str, settings: Compose) -> None:
    name, *options = words.split()
    model = registry.build(LARGE, settings(f"model={name}", *options).model)
    counted = tuple(sum(p.numel() for p in part) for part in optimizers.split_parameters(model))
    assert counted == COUNTS[words]


def test_every_model_has_a_count() -> None:
    assert {words.split()[0] for words in COUNTS} == set(NAMES)


def test_a_name_used_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="twice"):
        registry.register("lr", LinearSettings, order=0)(Model)
