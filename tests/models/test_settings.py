"""Knobs of a model that do not fit each other or the data: one line, before any work."""

import pytest
from support import Compose, asked

from ctrbench.errors import UserError
from ctrbench.models import registry
from ctrbench.models.settings.base import ModelSettings
from ctrbench.runs.plan import RunPlan
from ctrbench.settings import extending

ALL = [*(f"I{i}" for i in range(1, 14)), *(f"C{i}" for i in range(1, 27))]
TAKE_TWO = ["fm", "ffm", "fm_dnn", "deepfm", "fwfm", "fmfm", "afm", "nfm", "fibinet", "dlrm"]


def only(*names: str) -> str:
    return f"data.exclude=[{','.join(name for name in ALL if name not in names)}]"


@pytest.mark.parametrize("name", TAKE_TWO)
def test_one_field_for_an_interaction_of_two(name: str, settings: Compose) -> None:
    said = rf"model={name}: its interactions take 2 or more .*, and the data has 1; choose another"
    with pytest.raises(UserError, match=said):
        RunPlan(settings(f"model={name}", only("C1")))
    RunPlan(settings(f"model={name}", only("C1", "C2")))


def test_fnn_of_one_field_has_no_first_stage(settings: Compose) -> None:
    with pytest.raises(UserError, match=r"model=fnn: the FM .* the data has 1; .*pretrain=false$"):
        RunPlan(settings("model=fnn", only("C1")))
    RunPlan(settings("model=fnn", "model.pretrain=false", only("C1")))


@pytest.mark.parametrize("name", [name for name in registry.names() if name not in TAKE_TWO])
def test_one_field_is_enough_for_all_others(name: str, settings: Compose) -> None:
    if name not in ("hofm", "wide_deep", "fnn"):  # of three, declared crosses, an FM before it
        RunPlan(settings(*asked(name), only("C1")))


def test_an_order_above_the_fields(settings: Compose) -> None:
    RunPlan(settings("model=hofm", only("C1", "C2", "C3")))
    with pytest.raises(UserError, match="model=hofm: its interactions take 3 or more fields"):
        RunPlan(settings("model=hofm", only("C1", "C2")))


@pytest.mark.parametrize("encoding", ["value", "unscaled"])
def test_values_are_one_vector_of_dlrm(encoding: str, settings: Compose) -> None:
    words = ["model=dlrm", f"data.numeric={encoding}"]
    RunPlan(settings(*words, only("I1", "I2", "C1")))
    with pytest.raises(UserError, match="take 1 or more fields that are not fed as a"):
        RunPlan(settings(*words, only("I1", "I2")))
    with pytest.raises(UserError, match=r"take 2 or more vectors \(a field's"):
        RunPlan(settings(*words, only("C1")))
    RunPlan(settings(*words, "model.interaction=cat", only("C1")))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("model=finalmlp model.first_context=[user]", "first_context=[user]: no such field user"),
        ("model=finalmlp model.second_context=[C1,C1]", "C1 stands in it twice"),
        ("model=finalmlp model.fusion_heads=7", "fusion_heads=7: does not divide 400, the last"),
        ("model=finalmlp model.second_hidden=[25]", "does not divide 25, the last of model.second"),
        ("model=finalmlp model.second_hidden=[]", "second_hidden=[]: give the width of a layer"),
        ("model=finalmlp model.hidden=[]", "hidden=[]: give the width of a layer"),
        ("model=afn_plus model.second_hidden=[]", "second_hidden=[]: give the width of a layer"),
        ("model=autoint model.heads=3", "heads=3: does not divide model.attention_dim=64"),
        ("model=autoint_plus model.heads=3", "heads=3: does not divide model.attention_dim=64"),
        ("model=autoint_plus model.hidden=[]", "hidden=[]: give the width of a layer"),
        ("model=cin model.cin_maps=[]", "cin_maps=[]: give the maps of a layer"),
        ("model=xdeepfm model.cin_maps=[]", "cin_maps=[]: give the maps of a layer"),
        ("model=xdeepfm model.hidden=[]", "hidden=[]: give the width of a layer"),
        ("model=hofm model.order=1", "model.order=1: must be at least 2"),
        (
            "model=fm trainer.min_epochs=3 trainer.epochs=2",
            "min_epochs=3: more than",
        ),
        ("model=dcnv2 model.experts=2", "model.experts: changes nothing with model.rank=null"),
        ("model=crossnet_v2 model.experts=2", "model.experts: changes nothing with model.rank="),
        ("model=finalmlp model.gate=null model.first_context=[C1]", "with model.gate=null"),
        ("model=masknet model.structure=serial model.mask_units=3", "with model.structure=serial"),
        ("model=fm model.init_std=inf", "model.init_std=inf: not a finite number"),
        ("model=fm optimizer.l2_embedding=inf", "optimizer.l2_embedding=inf: not a finite number"),
        ("model=fm trainer.clip_norm=inf", "trainer.clip_norm=inf: not a finite number"),
        ("model=fm data.signal=inf", "data.signal=inf: not a finite number"),
        ("model=fm data.encodings=[I1:value,I1:value]", "I1 stands in it twice"),
        ("model=fm data.encodings=[I1:value,I1:quantile]", "I1 stands in it twice"),
        ("model=gdcn model.structure=serial", "structure=serial: not known; known here: parallel"),
    ],
)
def test_knobs_that_do_not_fit(words: str, said: str, settings: Compose) -> None:
    with pytest.raises(UserError) as caught:
        RunPlan(settings(*words.split()))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_settings_are_registered_under_the_model_name() -> None:
    classes: dict[str, type[ModelSettings]] = extending(ModelSettings)
    assert classes == registry.settings_of()
