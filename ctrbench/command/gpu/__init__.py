"""What a GPU does right, and how fast: ``ctrbench bench gpu``."""
