"""Register a model from outside the package."""

from collections.abc import Callable
from typing import TypeVar

from ctrbench.components import Component, add_component
from ctrbench.errors import UserError
from ctrbench.models.base import CLASSES, Model
from ctrbench.models.properties import DECLARATIONS, Declaration, Properties
from ctrbench.models.settings.base import ModelSettings

M = TypeVar("M", bound=type[Model])
LAST = 1_000_000  # behind the models of the package, in tables


def register(
    name: str,
    settings: type[ModelSettings],
    *,
    title: str | None = None,
    paper: str = "",
    url: str = "",
    family: str = "own",
    order: float = LAST,
    version: int = 0,
    low_order: bool = False,
    high_order: bool = False,
    sequential: bool = False,
) -> Callable[[M], M]:
    """Register a :class:`ctrbench.Model` of your own, to be chosen by ``model=NAME``.

    Args:
        settings: its options, a dataclass that derives from :class:`ctrbench.ModelSettings`, such
            as :class:`ctrbench.DeepSettings`. An option of its own has a default.
        title: its name in tables and figures; None: ``name``.
        paper: its citation, authors and year.
        url: a link to the paper.
        family: the kind of model.
        order: its place among the rows of a table; those of the package come first.
        version: of its formula, a part of a run's identity. With 0 the code is the version: after
            an edit of the file (but for comments, docstrings and layout) the model is trained
            again. With 1 or more you say yourself when a run is another.
        low_order: whether effects of single fields or of pairs reach the logit past all hidden
            layers.
        high_order: whether it can express effects of three or more fields.
        sequential: whether it reads a history in its order, and so needs one.

    Raises:
        UserError: for a name that is taken, or settings that are not typed.
    """
    properties = Properties(
        title=title or name,
        paper=paper,
        url=url,
        family=family,
        low_order=low_order,
        high_order=high_order,
        sequential=sequential,
    )

    def enter(cls: M) -> M:
        if not (isinstance(cls, type) and issubclass(cls, Model)) or "name" in vars(cls):
            raise UserError(
                f"{getattr(cls, '__name__', cls)}: not a class that derives from ctrbench.Model, "
                "or registered already; derive one of your own"
            )
        declaration = Declaration(settings, properties, order, version, cls.__module__)
        entries = ((DECLARATIONS, name, declaration), (CLASSES, name, cls))
        component = Component("model", name, settings, cls.__module__, entries)
        add_component(component, ModelSettings)
        cls.name = name
        return cls

    return enter
