"""Files of a user's own that are no components: one line each, and nothing is half-registered."""

import sys
from pathlib import Path

import pytest
from own_folder import blocks, write_own_folder
from support import ctrbench, process

from ctrbench.components import COMPONENTS, activate, activated
from ctrbench.config.compose import compose, use_folder
from ctrbench.errors import UserError
from ctrbench.extensions import VARIABLE
from ctrbench.models.registry import names

MODEL = blocks()["my/models/gatefm.py"]
OPTION = 'temperature: float = option("divides the logits of the gate", gt=0, default=1.0)'
PLANTED = ["data=planted", "data.rows=100"]
DECORATOR = '@register("gatefm", GateFMSettings, title="GateFM", high_order=True)'
WRONG = {  # what replaces a part of the model's file, and what the line says
    "a module that is not there": ("from ctr", "import absent\nfrom ctr", "line 3: ", "absent"),
    "a name that is not there": ("MLP, Deep", "MLPP, Deep", "line 3: ", "MLPP"),
    "no Python": ("super().__init__()", "super(.__init__()", "line 16: ", "SyntaxError"),
    "an error in the file": ("@register(", "1 / 0\n\n\n@register(", "line 11: ", "ZeroDivision"),
    "nothing registered": (DECORATOR, "", "", "@ctrbench.register"),
    "the name of a built-in": ('"gatefm", G', '"deepfm", G', "line 11: ", "deepfm"),
    "no name": ('"gatefm", G', '"gate fm", G', "line 11: ", "gate fm"),
    "no class of settings": ("(DeepSettings)", "", "line 11: ", "ctrbench.ModelSettings"),
    "a value without a type": (OPTION, "temperature = 1.0", "line 11: ", "temperature"),
    "an option without a type": (OPTION, OPTION.replace(": float", ""), "", "temperature"),
    "a type that is none of YAML's": (OPTION, "temperature: bytearray = None", "", "typed"),
    "no default": (OPTION, OPTION.replace(", default=1.0", ""), "line 11: ", "temperature"),
    "no default at all": (OPTION, "temperature: float", "", "temperature"),
    "no dataclass": ("@dataclass\n", "", "line 10: ", "temperature"),
    "no model": ("GateFM(Model)", "GateFM", "line 11: ", "ctrbench.Model"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_own_folder(tmp_path, "my/models/gatefm.py").parent


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_no_model_is_one_line(case: str, folder: Path) -> None:
    old, new, line, what = WRONG[case]
    assert old in MODEL
    (folder / "my/models/gatefm.py").write_text(MODEL.replace(old, new))
    for verb in ("train", "data"):
        done = ctrbench(verb, "--config-dir", "my", *PLANTED, cwd=folder)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert "my/models/gatefm.py" in done.stderr
        assert line in done.stderr and what in done.stderr, done.stderr
    assert not COMPONENTS and not (folder / "results").exists()


def test_a_name_twice_names_both_files(folder: Path) -> None:
    (folder / "my/models/other.py").write_text(MODEL)
    done = ctrbench("train", "--config-dir", "my", *PLANTED, cwd=folder)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "other.py, line 11" in done.stderr and "models.gatefm" in done.stderr
    assert not COMPONENTS


MOMENTUM, EVENTS = "my/optimizers/momentum.py", "my/sources/events.py"
MORE = "EventsSettings)\n@register_source('more', EventsSettings)"


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        (MOMENTUM, '"momentum", M', '"adam", M', "adam"),
        (MOMENTUM, ", default=0.9", "", "momentum"),
        (MOMENTUM, "@register_optimizer", "# ", "register_optimizer"),
        (EVENTS, '"events", E', '"table", E', "table"),
        (EVENTS, '"events", E', '"avazu", E', "avazu"),
        (EVENTS, "@register_source", "# ", "register_source"),
        (EVENTS, "EventsSettings)\nclass", f"{MORE}\nclass", "EventsSettings"),
    ],
)
def test_optimizers_and_layouts_are_checked_alike(
    file: str, old: str, new: str, what: str, tmp_path: Path
) -> None:
    write_own_folder(tmp_path, file)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    done = ctrbench("train", "--config-dir", "my", *PLANTED, cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert file in done.stderr and what in done.stderr
    assert not COMPONENTS


def test_options_are_checked_as_those_of_the_package(folder: Path) -> None:
    for word, what in {
        "model.temperature=0": "must be more than 0",
        "model.temperature=warm": "not a number",
        "model.temperatur=1": "did you mean temperature",
    }.items():
        done = ctrbench(
            *("train", "--config-dir", "my", "model=gatefm", word, *PLANTED), cwd=folder
        )
        assert done.returncode == 1 and what in done.stderr and done.stderr.count("\n") == 1


def test_a_declared_default_comes_before_an_inherited_one(folder: Path) -> None:
    more = '    embedding_dim: int = option("dimension", ge=1, default=16)\n'
    text = MODEL.replace(OPTION, f"{OPTION}\n{more}")
    (folder / "my/models/gatefm.py").write_text(text)
    use_folder(str(folder / "my"))
    try:
        model = compose(["model=gatefm"]).model
        assert (model.embedding_dim, model.init_std, model.neurons) == (16, 0.01, 400)
        assert compose(["model=gatefm", "budget=small"]).model.neurons == 100
    finally:
        use_folder(None)


def test_what_a_folder_holds_is_forgotten_with_it(folder: Path) -> None:
    before = set(names())
    use_folder(str(folder / "my"))
    assert set(names()) - before == {"gatefm"}
    use_folder(None)
    assert set(names()) == before
    done = ctrbench("train", "model=gatefm", *PLANTED, cwd=folder)
    assert done.returncode == 1 and "model=gatefm: no such choice" in done.stderr


def test_another_folder_is_used_for_a_while(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    other = write_own_folder(tmp_path_factory.mktemp("other"), "my/optimizers/momentum.py")
    activate(folder / "my")
    with activated(other):
        assert list(COMPONENTS) == ["momentum"]
    assert list(COMPONENTS) == ["gatefm"]
    with activated(None):
        assert list(COMPONENTS) == ["gatefm"]
    activate(None)
    assert not COMPONENTS


def test_a_shared_file_is_imported_by_others_and_registers_nothing(folder: Path) -> None:
    text = MODEL.replace("import MLP, ", "import ").replace(
        "\n\n\n@dataclass", "\n\nfrom ._layers import MLP\n\n\n@dataclass", 1
    )
    (folder / "my/models/gatefm.py").write_text(text)
    (folder / "my/models/_layers.py").write_text("from ctrbench import MLP as MLP\n")
    words = ["model=gatefm", "model.hidden=[4]", "data.rows=300", "trainer.epochs=1", "threads=1"]
    done = ctrbench("train", "--config-dir", "my", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    (run,) = folder.glob("results/runs/planted/gatefm/[!.]*")
    kept = {path.name for path in (run / "code" / "models").iterdir()}
    assert kept == {"gatefm.py", "_layers.py"}
    (folder / "my/models/_layers.py").write_text("from ctrbench import MLP\n\nMLP = MLP\n")
    again = ctrbench("train", "--config-dir", "my", *words, cwd=folder)
    assert "already finished" not in again.stderr


def test_installed_packages_are_found_by_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(tmp_path / "site", "gate_package", MODEL, "models")
    write_package(tmp_path / "site", "broken_package", "import absent\n", "optimizers")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{':'.join(filter(None, sys.path))}")
    words = ["model=gatefm", "model.hidden=[4]", "data.rows=300", "trainer.epochs=1", "threads=1"]
    done = process("train", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("broken_package") == 1
    (run,) = tmp_path.glob("results/runs/planted/gatefm/[!.]*")
    assert not (run / "code").exists()
    assert process("export", str(run), cwd=tmp_path).returncode == 0
    absent = ctrbench("export", str(run), cwd=tmp_path)
    assert absent.returncode == 1 and "gate_package" in absent.stderr


def write_package(site: Path, name: str, text: str, kind: str) -> None:
    about = site / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (site / f"{name}.py").write_text(text)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[ctrbench.{kind}]\ngatefm = {name}\n")


def test_a_folder_without_code_registers_nothing(tmp_path: Path) -> None:
    (tmp_path / "my").mkdir()
    use_folder(str(tmp_path / "my"))
    assert not COMPONENTS
    with pytest.raises(UserError, match="no such folder"):
        use_folder(str(tmp_path / "absent"))
    use_folder(None)
