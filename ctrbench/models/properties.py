"""What a model is, said once, where it is registered."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Properties:
    """Those that experiments choose models by, and those of the DeepFM paper's Table 1.

    Attributes:
        paper: where it was published.
        family: what it is a kind of.
        low_order: whether effects of single fields or of pairs reach the logit by themselves, past
            every hidden layer.
        high_order: whether it can express effects of three fields or more that are no sum of
            smaller ones.
        pretraining: whether it starts from the weights of another model.
        feature_engineering: whether it asks for crosses of fields, chosen by a person.
        sequential: whether it reads a history in its order, and so needs one; others see it pooled.
        compared: whether it is a row of the DeepFM paper's Table 2.
        cited: whether the DeepFM paper names it.
    """

    paper: str
    family: str
    low_order: bool = False
    high_order: bool = False
    pretraining: bool = False
    feature_engineering: bool = False
    sequential: bool = False
    compared: bool = False
    cited: bool = False
