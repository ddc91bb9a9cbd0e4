"""Every model of the registry: its formula in float64, its gradients, one step, its bytes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from models.references import base, crossed, deep, factorised, histories
from models.references.base import SCHEMA
from support import Compose, with_history
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from ctrbench.command.compose import CONF
from ctrbench.data.schema import Field, Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.mlp import Dropout
from ctrbench.models import registry
from ctrbench.models.properties import Properties
from ctrbench.models.registry import Model
from ctrbench.models.settings import LinearSettings
from ctrbench.optim import registry as optimizers
from ctrbench.optim.touched import tables_on_cpu
from ctrbench.training.step import Step, evaluation_rows

NAMES = registry.names()
CROSSED = ("wide_deep",)
# Widths as odd and as small as the formulas allow.
HIDDEN = ["model.hidden=[6,5]"]
ATTENTION = ["model.attention_layers=2", "model.attention_dim=6", "model.heads=2"]
SMALL = {
    "lr": [],
    "fm": [],
    "ffm": ["model.embedding_dim=3"],
    "ccpm": ["model.embedding_dim=3", "model.maps=[2,3]", "model.filters=[3,2]"],
    **{name: [] for name in ("hofm", "afm", "fwfm", "fmfm", "crossnet", "crossnet_v2")},
    "cin": ["model.cin_maps=[3,2]"],
    "xdeepfm": ["model.cin_maps=[3,2]", *HIDDEN],
    "autoint": ATTENTION,
    "autoint_plus": [*ATTENTION, *HIDDEN],
    "dlrm": ["model.bottom=[4]", *HIDDEN],
    "afn": ["model.logarithmic_neurons=4", *HIDDEN],
    "afn_plus": ["model.logarithmic_neurons=4", "model.second_hidden=[4,3]", *HIDDEN],
    "masknet": ["model.mask_blocks=2", "model.mask_units=4", "model.mask_ratio=0.2", *HIDDEN],
    "edcn": ["model.embedding_dim=3", "model.cross_layers=2"],
    "rnn": ["model.state_dim=4"],
    "gru4ctr": ["model.state_dim=4", *HIDDEN],
    "din": ["model.attention_hidden=[5]", *HIDDEN],
    "finalmlp": [
        "model.hidden=[5,4]",
        "model.second_hidden=[6]",
        "model.gate=[3]",
        "model.fusion_heads=2",
    ],
}
FILES = (base, factorised, crossed, deep, histories)
REFERENCES = {name: own for file in FILES for name, own in file.REFERENCES.items()}
# Options of a model that change its formula.
VARIANTS = {name: own for file in FILES for name, own in file.VARIANTS.items()}
CASES = {name: (name, list[str](), reference) for name, reference in REFERENCES.items()} | VARIANTS


def schema_of(name: str, schema: Schema = SCHEMA) -> Schema:
    """A schema, with the past that a model asks for."""
    if not registry.properties_of(name).sequential:
        return schema
    of = [schema.fields[i].name for i in (0, 2)]
    return with_history(schema, of, histories.LENGTH, labels=True)


def make(name: str, settings: Compose, *words: str) -> Model:
    """A model with random weights everywhere."""
    torch.manual_seed(3)
    chosen = settings(f"model={name}", *SMALL.get(name, HIDDEN), *words)
    model = registry.build(schema_of(name), chosen.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    for key, buffer in model.named_buffers():
        if key.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 2)
    return model.eval()


def batch(rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Slots of ``e`` are used by one, two or three values; the cross comes behind them, and then a
    past of none to three rows of a and c, and their labels, of which some are not given."""
    rng = np.random.default_rng(5)
    single = [rng.integers(field.size, size=(rows, 1)) for field in SCHEMA.fields[:4]]
    several = rng.integers(5, size=(rows, 3))
    several[np.arange(3) >= rng.integers(1, 4, size=(rows, 1))] = 5
    ids = np.concatenate([*single, several, rng.integers(4, size=(rows, 1))], axis=1)
    values, labels = rng.normal(size=(rows, 2)), rng.integers(2, size=rows)
    past = rng.integers([[5], [7], [3]], size=(rows, 3, histories.LENGTH))
    is_used = np.arange(histories.LENGTH) < rng.integers(4, size=(rows, 1, 1))
    past = np.where(is_used, past, [[5], [7], [3]]).reshape(rows, -1)
    ids = np.concatenate([ids, past], axis=1)
    return torch.tensor(ids, dtype=torch.int32), torch.tensor(values), torch.tensor(labels)


