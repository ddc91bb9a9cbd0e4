"""Every value that a published recipe prints is a value of ours."""

import ast
import json
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrbench.config.compose import CONF
from ctrbench.report.published.printed import published

Values = dict[str, Any]
# Our option for each printed key that has one; the same name where there is none.
OPTIONS = {
    "learning_rate": "lr",
    "regularizer": "l2_embedding l2_network",
    "embedding_regularizer": "l2_embedding",
    "net_regularizer": "l2_network",
    **dict.fromkeys(
        "hidden_units afn_hidden_units mlp1_hidden_units top_mlp_units".split(), "hidden"
    ),
    "parallel_dnn_hidden_units": "hidden",
    "stacked_dnn_hidden_units": "hidden",
    **dict.fromkeys("net_dropout afn_dropout mlp1_dropout top_mlp_dropout".split(), "dropout"),
    "dnn_dropout": "second_dropout",
    **dict.fromkeys("mlp1_batch_norm mlp2_batch_norm".split(), "batch_norm"),
    "mlp2_hidden_units": "second_hidden",
    "bottom_mlp_units": "bottom",
    "bottom_mlp_dropout": "bottom_dropout",
    "attention_dropout": "attention_dropout interaction_dropout",
    "use_residual": "residual",
    "use_scale": "scale",
    "use_wide": "wide",
    "cin_layer_units": "cin_maps",
    "crossing_layers": "cross_layers",
    "num_cross_layers": "cross_layers",
    "low_rank": "rank",
    "num_experts": "experts",
    "reuse_embedding": "shared",
    "linear_type": "linear",
    "parallel_num_blocks": "mask_blocks",
    "parallel_block_dim": "mask_units",
    "emb_layernorm": "embedding_norm",
    "net_layernorm": "layer_norm",
    "fs_hidden_units": "gate",
    "fs1_context": "first_context",
    "fs2_context": "second_context",
    "interaction_op": "interaction",
    "channels": "maps",
    "kernel_heights": "filters",
}
# Printed keys that hold only by the value of another.
ONLY: dict[str, Callable[[Values], bool]] = {
    **dict.fromkeys(["low_rank", "num_experts"], lambda theirs: theirs["use_low_rank_mixture"]),
    **dict.fromkeys(
        ["fs_hidden_units", "fs1_context", "fs2_context"], lambda theirs: theirs["use_fs"]
    ),
    **dict.fromkeys(
        ["parallel_num_blocks", "parallel_block_dim"],
        lambda theirs: theirs["model_type"].startswith("Parallel"),
    ),
    **dict.fromkeys(
        ["dnn_hidden_units", "dnn_dropout"], lambda theirs: theirs.get("ensemble_dnn", True)
    ),
    "temperature": lambda theirs: theirs["use_regulation_module"],
    "parallel_dnn_hidden_units": lambda theirs: "parallel" in theirs["model_structure"],
    "stacked_dnn_hidden_units": lambda theirs: theirs["model_structure"] == "stacked",
}
# What they print by another name of a value, or of several options together.
NAMES = {"vector": "vectorized", "matrix": "matrixed", "hadamard": "hadamard_product"}
WAYS: dict[str, Callable[[Values], object]] = {
    "use_low_rank_mixture": lambda ours: ours["rank"] is not None,
    "use_fs": lambda ours: ours["gate"] is not None,
    "use_regulation_module": lambda ours: ours["temperature"] is not None,
    "model_structure": lambda ours: ours.get("structure", "crossnet_only"),
    "model_type": lambda ours: f"{ours['structure']}masknet",
    "bridge_type": lambda ours: NAMES[ours["bridge"]],
    "field_interaction_type": lambda ours: NAMES[ours["field_weights"]],
    "bilinear_type": lambda ours: f"field_{ours['bilinear']}",
    "reduction_ratio": lambda ours: ours.get("reduction", ours.get("mask_ratio")),
    "num_heads": lambda ours: ours.get("heads", ours.get("fusion_heads")),
    "mlp2_dropout": lambda ours: ours[
        "dropout" if ours["second_dropout"] is None else "second_dropout"
    ],
    "dnn_hidden_units": lambda ours: ours.get("second_hidden", ours.get("hidden", [])),
}
# Lists of what are several values of ours, or one value for several tables.
LISTS = {"attention_dropout", "embedding_dim"}
# What is printed of models without a network too.
OF_A_NETWORK = {"activation", "batch_norm", "dropout"}
# Names, what the data's own test holds, and what none of ours has.
PASSED_OVER = {"model", "min_categr_count", "use_attention", "use_features", "ensemble_dnn"}


def value_of(text: Any) -> Any:
    """A printed value: a number, a truth, a list, a word in small letters."""
    try:
        return ast.literal_eval(str(text))
    except (SyntaxError, ValueError):
        return str(text).lower()


def ours_of(path: Path) -> Values:
    """The values of a recipe over those of its model, all by their last name."""
    own = yaml.safe_load(path.read_text())
    shared = yaml.safe_load((Path(CONF) / "shared" / "bars_recipe.yaml").read_text())
    budget = yaml.safe_load((Path(CONF) / "budget" / "none.yaml").read_text())
    model = yaml.safe_load((Path(CONF) / "model" / path.name).read_text())
    return {
        "lr": 0.001,
        "l2_embedding": 0.0,
        "l2_network": 0.0,
        "embedding_dropout": 0,
        **model.get("model", model),
        **own.get("model", {}),
        **own["optimizer"],
        "epochs": budget["epochs"],
        **shared["trainer"],
        **own["trainer"],
    }


def test_what_the_trainer_printed_is_known() -> None:
    """Of every result with a recipe; a mean is that of one setting's runs, not of a grid."""
    printed = [json.loads(text) for text in PUBLISHED["recipe"]]
    assert all({"patience", "epochs"} <= set(recipe) for recipe in printed if recipe)
    assert {recipe["patience"] for recipe in printed if recipe} == {"1", "2", "3"}
    assert PUBLISHED["runs"].dropna().max() <= 10


def option_of(key: str) -> str:
    activation = key == "activation" or key.endswith("_activations")
    return "activation" if activation else OPTIONS.get(key, key)


def differing(theirs: Values, ours: Values) -> list[str]:
    """The printed values that are not ours."""
    bad = []
    for key, value in theirs.items():
        if value is None or key in PASSED_OVER or not ONLY.get(key, lambda _: True)(theirs):
            continue
        if key in WAYS:
            own = [WAYS[key](ours)]
        else:
            options = option_of(key).split()
            if options[0] in OF_A_NETWORK and options[0] not in ours:
                continue
            own = [ours.get(option) for option in options]
        wanted = value if key in LISTS and isinstance(value, list) else [value]
        pairs = zip_longest(own, wanted, fillvalue=own[0])
        if any((value_of(a) or 0) != (b or 0) for a, b in pairs):
            bad.append(f"{key}: {value}, ours {own}")
    return bad


PUBLISHED = published("bars")
OURS = PUBLISHED[PUBLISHED["ours"].notna() & PUBLISHED["lacks"].isna()]


@pytest.mark.parametrize("data", sorted(OURS["dataset"].unique()))
def test_what_is_printed_is_ours(data: str) -> None:
    for row in OURS[OURS["dataset"] == data].to_dict("records"):
        path = Path(CONF) / "recipe" / "bars" / data / f"{row['ours']}.yaml"
        theirs = {key: value_of(text) for key, text in json.loads(row["recipe"]).items()}
        assert not differing(theirs, ours_of(path)), path
