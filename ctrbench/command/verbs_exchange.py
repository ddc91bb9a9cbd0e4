"""The verbs that exchange rows, scores and models with other systems.

Heavy modules are imported where used.
"""

import sys
from typing import Any

from ctrbench.command.verb_parser import CONFIG_DIR, TRUST, verb
from ctrbench.config.verb_settings import (
    ExportSettings,
    ImportSettings,
    PredictSettings,
    RowsSettings,
    own_settings,
)
from ctrbench.errors import UserError
from ctrbench.files import expanded


@verb(
    "RUN FILE [out=FILE] [keep=[COLUMN,...]] [--trust | --config-dir DIR]",
    "ctrbench predict results/runs/criteo/deepfm/0123456789abcdef rows.txt > probabilities.txt",
    "ctrbench predict results/runs/table/fm/0123456789abcdef new.parquet out=p.parquet keep=[user]",
    names=2,
    settings={"": PredictSettings},
    composes=False,
    flags=(TRUST, CONFIG_DIR),
)
def predict(given: Any) -> None:
    """Print the probability of a click for each row of FILE, which is in the layout of the run's
    data set: a file, a folder of files, or a pattern. With out=, write them as Parquet or CSV,
    with the columns keep= beside them, once all rows are scored."""
    own, _ = own_settings("predict", given.words)
    if len(given.names) != 2:
        raise UserError("predict takes a run's directory and a file: ctrbench predict RUN FILE")
    run, file = map(expanded, given.names)
    from ctrbench.data.sources.folders import names_several

    if not (names_several(str(file)) or file.exists()):
        raise UserError(f"{file}: no such file; ctrbench predict RUN FILE scores the rows of one")
    keep = [name.strip() for name in (own.keep or "").strip("[]").split(",") if name.strip()]
    if keep and own.out is None:
        raise UserError(f"keep={own.keep}: needs out=FILE, a file with columns")
    from ctrbench.runs.predict import predict, predict_to_file

    if own.out is None:
        predict(run, file, sys.stdout.buffer, trust=given.trust)
    else:
        predict_to_file(run, file, expanded(own.out), keep, trust=given.trust)


@verb(
    "RUN [onnx=true] [raw=true] [--trust | --config-dir DIR]",
    "ctrbench export results/runs/criteo/deepfm/0123456789abcdef onnx=true",
    names=1,
    settings={"": ExportSettings},
    composes=False,
    flags=(TRUST, CONFIG_DIR),
)
def export(given: Any) -> None:
    """Write the model of a run as a program of its own: torch.export, and ONNX."""
    own, _ = own_settings("export", given.words)
    if len(given.names) != 1:
        raise UserError("export takes a run's directory: ctrbench export RUN [onnx=true]")
    from ctrbench.runs.export import export

    run = expanded(given.names[0])
    for path in export(run, onnx=own.onnx, raw=own.raw, trust=given.trust):
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

    own, words = own_settings("rows", given.words)
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


@verb(
    "NAME valid=FILE test=FILE [seed=N] [train_s=S] [note=TEXT] [KEY=VALUE ...]",
    "ctrbench import catboost data=criteo data.path=train.txt valid=valid.csv test=test.csv",
    "ctrbench import gbdt data=planted valid=v.npy test=t.npy train_s=12 note='400 trees'",
    names=1,
    settings={"": ImportSettings},
)
def import_(given: Any) -> None:
    """Store the scores that another system gave for the validation and the test rows of a data
    set as a run, which takes part in reports as any other. A file is CSV, TSV, Parquet or .npy: one
    probability (or logit) for each row, by a column of row numbers or in the order of the rows."""
    own, words = own_settings("import", given.words)
    if len(given.names) != 1:
        raise UserError("import takes one name: ctrbench import NAME data=... valid=FILE test=FILE")
    for part in ("valid", "test"):
        if getattr(own, part) is None:
            raise UserError(f"{part}=FILE: name the file of the scores of the {part} rows")
    from ctrbench.sweep.jobs import plan_dataset

    dataset = plan_dataset(words)
    dataset.results.check()
    from ctrbench.runs.external import ExternalRun

    run = ExternalRun(given.names[0], dataset, own, words)
    print(run.store(own.valid, own.test).path)
