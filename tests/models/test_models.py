"""What every model must do, whatever its formula: learn, repeat itself, wait for no device."""

import pytest
import torch
from models.small import LARGE, NAMES, given, make, schema_of
from support import Compose
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from ctrbench.layers.embedding import Embedding
from ctrbench.layers.initial import starting_from
from ctrbench.layers.mlp import Dropout
from ctrbench.layers.settings import NetworkSettings
from ctrbench.models import registry
from ctrbench.models.properties import Properties
from ctrbench.models.registry import Model
from ctrbench.models.settings import LinearSettings
from ctrbench.optim import registry as optimizers
from ctrbench.optim.touched import tables_on_cpu
from ctrbench.training.step import Step, evaluation_rows


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
    assert evaluation_rows(model, 39) == min(65_535, 2**28 // (4 * widest))


def test_a_name_used_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="twice"):
        registry.register("lr", LinearSettings, Properties("none", "none"), order=0)(Model)


@pytest.mark.parametrize("name", NAMES)
def test_whoever_has_linear_maps_can_choose_what_they_start_from(
    name: str, settings: Compose
) -> None:
    own = settings(f"model={name}").model

    def weights(law: str) -> list[Tensor]:
        torch.manual_seed(11)
        with starting_from(law):
            return list(registry.find(own)(schema_of(name), own).parameters())

    pairs = zip(weights("glorot_uniform"), weights("glorot_normal"), strict=True)
    differ = not all(torch.equal(a, b) for a, b in pairs)
    assert differ == isinstance(own, NetworkSettings)
