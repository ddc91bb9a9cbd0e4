"""What fields have in common: the interactions of their embeddings, a file for each kind."""
