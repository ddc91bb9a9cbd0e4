"""Checks of a model: what every model must do, whatever its formula."""
