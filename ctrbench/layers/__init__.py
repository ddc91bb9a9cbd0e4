"""What models share, named as in the literature."""
