"""The model of a finished run as a program that needs no ctrbench: torch.export, and ONNX."""

import importlib.util
import io
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ctrbench.errors import UserError
from ctrbench.files import temporary_folder, write_atomic
from ctrbench.runs.encoder_json import metadata, write_description
from ctrbench.runs.opened import OpenedRun


def export(run: Path, *, onnx: bool, raw: bool = False, trust: bool = False) -> list[Path]:
    """Write ``model.pt2`` into the directory of a run.

    The program takes ``ids_BS`` (int32) and ``values_BX`` (float32) of any number of rows and gives
    their logits, B, in float32 whatever the precision of the run.

    Args:
        onnx: write ``model.onnx`` too, and ``encoder.json``, by which raw rows become its inputs.
        raw: write ``model.raw.onnx``, from numbers and strings to probabilities.
        trust: whether code that the run keeps may be executed.

    Raises:
        UserError: for a run that cannot be opened, ONNX without its packages, and raw inputs that
            ONNX has no operators for.
    """
    if onnx or raw:
        _check_onnx()
    opened = OpenedRun(run, trust=trust)
    if raw:
        from ctrbench.runs.raw_program import check_fields

        check_fields(opened)
    schema = opened.encoding.schema
    ids = torch.zeros(4, schema.slots + len(schema.crosses), dtype=torch.int32)
    program = export_program(opened.model, ids, torch.ones(4, len(schema.value_slots)))
    paths = [opened.directory.program("pt2")]
    saved = io.BytesIO()  # torch ends the process where it cannot write to a file
    torch.export.save(program, saved)
    write_atomic(paths[0], saved.getvalue())
    if onnx or raw:
        paths += _save_onnx(program, opened)
        paths += write_description(opened, opened.directory.path)
    if raw:
        from ctrbench.runs.raw_program import write_raw_program

        paths.append(write_raw_program(opened))
    return paths


def export_program(model: nn.Module, ids_BS: Tensor, values_BX: Tensor) -> ExportedProgram:
    """Return a model as a program of any number of rows, traced with some: at least two."""
    rows = Dim("rows")
    shapes = {"ids_BS": {0: rows}, "values_BX": {0: rows}}
    return torch.export.export(model, (ids_BS, values_BX), dynamic_shapes=shapes)


def _check_onnx() -> None:
    for name in ("onnx", "onnxscript"):
        if importlib.util.find_spec(name) is None:
            raise UserError(f"onnx=true and raw=true need {name}: pip install 'ctrbench[onnx]'")


def _save_onnx(program: ExportedProgram, opened: OpenedRun) -> list[Path]:
    """Write it to one side, then put it in its place; large weights are a file beside it."""
    path = opened.directory.program("onnx")
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter, about itself
        converted = torch.onnx.export(
            program,
            input_names=["ids_BS", "values_BX"],
            output_names=["logits_B"],
            dynamo=True,
            verbose=False,
        )
    assert converted is not None
    converted.model.metadata_props.update(metadata(opened))
    with temporary_folder(path) as side:
        converted.save(side / path.name)
        made = sorted(side.iterdir())
        return [file.replace(path.with_name(file.name)) for file in made]
