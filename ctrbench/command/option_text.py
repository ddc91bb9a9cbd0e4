"""Options as help shows them."""

from dataclasses import Field
from typing import Any


def format_option(key: str, description: str) -> str:
    """Return an option and its description as one line of help."""
    return f"  {key:27} {description}"


def describe(field: Field[Any]) -> str:
    """Return the description of an option, with its choices where these are few."""
    description, choices = field.metadata["doc"], field.metadata.get("choices")
    return f"{description} [{'|'.join(choices)}]" if choices else str(description)
