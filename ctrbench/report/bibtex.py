"""BibTeX entries of the models of a report, found by the links that the registry has of them."""

import re
from collections.abc import Iterable
from pathlib import Path

from ctrbench.models.properties import Properties
from ctrbench.models.registry import names, properties_of

ENTRIES = Path(__file__).parent / "published" / "models.bib"
ENTRY = re.compile(r"^@.*?^\}\n", re.MULTILINE | re.DOTALL)
URL = re.compile(r"url = \{(.*?)\}")


def bibtex_of(models: Iterable[str]) -> str:
    """Return an entry for each paper, with the models that it is of in a comment above.

    A model whose paper has no entry in ``models.bib`` has one by the registry.
    """
    entries = {
        url[1]: entry for entry in ENTRY.findall(ENTRIES.read_text()) if (url := URL.search(entry))
    }
    papers: dict[str, list[str]] = {}
    for model in dict.fromkeys(models):
        if model in names():
            properties = properties_of(model)
            entry = entries.get(properties.url) or _entry(model, properties)
            papers.setdefault(entry, []).append(properties.title)
    return "\n".join(f"% {', '.join(titles)}\n{entry}" for entry, titles in papers.items())


def _entry(model: str, properties: Properties) -> str:
    """Return an entry of authors and year, from a citation as "Guo et al. 2017"."""
    authors, _, year = properties.paper.rpartition(" ")
    authors = authors.replace(" et al.", " and others").replace(" & ", " and ")
    fields = {"author": authors, "title": properties.title, "year": year, "url": properties.url}
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@misc{{{model},\n" + ",\n".join(lines) + "\n}\n"
