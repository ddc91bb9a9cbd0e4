"""Columns to a store on disk, and back."""
