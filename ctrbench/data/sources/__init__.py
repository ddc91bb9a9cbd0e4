"""Raw rows to columns: a source for every layout."""
