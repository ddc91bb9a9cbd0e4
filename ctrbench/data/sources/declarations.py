"""Types of columns as ``data.types`` declares them, and vectors as ``data.encodings`` does."""

import re

from ctrbench.data.settings import TableSettings
from ctrbench.data.sources.amounts import FORMS
from ctrbench.data.sources.column_types import Type
from ctrbench.errors import UserError
from ctrbench.settings import nearest

TYPES = ("category", "number", "date", "day", "multi", "vector", "skip")
DECLARATION = re.compile(f"(.+):({'|'.join(TYPES)})(?::(.+))?")  # a name may hold a colon


def declared_types(types: list[str]) -> dict[str, Type]:
    """Return the types that ``data.types`` declares, by columns."""
    declared = {}
    for item in types:
        if (match := DECLARATION.fullmatch(item)) is None:
            hint = nearest(item.rpartition(":")[2], TYPES)
            raise UserError(f"data.types={item}: not NAME:TYPE; {hint}")
        name, type_, form = match.groups()
        if type_ == "number" and form not in (None, *FORMS):
            raise UserError(f"data.types={item}: a number is {' or '.join(FORMS)}")
        if name in declared:
            raise UserError(f"data.types={item}: {name} stands in it twice; declare it once")
        if type_ == "vector" and form is not None and not form.isdigit():
            raise UserError(f"data.types={item}: not a length; give NAME:vector:64, or none")
        if type_ == "category" and form is not None:
            raise UserError(f"data.types={item}: a category has no form; leave out :{form}")
        declared[name] = Type(type_, form)
    return declared


def declared_vectors(settings: TableSettings) -> tuple[str, ...]:
    """Return the columns that are declared as vectors, by their encoding or by their type."""
    encoded = (item.rpartition(":") for item in settings.encodings)
    declared = (DECLARATION.fullmatch(item) for item in settings.types)
    names = [name for name, _, encoding in encoded if encoding == "vector"]
    names += [match[1] for match in declared if match and match[2] == "vector"]
    return tuple(dict.fromkeys(names))
