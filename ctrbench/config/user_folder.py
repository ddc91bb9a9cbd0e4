"""Checks of the YAML files in a folder of ``--config-dir``: they hold options of ctrbench alone.

Hydra would run code that a file names (``_target_``), install callbacks and logging handlers, and
read environment variables (``${oc.env:...}``). Files travel between people, so all three are
refused, also in files that are used without being named, such as tuned values.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ctrbench.errors import UserError

PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)
RESOLVER = re.compile(r"\$\{\s*([^\s{}:]+)\s*:")
OWN_RESOLVERS = frozenset({"download"})
NO_HYDRA = "settings of Hydra are not taken from a folder; give them on the command line"


def check_user_files(folder: Path) -> None:
    """Refuse a YAML file of a folder that holds anything but options, with its name."""
    for path in sorted(folder.rglob("*.yaml")):
        if path.relative_to(folder).parts[0] == "hydra":
            raise UserError(f"{path}: {NO_HYDRA}")
        check_own_file(path)


def check_own_file(path: Path) -> None:
    """Refuse a YAML file that names code, settings of Hydra or values from outside."""
    try:
        text = path.read_text()
        content = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not readable as YAML ({reason})") from None
    package = PACKAGE.search(text)
    if package is not None and _names_hydra(package[1]):
        raise UserError(f"{path}: @package {package[1]}: {NO_HYDRA}")
    for scalar, is_key, in_defaults in _scalars(content):
        where = f"{path}, line {scalar.start_mark.line + 1}: {scalar.value}"
        if is_key and scalar.value == "_target_":
            raise UserError(f"{where}: names code, which a YAML file may not run; remove it")
        if (is_key and scalar.value == "hydra") or (in_defaults and _names_hydra(scalar.value)):
            raise UserError(f"{where}: {NO_HYDRA}")
        for name in RESOLVER.findall(scalar.value):
            if name not in OWN_RESOLVERS:
                raise UserError(
                    f"{where}: ${{{name}:...}} takes a value from outside the file; write the "
                    "value, or give it on the command line"
                )


def _names_hydra(text: str) -> bool:
    return "hydra" in re.split(r"[/@.\s:]", text)


def _scalars(root: Node | None) -> Iterator[tuple[ScalarNode, bool, bool]]:
    """Yield each scalar of a document once, whether it is a key, and whether it stands in a list
    ``defaults``; a node that aliases repeat is visited once."""
    pending, visited = [(root, False)], set[int]()
    while pending:
        node, in_defaults = pending.pop()
        if node is None or id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, ScalarNode):
            yield node, False, in_defaults
        elif isinstance(node, SequenceNode):
            pending += [(item, in_defaults) for item in node.value]
        elif isinstance(node, MappingNode):
            for key, value in node.value:
                if isinstance(key, ScalarNode):
                    yield key, True, in_defaults
                pending.append((value, in_defaults or getattr(key, "value", "") == "defaults"))
