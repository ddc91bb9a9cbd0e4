"""Measure training steps of models in turn: against the machine's limit, against each other, and
against other packages."""