def given(rows: int, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """The batch as a model is given it: only one of crosses sees those, and only one of a history
    the past."""
    ids, values, labels = batch(rows)
    fields, cross, past = ids.tensor_split((SCHEMA.slots, SCHEMA.slots + 1), dim=1)
    seen = [fields, *([past] if registry.properties_of(name).sequential else [])]
    return torch.cat([*seen, *([cross] if name in CROSSED else [])], dim=1), values, labels


def test_every_model_has_a_config_and_a_reference() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in (Path(CONF) / "model").glob("*.yaml"))
    assert sorted(NAMES) == sorted(REFERENCES)


@pytest.mark.parametrize("case", CASES)
def test_logits_are_the_formula(case: str, settings: Compose) -> None:
    """In fp32 and in fp64, of the same weights and values."""
    name, words, reference = CASES[case]
    model = make(name, settings, *words)
    ids, values, _ = batch(32)
    values = values.float()
    weights = {key: w.double().numpy() for key, w in model.state_dict().items()}
    rows = zip(ids.tolist(), values.double().tolist(), strict=True)
    expected = [reference(weights, row) for row in rows]
    ids = given(32, name)[0]
    for dtype, rtol in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
        logits = model.to(dtype)(ids, values.to(dtype)).detach()
        assert logits.dtype == dtype
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
    assert torch.autograd.gradcheck(logits, start, fast_mode=True)


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
        own = settings(f"model={name}").model
        return list(registry.build(schema_of(name), own).parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(), weights(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_step_reads_no_value_on_the_host(name: str, settings: Compose) -> None:
    """A whole step on tensors without values: anything that needs one, or whose shape does,
    fails. The gradients of tables are dense, as on a GPU."""
    own = settings(f"model={name}", "tuned=none")
    with FakeTensorMode():
        model = registry.build(schema_of(name), own.model).train()
        optimizer = optimizers.build(model, own.optimizer)
        for embedding in tables_on_cpu(model):
            embedding.read = None
        ids = torch.zeros(8, given(1, name)[0].shape[1], dtype=torch.int32)
        Step(model, optimizer, "fp32")((ids, torch.zeros(8, 2), torch.zeros(8)))


DROPPED = {  # hidden layers that drop their units, of models with others than three
    **dict.fromkeys(("lr", "fm", "ffm", "ccpm", "hofm", "fwfm", "fmfm"), 0),
    **dict.fromkeys(("crossnet", "crossnet_v2", "cin", "autoint", "rnn"), 0),
    "afm": 2,
    "nfm": 4,
    "afn_plus": 6,
    "masknet": 6,
    "finalmlp": 4,
}
DEEP = [name for name in NAMES if DROPPED.get(name) != 0]
DROP = {
    "afm": ["model.attention_dropout=0.25", "model.interaction_dropout=0.25"],
    "edcn": ["model.dropout=0.25"],
    "nfm": ["model.interaction_dropout=0.25"],
}


@pytest.mark.parametrize("name", DEEP)
def test_every_hidden_layer_drops_its_units(name: str, settings: Compose) -> None:
    """With the probability of dropping, not of keeping."""
    deep = ["model.hidden=[200,200,200]", "model.dropout=0.25"]
    words = [*([] if name in ("afm", "edcn") else deep), *DROP.get(name, [])]
    model = registry.build(schema_of(name), settings(f"model={name}", *words).model).train()
    layers = [module for module in model.modules() if isinstance(module, Dropout)]
    assert len(layers) == DROPPED.get(name, 3)
    torch.manual_seed(0)
    for layer in layers:
        assert (layer(torch.ones(200, 200)) == 0).double().mean() == pytest.approx(0.25, abs=0.01)
    seen: list[int] = []
    for layer in layers:
        layer.register_forward_hook(lambda *_: seen.append(1))
    ids, values, _ = given(4, name)
    model(ids, values.float())
    assert len(seen) == len(layers)


@pytest.mark.parametrize("name", NAMES)
def test_initial_weights(name: str, settings: Compose) -> None:
    """Biases and first-order weights are zero, embeddings have the deviation asked for."""
    words = [] if name == "lr" else ["model.init_std=0.05"]
    own = settings(f"model={name}", *words).model
    model = registry.build(schema_of(name, LARGE), own)
    for key, bias in model.named_parameters():
        if key.endswith("bias"):
            assert not bias.any()
    has_first_order = {"lr", "fm", "ffm", "fnn", "deepfm", "hofm", "nfm", "afm", "fmfm", "cin"}
    has_first_order |= {"xdeepfm", "fibinet"}
    for key, module in model.named_modules():
        if isinstance(module, Embedding):
            first = name in has_first_order or key == "wide.embedding"
            weights = module.weight.detach()
            assert not first or not weights[:, 0].any()
            others = weights[:, int(first) :]
            assert others.numel() == 0 or others.std() == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(
    ("name", "widest"),
    [
        ("fm", 11 * 39),
        ("afm", 741 * 16),
        ("fibinet", 741 * 10),
        ("xdeepfm", 39 * 39 * 10),
        ("autoint", 39 * 4 * 64),
        ("afn", 400 * 10),
    ],
)
def test_rows_scored_at_once_take_256_mb(name: str, widest: int, settings: Compose) -> None:
    """By what is widest of a row, embeddings or interactions."""
    model = registry.build(LARGE, settings(f"model={name}").model)
    assert evaluation_rows(model, 39) == min(65_536, 2**28 // (4 * widest))


LARGE = Schema(tuple(Field(f"f{i}", "vocabulary", 100) for i in range(39)))
MLP_400 = 2 * (400 * 400 + 400) + (400 + 1)  # what follows the first layer
DEEP_400 = (390 * 400 + 400) + MLP_400
LOGARITHMIC = (2 * 39 + 400 * 39 + 2 * 400) + (4000 * 400 + 400) + MLP_400
MIXTURE_32 = 4 * 390 + 3 * (4 * (2 * 390 * 32 + 32 * 32) + 390)
MASK_BLOCK = (390 * 780 + 780) + (780 * 390 + 390)
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
    "dnn": (3900 * 10, DEEP_400),
    "hofm": (3900 * 21, 1),
    "hofm model.shared=true": (3900 * 11, 1),
    "nfm": (3900 * 11, 1 + (10 * 400 + 400) + MLP_400),
    "nfm model.batch_norm=true": (3900 * 11, 1 + 20 + (10 * 400 + 400) + MLP_400 + 3 * 800),
    "afm": (3900 * 11, 1 + (16 * 10 + 16) + 16 + 10),
    "crossnet": (3900 * 10, 3 * 2 * 390 + 391),
    "dcn": (3900 * 10, 3 * 2 * 390 + 390 + DEEP_400),
    "fwfm": (3900 * 10, 1 + 390 + 741),
    "fwfm model.linear=lw": (3900 * 11, 1 + 741),
    "fwfm model.linear=felv": (3900 * 20, 1 + 741),
    "fmfm": (3900 * 11, 1 + 741 * 100),
    "fmfm model.field_weights=vector": (3900 * 11, 1 + 741 * 10),
    "cin": (3900 * 11, 1 + 32 * 39 * 39 + 2 * 32 * 32 * 39 + 96),
    "xdeepfm": (3900 * 11, 1 + 32 * 39 * 39 + 32 * 32 * 39 + 64 + DEEP_400),
    "fibinet": (3900 * 11, 1 + 2 * 13 * 39 + 2 * 74_100 + (14_820 * 400 + 400) + MLP_400),
    "fibinet model.bilinear=all": (
        3900 * 11,
        1 + 2 * 13 * 39 + 2 * 100 + (14_820 * 400 + 400) + MLP_400,
    ),
    "fibinet model.bilinear=each": (
        3900 * 11,
        1 + 2 * 13 * 39 + 2 * 3800 + (14_820 * 400 + 400) + MLP_400,
    ),
    "autoint": (3900 * 10, 4 * 64 * 10 + 2 * 3 * 64 * 64 + 39 * 64 + 1),
    "autoint model.wide=true": (3900 * 11, 4 * 64 * 10 + 2 * 3 * 64 * 64 + 39 * 64 + 1),
    "autoint_plus": (3900 * 10, 4 * 64 * 10 + 2 * 3 * 64 * 64 + 39 * 64 + 1 + DEEP_400),
    "dlrm": (3900 * 10, (741 * 400 + 400) + MLP_400),
    "afn": (3900 * 10, LOGARITHMIC),
    "afn_plus": (3900 * 20, LOGARITHMIC + DEEP_400 + 3),
    "crossnet_v2": (3900 * 10, 3 * (390 * 390 + 390) + 391),
    "crossnet_v2 model.rank=32": (3900 * 10, MIXTURE_32 + 391),
    "dcnv2": (3900 * 10, 3 * (390 * 390 + 390) + 390 + DEEP_400),
    "dcnv2 model.structure=stacked": (3900 * 10, 3 * (390 * 390 + 390) + DEEP_400),
    "masknet": (
        3900 * 10,
        780 + 3 * (MASK_BLOCK + 390 * 64 + 128) + (192 * 400 + 400) + MLP_400,
    ),
    # gates, two batch norms, a cross and a hidden layer of its own norm, three times
    "edcn": (3900 * 10, 3 * (78 + 4 * 390 + 780 + 390 * 390 + 390 + 780) + 1171),
    "finalmlp": (
        3900 * 10,
        2 * (10 + (10 * 800 + 800) + (800 * 390 + 390))
        + ((390 * 400 + 400) + 2 * (400 * 400 + 400) + (390 * 800 + 800))
        + (401 + 800 + 10 * 40 * 80),
    ),
    # of past rows two fields and two marks of the label: 22 numbers
    "rnn": (3900 * 10, (22 * 64 + 64) + 64 * 64 + (390 * 64 + 64) + 65),
    "gru4ctr": (
        3900 * 10,
        3 * (22 * 64 + 64 + 64 * 64) + ((390 + 64) * 400 + 400) + MLP_400,
    ),
    "din": (
        3900 * 10,
        (82 * 36 + 36) + 1 + 37 + (412 * 400 + 400) + MLP_400 + 3 * 400,
    ),
    "gdcn": (3900 * 10, 3 * (2 * 390 * 390 + 390) + 390 + DEEP_400),
}


@pytest.mark.parametrize("words", COUNTS)
def test_parameter_counts(words: str, settings: Compose) -> None:
    name, *options = words.split()
    own = settings(f"model={name}", *options).model
    model = registry.build(schema_of(name, LARGE), own)
    counted = tuple(sum(p.numel() for p in part) for part in optimizers.split_parameters(model))
    assert counted == COUNTS[words]


def test_every_model_has_a_count() -> None:
    assert {words.split()[0] for words in COUNTS} == set(NAMES)


def test_a_name_used_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="twice"):
        registry.register("lr", LinearSettings, Properties("none", "none"), order=0)(Model)
