"""Beside other packages, where they are installed; what can be said without them."""

import importlib.util
import json
from pathlib import Path

import pytest
from support import Compose, ctrbench

from ctrbench.bench.peers import peer_rows, peers_text

INSTALLED = all(importlib.util.find_spec(name) for name in ("fuxictr", "deepctr_torch"))
needs_peers = pytest.mark.skipif(not INSTALLED, reason="pip install 'ctrbench[peers]'")


@pytest.mark.skipif(INSTALLED, reason="the peers are installed")
def test_a_missing_package_is_named_with_its_extra(tmp_path: Path) -> None:
    done = ctrbench("bench", "peers", f"results={tmp_path}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "fuxictr is not installed" in done.stderr and "ctrbench[peers]" in done.stderr


ONE = {
    "model": "fm",
    "lacking": ["DeepCTR-Torch"],
    "seconds": {
        "step, ours": {"median": 0.016},
        "step, FuxiCTR": {"median": 0.04},
        "epoch, ours": {"median": 2.0},
        "epoch, FuxiCTR": {"median": 7.0},
    },
    "step_rows_per_second": {"ours": 256_000.0, "FuxiCTR": 102_400.0},
    "epoch_rows_per_second": {"ours": 100_000.0, "FuxiCTR": 28_571.4},
    "step_over_ours": {"FuxiCTR": {"median": 2.4}},
    "epoch_over_ours": {"FuxiCTR": {"median": 3.6}},
}


def test_the_text_says_what_is_not_alike() -> None:
    here = {"device": "cpu", "threads": 1, "precision": "fp32", "torch": "2"}
    figures = {"features": 9, "rows": 9, "batch_size": 9, "rounds": 2, "epochs": 2, "models": [ONE]}
    text = peers_text(figures | {"environment": here, "versions": {"fuxictr": "2.3.10"}})
    assert "FuxiCTR 2.3.10" in text and "DeepCTR-Torch has no fm" in text
    assert "by FTRL here" in text and "FuxiCTR clips gradients to norm 10" in text


def test_the_rows_of_a_model() -> None:
    """Rates are of one's own seconds, ratios those of pairs, and one's own is 1."""
    ours, theirs = peer_rows(ONE)
    assert ours["step / ours"] == ours["epoch / ours"] == "1.00"
    assert theirs["step / ours"] == "2.40" and theirs["epoch / ours"] == "3.60"
    assert theirs["step"] == "40.0 ms" and theirs["epoch rows/s"] == "28,571"


@needs_peers
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("trainer.clip_norm=10", "trainer.clip_norm: the other packages train without it here"),
        ("trainer.ema=0.9", "trainer.ema: the other packages"),
        ("model.batch_norm=true", "model.batch_norm: the other packages"),
        ("optimizer=adagrad", "is trained by Adam here; give optimizer=adam"),
    ],
)
def test_what_the_peers_would_not_follow(words: str, told: str, tmp_path: Path) -> None:
    done = ctrbench("bench", "peers", "model=deepfm", words, f"results={tmp_path}")
    assert done.returncode == 1 and not list(tmp_path.iterdir()) and told in done.stderr


@needs_peers
@pytest.mark.filterwarnings("default")
def test_a_small_comparison(tmp_path: Path) -> None:
    done = ctrbench(
        *("bench", "peers", "model=lr,deepfm", "bench.features=2000", "bench.rows=200"),
        *("bench.rounds=2", "bench.epochs=2", "trainer.batch_size=64"),
        *("threads=1", f"results={tmp_path}"),
    )
    assert done.returncode == 0, done.stderr
    assert "DeepCTR-Torch has no lr" in done.stdout and "ours does not clip" in done.stdout
    (path,) = tmp_path.rglob("peers_fp32.json")
    lr, deepfm = json.loads(path.read_text())["models"]
    assert set(lr["step_over_ours"]) == {"FuxiCTR"} and lr["lacking"] == ["DeepCTR-Torch"]
    assert set(deepfm["epoch_over_ours"]) == {"FuxiCTR", "DeepCTR-Torch"}


@needs_peers
@pytest.mark.filterwarnings("default")
def test_the_peers_have_our_sizes(settings: Compose, tmp_path: Path) -> None:
    """As many weights of tables and of layers as ours, so that the same is compared."""
    from ctrbench.bench.deepctr import DeepCTRTorch
    from ctrbench.bench.fuxictr import FuxiCTR
    from ctrbench.bench.synthetic import synthetic_part, synthetic_schema
    from ctrbench.models import registry

    schema = synthetic_schema(2_000, crossed=False)
    part = synthetic_part(schema, 8, "real-like", tmp_path)
    for name in ("lr", "fm", "deepfm"):
        run = settings(f"model={name}")
        ours = sum(p.numel() for p in registry.build(schema, run.model).parameters())
        for peer in (FuxiCTR, DeepCTRTorch):
            if name in peer.models:
                theirs = sum(p.numel() for p in peer(run, schema, part, 8).model.parameters())
                assert abs(theirs - ours) <= 1  # a bias more or less
