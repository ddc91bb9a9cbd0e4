"""Generate the reference pages of the documentation from the code, while MkDocs builds it.

A page asks for generated text with a line ``<!-- generate: NAME -->``. On GitHub, where nothing is
generated, the line is invisible and the page reads on without it.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ctrbench.command.reference import option_reference
from ctrbench.config.compose import compose, to_settings
from ctrbench.models import registry

ROOT = Path(__file__).resolve().parents[1]
MARKER = re.compile(r"<!-- generate: (\w+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers of a page (called by MkDocs for each page)."""
    return MARKER.sub(lambda match: GENERATORS[match[1]](), markdown)


def models() -> str:
    """Return one section for each model: citation, formula, options with defaults, reference."""
    return "\n\n".join(model_section(name) for name in registry.names())


def model_section(name: str) -> str:
    """Return the section of one model."""
    cls = registry.model_class(name)
    properties = registry.properties_of(name)
    citation = f"[{properties.paper}]({properties.url})"
    formula = inspect.cleandoc(cls.__doc__ or "")
    return "\n\n".join(
        [
            f"## {properties.title} {{ #{name} }}",
            f"`model={name}` · {citation} · {properties.family}",
            f"```text\n{formula}\n```",
            options_table(name),
            f"The tests compare it with a float64 reference: `{reference_file(name)}`.",
        ]
    )


def options_table(name: str) -> str:
    """Return the table of a model's options with their defaults."""
    history = "data.history={user: user, time: time, of: [C1]}"
    needs_history = registry.properties_of(name).sequential
    overrides = [f"model={name}", "tuned=none", *([history] if needs_history else [])]
    settings: Any = to_settings(compose(overrides)).model
    rows = [
        f"| `model.{field.name}` | `{text_of(getattr(settings, field.name))}` | "
        f"{field.metadata['doc'].replace('|', chr(92) + '|')} |"
        for field in dataclasses.fields(settings)
        if field.name != "name"
    ]
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *rows]) if rows else ""


def text_of(value: Any) -> str:
    """Return a value as it is written on the command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(text_of, value))}]"
    return str(value)


def reference_file(name: str) -> str:
    """Return the test file that holds the model's reference."""
    for path in sorted((ROOT / "tests" / "models" / "references").glob("*.py")):
        if f'"{name}"' in path.read_text():
            return str(path.relative_to(ROOT))
    raise ValueError(f"{name}: no reference under tests/models/references")


def all_options() -> str:
    """Return the reference of all options, as ``ctrbench train --help`` prints it."""
    return f"```text\n{option_reference()}\n```"


GENERATORS: dict[str, Callable[[], str]] = {"models": models, "options": all_options}
