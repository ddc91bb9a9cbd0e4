"""What `ctrbench bench` measures a step against."""

import pytest
import torch

from ctrbench.bench.limits import Products
from ctrbench.config.verb_settings import bench_settings
from ctrbench.errors import UserError


def test_the_products_of_a_pass() -> None:
    """Two layers forward, and backward all but the gradient of the input; nothing else."""
    network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    with Products() as products:
        network(torch.randn(8, 5)).sum().backward()
    assert len(products.calls) == 5
    with Products() as again:
        products()
    assert len(again.calls) == 5


def test_keys_of_bench() -> None:
    assert bench_settings(["bench.rows=5"]).rows == 5
    with pytest.raises(UserError, match=r"bench.row: no such key; did you mean rows\?"):
        bench_settings(["bench.row=5"])
    with pytest.raises(UserError, match=r"bench.rows=0: must be at least 1"):
        bench_settings(["bench.rows=0"])
    with pytest.raises(UserError, match=r"bench.rows=many: not a whole number"):
        bench_settings(["bench.rows=many"])
