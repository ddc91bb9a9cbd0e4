"""Settings of the optimizers."""

from dataclasses import dataclass
from typing import ClassVar

from ctrbench.errors import UserError
from ctrbench.settings import option, settings


@dataclass
class OptimizerSettings:
    """Settings of every optimizer."""

    name: str = option("name of the optimizer")
    registered: ClassVar[str]

    def states(self) -> int:
        """Return the largest number of state values per weight."""
        raise NotImplementedError

    def rates(self) -> dict[str, float]:
        """Return the learning rates by their option names."""
        raise NotImplementedError

    def validate(self) -> None:
        """Refuse values that are another optimizer's: tuned values say whose they are."""
        if self.name != self.registered:
            raise UserError(
                f"optimizer={self.registered}: the tuned values of this model are {self.name}'s; "
                "leave them out with tuned=none"
            )


@dataclass
class DenseSettings(OptimizerSettings):
    """Settings that Adam and AdaGrad share."""

    lr: float = option("learning rate", gt=0)
    eps: float = option("epsilon, added to the denominator", gt=0)
    l2_embedding: float = option(
        "L2 on the embedding tables, first-order weights included: adds l2 * w to the gradient",
        ge=0,
    )
    l2_rows: str = option(
        "rows of the embedding tables with L2: all, or those of the batch's features",
        choices=("all", "batch"),
    )
    l2_network: float = option("L2 on all weights but the embedding tables, biases included", ge=0)

    def rates(self) -> dict[str, float]:
        return {"optimizer.lr": self.lr}


@settings("adam")
@dataclass
class AdamSettings(DenseSettings):
    """Adam (Kingma & Ba 2015), dense: rows outside the batch move on too, as in the papers."""

    betas: list[float] = option("decay rates of the two moments", ge=0, lt=1)

    def states(self) -> int:
        return 2

    def validate(self) -> None:
        """Refuse another number of decays than two."""
        super().validate()
        if len(self.betas) != 2:
            raise UserError(f"optimizer.betas={self.betas}: give two, one for each moment")


@settings("adagrad")
@dataclass
class AdagradSettings(DenseSettings):
    """AdaGrad (Duchi et al. 2011), on the gradient of the batch's mean loss, its sums from zero.

    The solver of the FFM paper takes a step per row and starts its sums at 1.
    """

    def states(self) -> int:
        return 1


@settings("ftrl")
@dataclass
class FTRLSettings(OptimizerSettings):
    """FTRL-Proximal (McMahan et al. 2013), on the gradient of the batch's mean loss.

    A mean over B rows is B times smaller than the per-row gradient of the paper: the paper's beta,
    l1 and l2 divided by B give the same steps as a sum over the batch.
    """

    lr: float = option("learning rate", gt=0)
    beta: float = option("beta of the learning rate alpha / (beta + sqrt(n))", gt=0)
    l1: float = option("L1; a weight with |z| up to it is exactly zero", ge=0)
    l2: float = option("L2 on all weights", ge=0)

    def rates(self) -> dict[str, float]:
        return {"optimizer.lr": self.lr}

    def states(self) -> int:
        return 2


@settings("joint")
@dataclass
class JointSettings(OptimizerSettings):
    """Two optimizers stepped together on one loss (Wide & Deep, section 3.3)."""

    wide: OptimizerSettings = option("optimizer.KEY of the wide part")
    deep: OptimizerSettings = option("optimizer.KEY of the deep part")

    def rates(self) -> dict[str, float]:
        return {
            f"optimizer.{part}.lr": rate
            for part, own in (("wide", self.wide), ("deep", self.deep))
            for rate in own.rates().values()
        }

    def states(self) -> int:
        return max(self.wide.states(), self.deep.states())
