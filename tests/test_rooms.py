"""The order of rooms in the package: imports go one way, and never round."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import ctrbench

ROOT = Path(ctrbench.__file__).parent
# A room imports from itself and from those before it. A module that stands beside the rooms belongs
# to the ground, which all others stand on.
ROOMS = (
    *("ground", "data", "layers", "models", "optim", "training", "config", "runs"),
    *("sweep", "tune", "bench", "check", "report", "command", "interface"),
)
INTERFACE = ("ctrbench", "ctrbench.__main__", "ctrbench.api")
# module -> module, and why this import against the order has to be
EXCEPTIONS: dict[tuple[str, str], str] = {}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {_name(path): path for path in ROOT.rglob("*.py")}


def _room(module: str) -> str:
    if module in INTERFACE:
        return "interface"
    name = module.split(".")[1]
    return name if name in ROOMS else "ground"


def _statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield all imports but those for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from _statements(child)


def _imports(module: str) -> set[str]:
    """Return the modules of the package that a module imports, inside its functions too."""
    names: set[str] = set()
    for statement in _statements(ast.parse(MODULES[module].read_text())):
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
            continue
        assert statement.level == 0, f"{module}: relative import"
        for alias in statement.names:
            inner = f"{statement.module}.{alias.name}"
            names.add(inner if inner in MODULES else str(statement.module))
    return names & MODULES.keys()


IMPORTS = {module: _imports(module) for module in MODULES}


def test_a_room_imports_only_from_rooms_before_it() -> None:
    upward = {
        (module, name)
        for module, names in IMPORTS.items()
        for name in names
        if ROOMS.index(_room(name)) > ROOMS.index(_room(module))
    }
    assert upward == EXCEPTIONS.keys()


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_every_room_is_there() -> None:
    assert {_room(module) for module in MODULES} == set(ROOMS)
