"""A sweep: its jobs are checked and handed to Hydra, its folder, how far it is, what is left."""
