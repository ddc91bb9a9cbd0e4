"""Overrides as text: what a message prints can be pasted into a shell and is read by Hydra."""

import re
import shlex
from collections.abc import Sequence

# What Hydra reads as text without quotation marks, and a shell as one word.
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/+-]*")
WORDS = re.compile(r"(?i)(null|true|false|nan|inf)")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
SHELL_WORD = re.compile(r"[A-Za-z0-9_.:/+=@,\[\]-]*")


def quote_text(value: str) -> str:
    """Return any text between quotation marks, as Hydra's grammar reads it."""
    escaped = re.sub(
        r'(\\*)("|$)', lambda match: match[1] * 2 + match[2].replace('"', '\\"'), value
    )
    return f'"{escaped}"'


def quote_if_needed(value: str) -> str:
    """Return text as Hydra reads it, between quotation marks only where it needs them."""
    is_plain = PLAIN.fullmatch(value) is not None and WORDS.fullmatch(value) is None
    return value if is_plain else quote_text(value.replace("${", r"\${"))


def list_override(key: str, items: Sequence[str]) -> str:
    """Return ``KEY=[ITEM,...]`` as one word of a shell."""
    return shell_word(f"{key}=[{','.join(map(quote_if_needed, items))}]")


def shell_word(override: str) -> str:
    """Return an override as one word of a shell, between quotation marks where it needs them."""
    return override if SHELL_WORD.fullmatch(override) else shlex.quote(override)


def quote_items(value: str) -> str:
    """Return a list or map with quotation marks round those of its parts that need them."""
    parts = r"[^\[\]{},:\s][^\[\]{},:]*" if value.startswith("{") else r"[^\[\],\s][^\[\],]*"

    def quote(match: re.Match[str]) -> str:
        text = match[0].rstrip()
        is_quoted = text[:1] in ("'", '"') and text[-1] == text[0]
        return text if is_quoted or NUMBER.fullmatch(text) else quote_if_needed(text)

    return re.sub(parts, quote, value)
