"""A run is a directory: its settings, training, opening, prediction and export."""
