"""What is drawn of runs."""
