"""Every model of the registry: its formula in float64, its gradients, its parameters by number."""

from pathlib import Path

import numpy as np
import pytest
import torch
from models.references import base, crossed, deep, factorised, histories
from models.small import LARGE, NAMES, batch, given, make, schema_of
from support import Compose
from torch import Tensor

from ctrbench.config.compose import CONF
from ctrbench.models import registry
from ctrbench.optim import registry as optimizers

FILES = (base, factorised, crossed, deep, histories)
REFERENCES = {name: own for file in FILES for name, own in file.REFERENCES.items()}
# Options of a model that change its formula.
VARIANTS = {name: own for file in FILES for name, own in file.VARIANTS.items()}
CASES = {name: (name, list[str](), reference) for name, reference in REFERENCES.items()} | VARIANTS


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
    "deepfm model.batch_norm=true": (3900 * 11, 1 + (390 * 400 + 400) + MLP_400 + 3 * 400),
    # 6 and 5 fields wide, 4 maps each, for each of 10 dimensions; then 4 x 10 x 3 and a bias
    "ccpm": (3900 * 10, 10 * 4 * 6 + 10 * 4 * 4 * 5 + 4 * 10 * 3 + 1),
    "dnn": (3900 * 10, DEEP_400),
    "hofm": (3900 * 21, 1),
    "hofm model.shared=true": (3900 * 11, 1),
    "nfm": (3900 * 11, 1 + (10 * 400 + 400) + MLP_400),
    "nfm model.batch_norm=true": (3900 * 11, 1 + 20 + (10 * 400 + 400) + MLP_400 + 3 * 400),
    # a bias of 400 less before each batch norm, which has 800
    "opnn model.batch_norm=true": (3900 * 10, (390 * 400 + 400) + 40_000 + MLP_400 + 3 * 400),
    # w_0 is no parameter then
    "fnn model.batch_norm=true": (3900 * 11, (429 * 400 + 400) + MLP_400 + 3 * 400),
    "masknet model.batch_norm=true": (
        3900 * 10,
        780 + 3 * (MASK_BLOCK + 390 * 64 + 128 + 128) + (192 * 400 + 400) + MLP_400 + 3 * 400,
    ),
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
    "fibinet model.shared=true": (
        3900 * 11,
        1 + 2 * 13 * 39 + 74_100 + (14_820 * 400 + 400) + MLP_400,
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
    # gates, two batch norms, a cross and a hidden layer, three times
    "edcn": (3900 * 10, 3 * (78 + 4 * 390 + 780 + 390 * 390 + 390) + 1171),
    "edcn model.temperature=null": (
        3900 * 10,
        3 * (4 * 390 + 780 + 390 * 390 + 390) + 1171,
    ),
    # the sum of both networks is normalised: no bias of a cross but the last
    "edcn model.bridge=addition": (
        3900 * 10,
        3 * (78 + 4 * 390 + 780 + 390 * 390 + 390) - 2 * 390 + 1171,
    ),
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
