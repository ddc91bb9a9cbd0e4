"""The settings and properties of FinalMLP."""

from dataclasses import dataclass

from ctrbench.errors import UserError
from ctrbench.layers.settings import MLPSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, SecondNetworkSettings
from ctrbench.settings import nearest, option


@declare(
    "finalmlp",
    Properties(
        "FinalMLP",
        "Mao et al. 2023",
        "https://arxiv.org/abs/2304.00902",
        "two networks",
        high_order=True,
    ),
    order=2023.1,
    version=2,
)
@dataclass
class FinalMLPSettings(SecondNetworkSettings, DeepSettings):
    """Two perceptrons, each over features selected for it, and their bilinear fusion."""

    gate: list[int] | None = option(
        "widths of the two gates that select features; null: no gates", ge=1
    )
    first_context: list[str] = option(
        "fields that the first network's gate sees; []: none, and all rows share the gate"
    )
    second_context: list[str] = option(
        "fields that the second network's gate sees; []: none, and all rows share the gate"
    )
    fusion_heads: int = option("heads of the bilinear fusion of the two networks", ge=1)

    def validate(self) -> None:
        MLPSettings.validate(self)
        SecondNetworkSettings.validate(self)
        if self.gate == []:
            raise UserError("model.gate=[]: a gate has a hidden layer; null: no gates")
        for key, widths in (("hidden", self.widths), ("second_hidden", self.second_hidden)):
            if widths[-1] % self.fusion_heads:
                raise UserError(
                    f"model.fusion_heads={self.fusion_heads}: does not divide {widths[-1]}, the "
                    f"last of model.{key}; every head has its part of it"
                )

    def check_fields(self, encodings: dict[str, str]) -> None:
        for key in ("first_context", "second_context"):
            names = getattr(self, key)
            for name in names:
                said = f"model.{key}=[{','.join(names)}]"
                if name not in encodings:
                    raise UserError(f"{said}: no such field {name}; {nearest(name, encodings)}")
                if names.count(name) > 1:
                    raise UserError(f"{said}: {name} stands in it twice; name each field once")
