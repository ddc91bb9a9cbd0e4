"""Sweeps: their jobs are checked, handed to Hydra's launcher, followed and summarised."""
