"""The code from outside the package that a run keeps, so that its directory is enough to open it.

``code/`` has the layout of a folder of ``--config-dir``. It is executed only where that is asked
for.
"""

import shutil
from pathlib import Path

from ctrbench.components import COMPONENTS, Component, component_digest
from ctrbench.config.compose import UserFolder
from ctrbench.config.settings import RunSettings
from ctrbench.errors import UserError
from ctrbench.extensions import PREFIX
from ctrbench.files import file_digest, write_atomic
from ctrbench.runs.record import AGAIN, RunDirectory
from ctrbench.source_code import package_of, source_texts

ASK = "add --trust to run it (in Python: trust=True), or --config-dir with the folder of that file"


def components_of_run(settings: RunSettings) -> list[Component]:
    """Return the components from outside the package that a run uses."""
    optimizer = settings.optimizer
    parts = [("optimizer", type(part)) for part in (optimizer, *vars(optimizer).values())]
    classes = [("data", type(settings.data)), *parts]
    found = [each for each in COMPONENTS.values() if (each.group, each.settings) in classes]
    model = COMPONENTS.get(settings.model.name)
    return found if model is None else [model, *found]


def keep_code(directory: RunDirectory, settings: RunSettings) -> list[dict[str, str]]:
    """Copy the files of a run's components into its directory.

    Returns:
        What the config says of each: its group and name, a digest of what its code does, and the
        file that it is copied to or the module of an installed package.
    """
    shutil.rmtree(directory.code, ignore_errors=True)
    records = []
    for component in components_of_run(settings):
        module = component.module
        record = {
            "group": component.group,
            "name": component.name,
            "digest": component_digest(component.name),
        }
        if module.startswith(PREFIX):
            record["file"] = _file_of(module)
            _copy(directory.code, module)
            _copy_yaml(directory.code, component)
        else:
            record["module"] = module
        records.append(record)
    return records


def _file_of(module: str) -> str:
    return module.removeprefix(f"{package_of(module)}.").replace(".", "/") + ".py"


def _copy(folder: Path, module: str) -> None:
    for name, text in source_texts(module).items():
        if name.startswith(PREFIX):
            path = folder / _file_of(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, text)


def _copy_yaml(folder: Path, component: Component) -> None:
    """Copy the YAML file of a component, by which the folder trains the same again."""
    name = Path(component.group, f"{component.name}.yaml")
    if UserFolder.folder is not None and (UserFolder.folder / name).is_file():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, (UserFolder.folder / name).read_bytes())


def code_to_run(directory: RunDirectory, *, trust: bool) -> Path | None:
    """Return the folder whose components a run is opened with; None if those that are registered
    are the run's.

    Args:
        trust: whether the code that the run keeps may be executed.

    Raises:
        UserError: if it has to be executed, and is not trusted or was changed.
    """
    for record in _records(directory):
        group, name = record["group"], record["name"]
        what = f"{directory.path}: its {group} {name}"
        if name in COMPONENTS and component_digest(name) == record["digest"]:
            continue
        if "file" not in record:
            state = "has changed" if name in COMPONENTS else "is not installed here"
            raise UserError(f"{what} is of the module {record['module']}, which {state}")
        if trust:
            _check_unchanged(directory)
            return directory.code
        path = directory.code / record["file"]
        if name in COMPONENTS:
            raise UserError(f"{what} is other code than that named {name} now, {path}; {ASK}")
        raise UserError(f"{what} is code that the run keeps, {path}; {ASK}")
    return None


def _records(directory: RunDirectory) -> list[dict[str, str]]:
    """Return what the config says of the components."""
    records = directory.settings().get("components", [])
    keys = ({"group", "name", "digest", "file"}, {"group", "name", "digest", "module"})
    if not isinstance(records, list) or any(
        not isinstance(each, dict) or set(each) not in keys for each in records
    ):
        raise UserError(f"{directory.config}: components: not as ctrbench writes them; {AGAIN}")
    return records


def _check_unchanged(directory: RunDirectory) -> None:
    """Refuse code that is not what the run was trained by."""
    digests = (directory.result() or {}).get("files", {})
    for path in sorted(directory.code.rglob("*.py")):
        name = path.relative_to(directory.path).as_posix()
        if file_digest(path) != digests.get(name):
            raise UserError(f"{path}: was changed since the run was trained; {AGAIN}")
