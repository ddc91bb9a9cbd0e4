"""L2 and clipping against an explicit loss and torch's own clipping of dense float64 gradients."""

from typing import Any

import pytest
import torch
from support import Compose
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.data.schema import Field, Schema
from ctrbench.models import registry
from ctrbench.optim import registry as optimizers
from ctrbench.training.step import Step

SIZES = (11, 30, 200)
SCHEMA = Schema(tuple(Field(name, "vocabulary", n) for name, n in zip("abc", SIZES, strict=True)))
TABLES, OTHERS = 0.02, 0.03
L2 = [f"optimizer.l2_embedding={TABLES}", f"optimizer.l2_network={OTHERS}"]
WORDS = {
    "adam": ["optimizer=adam", "tuned=none", *L2],
    "adagrad": ["optimizer=adagrad", "tuned=none", "optimizer.lr=.01", *L2],
    "touched": ["optimizer=adagrad", "tuned=none", "optimizer.lr=.01"],
    "joint": ["model=fm_dnn", "optimizer=joint", "tuned=none", "optimizer.deep.l2_network=.03"],
}
NETWORK = ["model.hidden=[5]", "model.dropout=0", "model.batch_norm=true"]


def batch(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    ids = torch.stack([torch.randint(n, (12,), generator=generator) for n in SIZES], dim=1)
    labels = torch.randint(2, (12,), generator=generator).double()
    return ids.int(), torch.empty(12, 0, dtype=torch.float64), labels


def models(settings: Compose, words: list[str]) -> tuple[Any, nn.Module, nn.Module]:
    """Settings, and two models alike; every weight is away from zero."""
    own = settings("model=deepfm", *words, *NETWORK)
    torch.manual_seed(0)
    ours = registry.build(SCHEMA, own.model).double()
    for w in ours.parameters():
        nn.init.normal_(w, std=0.3)
    theirs = registry.build(SCHEMA, own.model).double()
    theirs.load_state_dict(ours.state_dict())
    return own, ours, theirs


def their_optimizers(own: Any, theirs: nn.Module) -> list[torch.optim.Optimizer]:
    """Torch's, without L2; of a part that FTRL moves, ours, whose gradients are dense."""
    optimizer = own.optimizer
    if optimizer.name == "joint":
        joint: Any = optimizers.build(theirs, optimizer)
        deep = [p for group in joint.parts["deep"].param_groups for p in group["params"]]
        adagrad = torch.optim.Adagrad(deep, optimizer.deep.lr, eps=1e-10)
        return [joint.parts["wide"], adagrad]
    kind = torch.optim.Adam if optimizer.name == "adam" else torch.optim.Adagrad
    return [kind(theirs.parameters(), optimizer.lr, eps=optimizer.eps)]


def penalty(model: nn.Module, own: Any) -> Tensor:
    """Half a coefficient times the squared norm, of whole tables and of all else."""
    tables, network = optimizers.split_parameters(model)
    if own.optimizer.name == "joint":
        deep = model.parts()["deep"]  # type: ignore[operator]
        tables, network = [], optimizers.split_parameters(deep)[1]
        coefficients = 0.0, own.optimizer.deep.l2_network
    else:
        coefficients = own.optimizer.l2_embedding, own.optimizer.l2_network
    terms = [
        l2 / 2 * w.square().sum()
        for l2, weights in zip(coefficients, (tables, network), strict=True)
        for w in weights
    ]
    return torch.stack(terms).sum()


@pytest.mark.parametrize("most", [None, 0.05, 1e6])
@pytest.mark.parametrize("name", WORDS)
def test_as_terms_of_the_loss(name: str, most: float | None, settings: Compose) -> None:
    """With and without clipping, over steps; first-order weights, biases, batch norm included."""
    own, ours, theirs = models(settings, WORDS[name])
    start = {key: w.detach().clone() for key, w in ours.named_parameters()}
    step = Step(ours, optimizers.build(ours, own.optimizer), "fp32", clip_norm=most)
    moving = their_optimizers(own, theirs)
    for module in theirs.modules():
        if hasattr(module, "reader"):
            module.reader = None  # dense gradients
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    norms = []
    for _ in range(6):
        step(batch(generators[0]))
        ids, values, labels = batch(generators[1])
        theirs.zero_grad()
        loss = F.binary_cross_entropy_with_logits(theirs(ids, values), labels)
        (loss + penalty(theirs, own)).backward()
        if most is not None:
            norms.append(float(nn.utils.clip_grad_norm_(theirs.parameters(), most)))
        for optimizer in moving:
            optimizer.step()
    assert most is None or max(norms) > most or most > 1
    for key, w in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(key), w, rtol=1e-5, atol=1e-8)
        assert not torch.equal(w, start[key])


def test_l2_of_the_rows_of_a_batch_is_clipped_too(settings: Compose) -> None:
    """The norm is that of their gradients with L2; the other rows have none."""
    words = ["optimizer=adagrad", "tuned=none", *L2, "optimizer.l2_rows=batch"]
    own, ours, theirs = models(settings, words)
    optimizer = optimizers.build(ours, own.optimizer)
    step = Step(ours, optimizer, "fp32", clip_norm=0.05)
    ids, values, labels = batch(torch.Generator().manual_seed(1))
    loss = F.binary_cross_entropy_with_logits(theirs(ids, values), labels)
    tables, network = optimizers.split_parameters(theirs)
    rows = (ids + torch.tensor([0, 11, 41])).unique()
    loss = loss + TABLES / 2 * tables[0][rows].square().sum()
    (loss + sum(OTHERS / 2 * w.square().sum() for w in network)).backward()
    nn.utils.clip_grad_norm_(theirs.parameters(), 0.05)
    torch.optim.Adagrad(theirs.parameters(), own.optimizer.lr, eps=own.optimizer.eps).step()
    step((ids, values, labels))
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-8)
