"""The moving average of weights against a weighted mean by hand."""

from pathlib import Path

import pytest
import torch
from support import Compose
from torch import Tensor
from trainers import ALL, Steps, trainer

from ctrbench.data.schema import Field, Schema
from ctrbench.models import registry
from ctrbench.optim.lazy_adam import LazyAdam
from ctrbench.training.ema import ExponentialMovingAverage
from ctrbench.training.step import Step

SCHEMA = Schema((Field("a", "vocabulary", 9), Field("b", "vocabulary", 300)))
DECAY = 0.9
CHANGING = {"embedding.weight", "mlp.0.weight", "mlp.1.0.running_mean", "p.weight", "q.weight"}


@pytest.mark.parametrize(
    ("large", "model_words"),
    [
        (1, ["model=deepfm", "model.batch_norm=true"]),
        (10**12, ["model=deepfm", "model.batch_norm=true"]),
        (1, ["model=fibinet", "model.shared=true"]),
    ],
)
def test_the_mean_of_the_steps_so_far(
    large: int, model_words: list[str], settings: Compose
) -> None:
    """Of weights and of batch norm's statistics; also of a table of which Adam would move the rows
    of the batch alone, behind the steps in which it moves all; also of weights that layers share.
    """
    words = [*model_words, "model.hidden=[4]", "tuned=none"]
    own = settings(*words, "optimizer.l2_embedding=0")
    torch.manual_seed(0)
    model = registry.build(SCHEMA, own.model)
    optimizer = LazyAdam(model, own.optimizer, large=large)
    average = ExponentialMovingAverage(model, optimizer, DECAY)
    step = Step(model, optimizer, "fp32", average=average)
    generator = torch.Generator().manual_seed(1)
    kept: list[dict[str, Tensor]] = []
    for _ in range(330):
        ids = torch.stack([torch.randint(n, (8,), generator=generator) for n in (9, 300)], dim=1)
        labels = torch.randint(2, (8,), generator=generator).float()
        step((ids.int(), torch.empty(8, 0), labels))
        kept.append({name: w.double().clone() for name, w in model.state_dict().items()})
    shares = DECAY ** torch.arange(329, -1, -1, dtype=torch.float64)
    before = {name: w.clone() for name, w in model.state_dict().items()}
    with average.in_place():
        for name, mean in model.state_dict().items():
            of_steps = torch.stack([weights[name] for weights in kept])
            expected = torch.tensordot(shares / shares.sum(), of_steps, dims=1)
            if name.endswith("num_batches_tracked"):
                expected = of_steps[-1]
            torch.testing.assert_close(mean.double(), expected, rtol=1e-4, atol=1e-6)
        after = model.state_dict().items()
        assert not any(torch.equal(mean, before[key]) for key, mean in after if key in CHANGING)
    assert all(torch.equal(w, before[name]) for name, w in model.state_dict().items())


def test_shared_weights_are_kept_once(tmp_path: Path, settings: Compose) -> None:
    """In memory and in a checkpoint, under both of their names."""
    own = settings("model=fibinet", "model.shared=true", "model.hidden=[4]", "tuned=none")
    trained = trainer(tmp_path / "c.pt", settings=ALL)
    trained.model = registry.build(SCHEMA, own.model)
    trained._keep_weights()
    trained._save()
    loaded = torch.load(tmp_path / "c.pt", weights_only=True)["progress"]["best_weights"]
    for kept in (trained.progress.best_weights, loaded):
        assert kept["p.weight"].data_ptr() == kept["q.weight"].data_ptr()
        assert torch.equal(kept["p.weight"], trained.model.state_dict()["p.weight"])


def test_it_is_what_is_evaluated_and_kept(tmp_path: Path) -> None:
    """The figures of the history are those of the weights that are kept, not of the last step."""
    own = trainer(tmp_path / "c.pt", settings=ALL)
    assert own.average is not None
    progress = own.fit(Steps(), lambda history: None)
    assert progress.best == len(progress.history) - 1
    for name, w in own.model.state_dict().items():
        position = list(own.model.state_dict()).index(name)
        assert torch.equal(w, own.average.means[position])
    logits = own.predict(own.valid)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, own.valid.labels_N.float())
    assert progress.history[-1]["valid_logloss"] == pytest.approx(float(loss), abs=1e-6)
