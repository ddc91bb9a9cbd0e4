"""What differs by more than chance, and what that says of the paper."""
