"""Wide & Deep (Cheng et al. 2016) and the two forms that the DeepFM paper compares."""

from dataclasses import replace

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.models.dnn import DNN
from ctrbench.models.fm import FM
from ctrbench.models.lr import LR
from ctrbench.models.properties import Properties
from ctrbench.models.registry import Model, register
from ctrbench.models.settings.base import DeepPairSettings, DeepSettings, WideDeepSettings

TWO_FORMS = Properties(
    *("LR & DNN", "Guo et al. 2017", "https://arxiv.org/abs/1703.04247", "wide & deep"),
    low_order=True,
    high_order=True,
    compared=True,
    cited=True,
)


class _WideDeep(Model):
    """A wide and a deep part, their logits added: y = y_wide + DNN(E)."""

    def __init__(self, schema: Schema, settings: DeepSettings, wide: Model) -> None:
        super().__init__()
        self.slots = schema.slots
        self.wide = wide
        self.deep = DNN(schema, settings)

    def parts(self) -> dict[str, nn.Module]:
        return {"wide": self.wide, "deep": self.deep}

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        deep_B = self.deep(ids_BS[:, : self.slots], values_BX)
        logits_B: Tensor = self.wide(ids_BS, values_BX) + deep_B
        return logits_B


@register(
    "wide_deep",
    WideDeepSettings,
    Properties(
        "Wide & Deep",
        "Cheng et al. 2016",
        "https://arxiv.org/abs/1606.07792",
        "wide & deep",
        low_order=True,
        high_order=True,
        feature_engineering=True,
        cited=True,
    ),
    order=90,
)
class WideDeep(_WideDeep):
    """y = w_wide . [x, phi(x)] + w_deep . a + b (Wide & Deep, eq. 3), trained jointly.

    b is the sum of the two parts' biases: each is trained by its part's optimizer.

    phi_k(x), a product of the features of the fields that cross k names, is made by the data layer:
    the columns of ids after those of the fields.
    """

    def __init__(self, schema: Schema, settings: WideDeepSettings) -> None:
        super().__init__(schema, settings, LR(schema.crossed))


@register("lr_dnn", DeepSettings, TWO_FORMS, order=100)
class LRDNN(_WideDeep):
    """y = w_0 + w . x + DNN(E) (DeepFM, section 4.1): no crosses."""

    def __init__(self, schema: Schema, settings: DeepSettings) -> None:
        super().__init__(schema, settings, LR(schema))


@register("fm_dnn", DeepPairSettings, replace(TWO_FORMS, title="FM & DNN"), order=110)
class FMDNN(_WideDeep):
    """y = FM(w, V) + DNN(E) (DeepFM, section 4.1): E is not V."""

    def __init__(self, schema: Schema, settings: DeepPairSettings) -> None:
        super().__init__(schema, settings, FM(schema, settings))
