"""What others printed, as data, and its one reader."""
