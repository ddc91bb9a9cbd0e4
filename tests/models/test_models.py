"""What every model must do, whatever its formula: learn, repeat itself, wait for no device."""

import pytest
import torch
from models.small import LARGE, NAMES, given, make, schema_of
from support import Compose
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from ctrbench.layers.embedding import Embedding
from ctrbench.layers.initialization import starting_from
from ctrbench.layers.mlp import Dropout
from ctrbench.layers.settings import NetworkSettings
from ctrbench.models import registry
from ctrbench.models.base import CLASSES, Model, implements
from ctrbench.models.properties import DECLARATIONS, Properties, declare
from ctrbench.models.settings.lr import LRSettings
from ctrbench.optim import registry as optimizers
from ctrbench.training import step
from ctrbench.training.step import Step, evaluation_rows, logits


@pytest.mark.parametrize("name", NAMES)
def test_steps_lower_the_loss(name: str, settings: Compose) -> None:
    model = make(name, settings)
    optimizer = optimizers.build(model, settings(f"model={name}").optimizer)
    ids, values, labels = given(64, name)
    batch = ids, values.float(), labels.float()
    own = Step(model, optimizer, "fp32")
    assert own(batch) > own.forward(batch)


@pytest.mark.parametrize("name", NAMES)
def test_bf16_is_near_fp32(name: str, settings: Compose) -> None:
    """Of 8 bits a product; what multiplies no matrices is as in fp32."""
    model = make(name, settings)
    ids, values, _ = given(64, name)
    wide, narrow = (logits(model, ids, values.float(), each) for each in ("fp32", "bf16"))
    exact = name in ("lr", "fm", "ffm", "hofm")
    difference = (wide - narrow).abs().max() / wide.abs().max()
    assert difference <= (1e-6 if exact else 0.08)
    assert exact or difference > 1e-5  # it was bf16


@pytest.mark.parametrize("name", ["fm", "ffm"])
def test_the_gradients_of_factorisation_are_exact_in_bf16(name: str, settings: Compose) -> None:
    grads = []
    ids, values, labels = given(64, name)
    for precision in ("fp32", "bf16"):
        model = make(name, settings)
        own = Step(model, torch.optim.SGD(model.parameters()), precision)
        own.backward(own.forward((ids, values.float(), labels.float())))
        grads.append([w.grad for w in model.parameters()])
    for wide, narrow in zip(*grads, strict=True):
        torch.testing.assert_close(narrow, wide, rtol=1e-5, atol=1e-6)


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
    words += ["model.pretrain=false"] if name == "fnn" else []
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


@pytest.mark.parametrize("name", ["dcn", "dcnv2", "gdcn"])
def test_the_last_layer_of_a_parallel_cross_network_is_one_linear_map(
    name: str, settings: Compose
) -> None:
    """Its crossed part and its network's part start alike, by the inputs of both."""
    words = ["model.hidden=[3000]", "model.init_network=glorot_normal", "model.embedding_dim=100"]
    own = settings(f"model={name}", *words).model
    model = registry.build(schema_of(name, LARGE), own)
    crossed, network = model.output.detach(), model.mlp[-1].weight.detach()[0]
    expected = (2 / (len(crossed) + len(network) + 1)) ** 0.5
    assert [crossed.std(), network.std()] == pytest.approx([expected] * 2, rel=0.1)


MORE = ("ipnn model.product=full", "deepfm model.hidden=[4000]", "fmfm model.field_weights=vector")


@pytest.mark.parametrize("words", [*NAMES, *MORE])
def test_the_widest_tensor_of_an_evaluation_batch_fits(
    words: str, settings: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what torch's allocator gives to such a batch, in a sixteenth of the bound."""
    monkeypatch.setattr(step, "EVALUATION_BYTES", 2**24)
    name, *options = words.split()
    schema = schema_of(name, LARGE)
    model = registry.build(schema, settings(f"model={name}", *options).model).eval()
    ids, values = torch.zeros(1, schema.slots, dtype=torch.int32), torch.empty(1, 0)
    rows = evaluation_rows(model, ids, values)
    ids, values = ids.repeat(rows, 1), values.repeat(rows, 1)
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        model(ids, values)
    widest = max(event.self_cpu_memory_usage for event in seen.events())
    assert 256 < rows and 2**23 < widest <= 2**24


def test_a_name_used_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="twice"):
        declare("lr", Properties("none", "none", "none", "none"), order=0)(LRSettings)
    with pytest.raises(ValueError, match="twice"):
        implements("lr")(Model)


def test_every_model_has_settings_and_a_class_in_the_module_of_the_same_name() -> None:
    assert DECLARATIONS.entries().keys() == CLASSES.entries().keys()
    for name, cls in CLASSES.entries().items():
        assert cls.name == name and cls.__module__ == registry.declaration_of(name).module


@pytest.mark.parametrize("name", NAMES)
def test_whoever_has_linear_maps_can_choose_what_they_start_from(
    name: str, settings: Compose
) -> None:
    own = settings(f"model={name}").model

    def weights(law: str) -> list[Tensor]:
        torch.manual_seed(11)
        with starting_from(law):
            return list(registry.model_class(name)(schema_of(name), own).parameters())

    pairs = zip(weights("glorot_uniform"), weights("glorot_normal"), strict=True)
    differ = not all(torch.equal(a, b) for a, b in pairs)
    assert differ == isinstance(own, NetworkSettings)
