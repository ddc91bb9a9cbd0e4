"""How long a training step takes, of any models in turn: beside the machine's limit, beside each
other, beside other packages."""
