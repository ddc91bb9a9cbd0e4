"""Wide & Deep (Cheng et al. 2016) and the two forms that the DeepFM paper compares."""

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.models.base import Model, implements
from ctrbench.models.dnn import DNN
from ctrbench.models.fm import FM
from ctrbench.models.lr import LR
from ctrbench.models.settings.base import DeepSettings
from ctrbench.models.settings.wide_deep import FMDNNSettings, WideDeepSettings


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


@implements("wide_deep")
class WideDeep(_WideDeep):
    """y = w_wide . [x, phi(x)] + w_deep . a + b (Wide & Deep, eq. 3), trained jointly.

    b is the sum of the two parts' biases: each is trained by its part's optimizer.

    phi_k(x), a product of the features of the fields that cross k names, is made by the data layer:
    the columns of ids after those of the fields.
    """

    def __init__(self, schema: Schema, settings: WideDeepSettings) -> None:
        super().__init__(schema, settings, LR(schema.crossed))


@implements("lr_dnn")
class LRDNN(_WideDeep):
    """y = w_0 + w . x + DNN(E) (DeepFM, section 4.1): no crosses."""

    def __init__(self, schema: Schema, settings: DeepSettings) -> None:
        super().__init__(schema, settings, LR(schema))


@implements("fm_dnn")
class FMDNN(_WideDeep):
    """y = FM(w, V) + DNN(E) (DeepFM, section 4.1): E is not V."""

    def __init__(self, schema: Schema, settings: FMDNNSettings) -> None:
        super().__init__(schema, settings, FM(schema, settings))
