"""ctrbench: a benchmark of click-through-rate models, by the formulae of their papers."""

__version__ = "0.2.0"
