"""What models declare of themselves is true, and chooses those of an experiment."""

from itertools import product

import pytest
import torch
from support import Compose, small, with_history
from torch import Tensor, nn

from ctrbench.data.schema import Field, Schema
from ctrbench.data.settings import HistorySettings
from ctrbench.errors import UserError
from ctrbench.models import registry
from ctrbench.models.base import Model
from ctrbench.models.finalmlp import BilinearFusion
from ctrbench.models.properties import DECLARATIONS
from ctrbench.models.registry import having, properties_of
from ctrbench.report.properties import compare_with_paper, table1
from ctrbench.report.published.printed import published

NAMES = registry.names()
FIELDS = tuple(Field(name, "vocabulary", 4) for name in "abcd")
CROSSES = (Field("a x b", "vocabulary", 4),)


def make(name: str, settings: Compose) -> Model:
    """A model with large random weights, in float64, so that nothing is lost in rounding."""
    torch.manual_seed(1)
    chosen = settings(*small(name)).model
    schema = Schema(FIELDS, CROSSES if chosen.crossing() else ())
    if properties_of(name).sequential:
        schema = with_history(schema, ["a", "d"], 2, labels=True)
    model = registry.build(schema, chosen)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7)
    return model.double().eval()


def logits(model: Model, ids: list[list[int]]) -> Tensor:
    """Of rows of four fields each; the crosses and the past stand still."""
    given = torch.tensor(ids, dtype=torch.int32)
    if properties_of(model.name).feature_engineering:
        given = torch.cat([given, torch.zeros(len(ids), 1, dtype=torch.int32)], dim=1)
    if properties_of(model.name).sequential:
        past = torch.tensor([[1, 2, 2, 0, 1, 2]], dtype=torch.int32)
        given = torch.cat([given, past.expand(len(ids), -1)], dim=1)
    with torch.no_grad():
        return model(given, torch.zeros(len(ids), 0, dtype=torch.float64))


@pytest.mark.parametrize("name", NAMES)
def test_high_order(name: str, settings: Compose) -> None:
    """The part of the logit that only three fields together decide: its alternating sum over the
    corners of a cube is 0 for every sum of functions of two fields."""
    corners = list(product((0, 1), repeat=3))
    signs = torch.tensor([(-1.0) ** sum(corner) for corner in corners], dtype=torch.float64)
    third = (signs * logits(make(name, settings), [[*c, 2] for c in corners])).sum().abs().item()
    assert (third > 1e-6) == properties_of(name).high_order, third


@pytest.mark.parametrize("name", NAMES)
def test_low_order(name: str, settings: Compose) -> None:
    """With the last layer of every network at 0, what is left of the logit came past it."""
    model = make(name, settings)
    for module in model.modules():
        if isinstance(module, nn.Linear) and module.out_features == 1:
            nn.init.zeros_(module.weight)
        if isinstance(module, BilinearFusion):
            for parameter in module.parameters():
                nn.init.zeros_(parameter)
    varies = logits(model, [[i, j, 0, 0] for i in range(4) for j in range(4)]).std().item() > 1e-6
    assert varies == properties_of(name).low_order


@pytest.mark.parametrize("name", NAMES)
def test_stages_and_crosses(name: str, settings: Compose) -> None:
    own, chosen = properties_of(name), settings(f"model={name}").model
    assert own.pretraining == chosen.pretraining()
    assert own.feature_engineering == (chosen.crossing() is not None)
    if own.sequential:
        with pytest.raises(UserError, match=f"model={name}: reads past rows, and the data has no"):
            chosen.check_history(HistorySettings())
    else:
        chosen.check_history(HistorySettings())


def test_every_model_has_a_place_of_its_own_in_the_year_of_its_paper() -> None:
    models = [DECLARATIONS.entries()[name] for name in NAMES]
    orders = [model.order for model in models]
    assert orders == sorted(set(orders))
    for model in models:
        assert model.order < 1_000 or model.properties.paper.endswith(f" {int(model.order)}")


def test_the_comparison_is_the_papers() -> None:
    assert set(having(["compared"])) == set(published("deepfm_table2")["model"])
    assert set(having(["compared", "model.dropout"])) == set(published("deepfm_figures")["model"])
    assert set(having(["compared"])) < set(having(["cited"])) <= set(having(["all"]))


def test_models_by_property() -> None:
    assert having(["all"]) == NAMES
    assert "ccpm" not in having(["model.hidden"]) and "wide_deep" in having(["model.hidden"])
    assert having(["pretraining"]) == ["fnn"]
    with pytest.raises(UserError, match="compard: no property of models; did you mean compared"):
        having(["compard"])
    with pytest.raises(UserError, match=r"paper: no property"):  # it is not true or false
        having(["paper"])


def test_table_1() -> None:
    shown = table1(NAMES)
    note = compare_with_paper(shown)
    assert note.startswith("The paper's Table 1 has FNN, PNN*, Wide & Deep and DeepFM, as here")
    wrong = shown.replace({"no pre-training": {"no": "yes"}})
    assert "otherwise: FNN: no pre-training, printed no" in compare_with_paper(wrong)
    assert "none of these" in compare_with_paper(table1(["lr"]))
