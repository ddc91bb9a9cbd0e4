"""One ONNX program from numbers and strings to the probability of a click.

ONNX has a map of strings to numbers (``ai.onnx.ml.LabelEncoder``) and arithmetic; lists of values,
crosses of fields and histories have no operator.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ctrbench.data.store.encode import Encoder, Quantiles, Scaled, Unscaled, Vocabulary
from ctrbench.data.store.hashing import Hashed
from ctrbench.data.store.target_encoder import TargetStatistic
from ctrbench.errors import UserError
from ctrbench.files import temporary_folder
from ctrbench.runs.encoder_json import category_texts, metadata
from ctrbench.runs.opened import OpenedRun

ML, LARGE = "ai.onnx.ml", 2.0**62


def check_fields(opened: OpenedRun) -> None:
    """Refuse a run whose rows ONNX has no operators for, with the first reason."""
    schema = opened.encoding.schema
    lists = [field.name for field in schema.fields if field.slots > 1 or field.padding >= 0]
    hashed = [own.field.name for own in opened.encoder.encoders if isinstance(own, Hashed)]
    what = ""
    if opened.reads_past_rows:
        what = "the history of a row is in earlier rows"
    elif lists:
        what = f"field {lists[0]} has several values a row"
    elif hashed:
        what = f"the values of field {hashed[0]} are hashed"
    elif schema.crosses:
        what = f"the cross {schema.crosses[0].name} is a map of several fields"
    if what:
        raise UserError(
            f"raw=true: {what}, for which ONNX has no operator; onnx=true writes a program of ids, "
            "and encoder.json"
        )


def write_raw_program(opened: OpenedRun) -> Path:
    """Write ``model.raw.onnx``: an input for each field, B strings or B doubles.

    A missing value is an empty string or NaN. The output is ``probability_B``. The program of ids
    is read from ``model.onnx``.
    """
    program = onnx.load(opened.directory.program("onnx"))
    encoding = _Encoding(opened)
    graph = encoding.graph()
    versions = {entry.domain: entry for entry in program.opset_import}
    before = helper.make_model(
        graph,
        ir_version=program.ir_version,
        opset_imports=[*versions.values(), helper.make_opsetid(ML, 3)],
    )
    program.opset_import.append(helper.make_opsetid(ML, 3))
    links = [(str(given.name), str(given.name)) for given in program.graph.input]
    merged = onnx.compose.merge_models(before, program, io_map=links)
    merged.graph.node.append(helper.make_node("Sigmoid", ["logits_B"], ["probability_B"]))
    del merged.graph.output[:]
    rows = helper.make_tensor_value_info("probability_B", TensorProto.FLOAT, ["rows"])
    merged.graph.output.append(rows)
    helper.set_model_props(merged, metadata(opened))
    path = opened.directory.program("raw.onnx")
    with temporary_folder(path) as side:
        onnx.save(merged, side / path.name)
        (side / path.name).replace(path)
    return path


class _Encoding:
    """The graph from raw inputs to ``ids_BS`` and ``values_BX``."""

    def __init__(self, opened: OpenedRun) -> None:
        self.opened = opened
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.ids: dict[str, str] = {}
        self.values: dict[str, str] = {}

    def graph(self) -> Any:
        encoder = self.opened.encoder
        for own in encoder.encoders:
            self.ids[own.field.name] = self._field(own)
        columns = [self._column(name) for name in self.ids.values()]
        joined = self._node("Concat", columns, axis=1)
        self.nodes.append(helper.make_node("Cast", [joined], ["ids_BS"], to=TensorProto.INT32))
        if self.values:
            parts = [self._column(name) for name in self.values.values()]
            joined = self._node("Concat", parts, axis=1)
        else:
            empty = self._constant(np.zeros((1, 0), np.float32))
            rows = self._node("Shape", [columns[0]], start=0, end=1)
            shape = self._node("Concat", [rows, self._constant(np.array([0]))], axis=0)
            joined = self._node("Expand", [empty, shape])
        self.nodes.append(helper.make_node("Cast", [joined], ["values_BX"], to=TensorProto.FLOAT))
        outputs = [
            helper.make_tensor_value_info("ids_BS", TensorProto.INT32, ["rows", None]),
            helper.make_tensor_value_info("values_BX", TensorProto.FLOAT, ["rows", None]),
        ]
        return helper.make_graph(self.nodes, "encode", self.inputs, outputs, self.constants)

    def _field(self, own: Encoder) -> str:
        """Add a field; return the name of its ids, int64."""
        name = own.field.name
        if isinstance(own, TargetStatistic):
            by_id = self._constant(own.by_id.astype(np.float32))
            self.values[name] = self._node("Gather", [by_id, self.ids[own.of]])
            zeros = self._node("Sub", [self.ids[own.of], self.ids[own.of]])
            return self._node("Add", [zeros, self._constant(np.array(1))])
        is_text = own.field.encoding == "vocabulary"
        kind = TensorProto.STRING if is_text else TensorProto.DOUBLE
        self.inputs.append(helper.make_tensor_value_info(name, kind, ["rows"]))
        if isinstance(own, Vocabulary):
            return self._category(name, own) if is_text else self._log_squared(name, own)
        missing = self._node("IsNaN", [name])
        if isinstance(own, Quantiles):
            return self._quantile(name, own, missing)
        assert isinstance(own, Scaled)
        self.values[name] = self._value(name, own, missing)
        present = self._node("Not", [missing])
        return self._node("Cast", [present], to=TensorProto.INT64)

    def _category(self, name: str, own: Vocabulary) -> str:
        texts = category_texts(self.opened, own.state())
        keys = ["" if text is None else text for text in texts]
        numbers = list(range(1, len(keys) + 1))
        ids = {"values_int64s": numbers, "default_int64": 0}
        return self._node("LabelEncoder", [name], domain=ML, keys_strings=keys, **ids)

    def _log_squared(self, name: str, own: Vocabulary) -> str:
        x = self._node("Max", [name, self._constant(np.array(-LARGE))])
        log = self._node("Log", [x])
        squared = self._node("Floor", [self._node("Mul", [log, log])])
        bins = self._node("Max", [squared, self._constant(np.array(1.0))])
        large = self._node("Add", [bins, self._constant(np.array(2.0))])
        is_large = self._node("Greater", [x, self._constant(np.array(2.0))])
        token = self._node("Where", [is_large, large, self._node("Floor", [x])])
        missing = self._node("IsNaN", [name])
        known = self._node("Where", [missing, self._constant(np.array(0.0)), token])
        whole = self._node("Cast", [known], to=TensorProto.INT64)
        keyed = [(key, i) for i, key in enumerate(own.state().to_list(), 1) if key is not None]
        keys, numbers = map(list, zip(*keyed, strict=True)) if keyed else ([0], [0])
        numbered = {"keys_int64s": keys, "values_int64s": numbers, "default_int64": 0}
        ids = self._node("LabelEncoder", [whole], domain=ML, **numbered)
        return self._node("Where", [missing, self._constant(np.array(own.missing_id)), ids])

    def _quantile(self, name: str, own: Quantiles, missing: str) -> str:
        edges = self._constant(own.edges.astype(np.float64))
        above = self._node("Greater", [self._column(name), edges])
        counted = self._node("Cast", [above], to=TensorProto.INT64)
        axis = self._constant(np.array([1]))
        below = self._node("ReduceSum", [counted, axis], keepdims=0)
        bins = self._node("Add", [below, self._constant(np.array(1))])
        return self._node("Where", [missing, self._constant(np.array(0)), bins])

    def _value(self, name: str, own: Scaled, missing: str) -> str:
        scaled = name
        if not isinstance(own, Unscaled):
            size = self._node("Add", [self._node("Abs", [name]), self._constant(np.array(1.0))])
            log = self._node("Mul", [self._node("Sign", [name]), self._node("Log", [size])])
            centred = self._node("Sub", [log, self._constant(np.array(own.mean))])
            scaled = self._node("Div", [centred, self._constant(np.array(own.std))])
        value = self._node("Where", [missing, self._constant(np.array(1.0)), scaled])
        return self._node("Cast", [value], to=TensorProto.FLOAT)

    def _column(self, name: str) -> str:
        return self._node("Unsqueeze", [name, self._constant(np.array([1]))])

    def _node(self, kind: str, inputs: list[str], domain: str = "", **about: Any) -> str:
        output = f"encode_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **about))
        return output

    def _constant(self, value: Any) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name
