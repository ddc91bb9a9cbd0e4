"""Optimizers, and the registry that builds them."""
