"""Properties of a model, declared with its settings. Nothing here imports torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ctrbench.registry import Registry
from ctrbench.settings import settings

if TYPE_CHECKING:
    from ctrbench.models.settings.base import ModelSettings

S = TypeVar("S", bound="type[ModelSettings]")


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


@dataclass(frozen=True)
class Declaration:
    """What is known of a model without its formula.

    Attributes:
        settings: the class of its settings.
        properties: what it is, for tables and for experiments.
        order: its place among the rows of a table, which no other has: those of the DeepFM paper
            first, then by when they were published (2019.8).
        version: of its formula; it is part of a run's identity, and raised when the formula or the
            initial weights are changed.
        module: that of its formula.
    """

    settings: "type[ModelSettings]"
    properties: Properties
    order: float
    version: int
    module: str


DECLARATIONS: Registry[str, Declaration] = Registry("ctrbench.models.settings")


def declare(
    name: str,
    properties: Properties,
    *,
    order: float,
    version: int = 1,
    module: str | None = None,
) -> Callable[[S], S]:
    """Register a model by its settings class, under the name that its YAML file has; see
    :class:`Declaration`.

    Args:
        module: None: ``ctrbench.models.NAME`` for settings in ``ctrbench.models.settings.NAME``. It
            has a class that :func:`ctrbench.models.base.implements` the model.

    Raises:
        ValueError: if the name is taken.
    """

    def enter(cls: S) -> S:
        formula = module or cls.__module__.replace(".models.settings.", ".models.")
        DECLARATIONS.add(name, Declaration(cls, properties, order, version, formula))
        settings(name)(cls)
        return cls

    return enter
