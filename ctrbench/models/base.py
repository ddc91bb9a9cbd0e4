"""The base class of the models, and their classes by name."""

from collections.abc import Callable
from typing import ClassVar, TypeVar

from torch import Tensor, nn

from ctrbench.registry import Registry

M = TypeVar("M", bound="type[Model]")


class Model(nn.Module):
    """Base class of the models: built from a schema and settings, a model returns logits.

    A model knows nothing of devices, optimizers or files.

    Attributes:
        name: in the registry, as its YAML file carries it.
    """

    name: ClassVar[str]

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        """Return the logits B of a batch of feature ids and the values of value fields."""
        raise NotImplementedError

    def parts(self) -> dict[str, nn.Module]:
        """Return the parts with an optimizer of their own: none, or ``wide`` and ``deep``."""
        return {}


CLASSES: Registry[str, type[Model]] = Registry("ctrbench.models")


def implements(name: str) -> Callable[[M], M]:
    """Register the class of a model that its settings :func:`declare` under the same name.

    Raises:
        ValueError: if the model has a class.
    """

    def enter(cls: M) -> M:
        CLASSES.add(name, cls)
        cls.name = name
        return cls

    return enter
