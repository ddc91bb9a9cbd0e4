"""Properties of a model, declared where it is registered."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Properties:
    """How a model is shown and cited, what experiments select it by, and the properties of the
    DeepFM paper's Table 1.

    Attributes:
        title: its name in tables and figures.
        paper: its citation, authors and year.
        url: a link to the paper.
        family: the kind of model.
        low_order: whether effects of single fields or of pairs reach the logit past all hidden
            layers.
        high_order: whether it can express effects of three or more fields that are not sums of
            effects of fewer fields.
        pretraining: whether it starts from the weights of another model.
        feature_engineering: whether it needs crosses of fields that a person chose.
        sequential: whether it reads a history in its order, and so needs one; other models see
            it pooled.
        compared: whether it is a row of the DeepFM paper's Table 2.
        cited: whether the DeepFM paper mentions it.
    """

    title: str
    paper: str
    url: str
    family: str
    low_order: bool = False
    high_order: bool = False
    pretraining: bool = False
    feature_engineering: bool = False
    sequential: bool = False
    compared: bool = False
    cited: bool = False
