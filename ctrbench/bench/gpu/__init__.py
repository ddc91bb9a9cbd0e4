"""``ctrbench bench gpu``: check a GPU's results and measure its speed."""
