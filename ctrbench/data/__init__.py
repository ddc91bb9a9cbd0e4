"""From raw rows to a store of integer columns, and from a store to batches."""
