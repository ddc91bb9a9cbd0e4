"""The command: verbs, Hydra's composition and launching, experiments, the benchmark."""
