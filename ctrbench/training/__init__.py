"""The one trainer of all models."""
