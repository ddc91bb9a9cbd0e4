"""The verbs that exchange rows, scores and models with other systems.

Heavy modules are imported where used.
"""

import dataclasses
import sys
from typing import Any, TypeVar, cast

from ctrbench.command.verb_parser import verb
from ctrbench.config.verb_settings import ExportSettings, RowsSettings
from ctrbench.errors import UserError
from ctrbench.files import expanded
from ctrbench.settings import check

Settings = TypeVar("Settings")


@verb(
    "RUN FILE",
    "ctrbench predict results/runs/criteo/deepfm/0123456789abcdef rows.txt > probabilities.txt",
    names=2,
    composes=False,
)
def predict(given: Any) -> None:
    """Print the probability of a click for each row of FILE, which is in the layout of the run's
    data set."""
    if len(given.names) != 2:
        raise UserError("predict takes a run's directory and a file: ctrbench predict RUN FILE")
    run, file = map(expanded, given.names)
    if not file.exists():
        raise UserError(f"{file}: no such file; ctrbench predict RUN FILE scores the rows of one")
    from ctrbench.runs.predict import predict

    predict(run, file, sys.stdout.buffer)


@verb(
    "RUN [onnx=true]",
    "ctrbench export results/runs/criteo/deepfm/0123456789abcdef onnx=true",
    names=1,
    settings={"": ExportSettings},
    composes=False,
)
def export(given: Any) -> None:
    """Write the model of a run as a program of its own: torch.export, and ONNX."""
    own = ExportSettings(**_values(given.words))
    check(own)
    if len(given.names) != 1:
        raise UserError("export takes a run's directory: ctrbench export RUN [onnx=true]")
    from ctrbench.runs.export import export

    for path in export(expanded(given.names[0]), onnx=own.onnx == "true"):
        print(path)


@verb(
    "[out=FOLDER] [--config-dir DIR] [KEY=VALUE ...]",
    "ctrbench rows data=criteo data.path=train.txt out=rows",
    "ctrbench rows data=planted data.rows=1000 > rows.txt",
    settings={"": RowsSettings},
)
def rows(given: Any) -> None:
    """Write the training, validation and test rows of a data set as Parquet files, to train
    another system on. Without out=, print planted rows in Criteo's raw layout."""
    from ctrbench.sweep.jobs import plan_dataset

    own, words = _own(given.words, RowsSettings)
    dataset = plan_dataset(words)
    if own.out is not None:
        from ctrbench.data.store.raw_rows import write_rows

        for path, count in write_rows(dataset, expanded(own.out)).items():
            print(f"{path}: {count:,} rows")
        return
    from ctrbench.data.sources.criteo import to_text
    from ctrbench.data.sources.planted import Planted

    if not isinstance(dataset.source, Planted):
        raise UserError(
            f"data={dataset.settings.name}: name a folder with out=FOLDER; only planted rows are "
            "printed"
        )
    for piece in dataset.source.slices():
        sys.stdout.buffer.write(to_text(piece.read()))


def _own(words: list[str], cls: type[Settings]) -> tuple[Settings, list[str]]:
    """Return the settings of a verb's own keys, and the overrides of all others."""
    names = {field.name for field in dataclasses.fields(cast(Any, cls))}
    is_own = [word.partition("=")[0] in names for word in words]
    own = cls(**_values([word for word, mine in zip(words, is_own, strict=True) if mine]))
    check(own)
    return own, [word for word, mine in zip(words, is_own, strict=True) if not mine]


def _values(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)
