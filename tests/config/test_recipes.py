"""Published recipes: each is what its source prints, fits its model, and is run by one command."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from omegaconf import OmegaConf
from support import ctrbench

from ctrbench.command.experiments import find_experiment, sweep_overrides
from ctrbench.config.compose import CONF, compose, to_settings
from ctrbench.config.recipes import warn_of_other_data
from ctrbench.config.settings import RunSettings
from ctrbench.data.schema import Field, Schema
from ctrbench.errors import UserError
from ctrbench.models.registry import build, names, settings_of
from ctrbench.optim.settings import AdamSettings
from ctrbench.report.published.printed import published, published_rows
from ctrbench.report.published.recipes import choose_recipes
from ctrbench.settings import check, settings_from
from ctrbench.sweep.jobs import sweep_jobs

BARS = Path(CONF) / "recipe" / "bars"
RECIPES = {f"{path.parent.name}/{path.stem}": path for path in sorted(BARS.glob("*/*.yaml"))}
FIELDS = {
    "frappe_x1": "user item daytime weekday isweekend homework cost weather country city".split(),
    "movielenslatest_x1": "user_id item_id tag_id".split(),
    "criteo": [*(f"I{i}" for i in range(1, 14)), *(f"C{i}" for i in range(1, 27))],
    "avazu": [f"feat_{i}" for i in range(1, 23)],
}


@cache
def of_file(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def test_there_is_one_for_each_published_result_that_is_ours() -> None:
    rows = published("bars")
    ours = rows[rows["ours"].notna() & rows["lacks"].isna()]
    assert set(ours["dataset"] + "/" + ours["ours"]) == set(RECIPES) and len(ours) == 154
    assert set(ours["ours"]) <= set(names())
    assert all(published_rows("bars", data) for data in rows["dataset"].unique())
    known = {of_file(path)["recipe"]["model"]: name.split("/")[1] for name, path in RECIPES.items()}
    assert not set(rows.loc[rows["ours"].isna(), "model"]) & set(known)  # one that we have


def test_each_says_where_it_is_of() -> None:
    """Where it is of, and its monitor; its values have a file of their own."""
    rows = published("bars").set_index(["dataset", "ours"])
    for name, path in RECIPES.items():
        own, row = of_file(path), rows.loc[tuple(name.split("/"))]
        assert own["recipe"]["publication"] == row["publication"], name
        assert (own["recipe"]["model"], own["recipe"]["data"]) == (row["model"], row.name[0]), name
        chosen = {key: value for item in own["defaults"][1:] for key, value in item.items()}
        assert chosen == {"override /data": row.name[0], "override /model": row.name[1]}
        numbers = {"numeric": "unscaled"} if row.name[0] == "criteo_x1" else None
        assert own.get("data") == numbers
        summed = own["trainer"].get("monitor") == {"auc": 1, "logloss": -1}
        assert summed == (row["monitor"] != "AUC"), name


@pytest.mark.parametrize("data", sorted({name.split("/")[0] for name in RECIPES}))
def test_each_builds_its_model(data: str) -> None:
    """Composed by hand, which is fifty times as fast as by Hydra, and built without memory."""
    fields = FIELDS.get(data) or FIELDS[data.partition("_")[0]]
    values = set(fields[:13]) if data == "criteo_x1" else set()
    encodings = {name: "value" if name in values else "vocabulary" for name in fields}
    schema = Schema(tuple(Field(n, kind, 2 if n in values else 9) for n, kind in encodings.items()))
    for path in sorted((BARS / data).glob("*.yaml")):
        own = of_file(path)
        settings = model_settings(path.stem, own.get("model", {}))
        check(settings, "model.")
        settings.check_fields(encodings)
        with torch.device("meta"):
            assert build(schema, settings).name == path.stem
        OmegaConf.merge(OmegaConf.structured(AdamSettings), own["optimizer"])


def model_settings(name: str, own: dict[str, Any]) -> Any:
    """Those of a model's YAML files under the values of a recipe."""
    loaded = of_file(Path(CONF) / "model" / f"{name}.yaml")
    ours = {key: value for key, value in loaded.get("model", loaded).items() if key != "defaults"}
    mlp = of_file(Path(CONF) / "shared" / "mlp.yaml")
    budget = of_file(Path(CONF) / "budget" / "none.yaml")
    values = (mlp if "/shared/mlp" in str(loaded["defaults"]) else {}) | ours | own
    config = OmegaConf.create({"budget": budget, "model": values})
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    return settings_from(settings_of()[name].registered, resolved["model"])  # type: ignore[attr-defined]


def composed(name: str, *words: str) -> RunSettings:
    return to_settings(compose([f"recipe=bars/{name}", *words]))


def test_one_word_is_the_whole_recipe() -> None:
    lr, ipnn = composed("criteo_x4/lr"), composed("frappe_x1/ipnn", "budget=small")
    assert (lr.model.name, lr.data.name, lr.optimizer.name) == ("lr", "criteo_x4", "adam")
    assert lr.trainer.patience == 2 and lr.trainer.batch_size == 10_000 and lr.tuned is None
    assert lr.recipe is not None and lr.recipe.reading == "trained by Adam, not FTRL"
    model: Any = ipnn.model
    assert (model.product, model.activation, model.widths) == ("full", "relu", [400] * 3)
    assert ipnn.trainer.epochs == 8  # the budget's, which the report says


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["criteo_x1/deepfm"], []),
        (["criteo_x1/deepfm", "data=criteo_sample"], ["data=criteo_x1", "numeric=unscaled"]),
        (["criteo_x1/deepfm", "data.min_count=7"], ["min_count=1", "min_count=7"]),
        (["frappe_x1/lr", "data=planted"], ["data=frappe_x1", "data=planted"]),
    ],
)
def test_a_recipe_on_other_data_warns(words: list[str], named: list[str]) -> None:
    """In one line, with the encodings that it expects."""
    warning = warn_of_other_data(composed(*words))
    assert bool(warning) == bool(named) and "\n" not in warning
    assert all(name in warning for name in named)


def test_a_run_without_a_recipe_does_not_warn() -> None:
    assert warn_of_other_data(to_settings(compose(["model=lr", "data=planted"]))) == ""


def test_a_recipe_is_of_its_own_model() -> None:
    """Another one would stand as the recipe's in a leaderboard."""
    assert composed("frappe_x1/deepfm", "model=deepfm").model.name == "deepfm"
    message = r"model=dnn: recipe=bars/frappe_x1/deepfm is of model=deepfm; leave one"
    with pytest.raises(UserError, match=message):
        composed("frappe_x1/deepfm", "model=dnn")


def words_of(*words: str) -> list[dict[str, str]]:
    experiment = find_experiment("bars", list(words))
    made = sweep_jobs(sweep_overrides("bars", experiment, list(words)))
    return [dict(word.split("=", 1) for word in job.overrides) for job in made]


def test_the_models_are_those_with_a_recipe() -> None:
    found = words_of("data=frappe_x1", "seed=0")
    models = [job["recipe"].rpartition("/")[2] for job in found]
    assert models == [name for name in names() if f"frappe_x1/{name}" in RECIPES]
    found = words_of("data=avazu_x1", "model=deepfm,lr")
    assert [(job["recipe"], job["seed"]) for job in found] == [
        (f"bars/avazu_x1/{model}", str(seed)) for model in ("deepfm", "lr") for seed in range(3)
    ]
    assert {job["data"] for job in found} == {"avazu_x1"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("data=frappe_x1,criteo_x1", "recipes are those of one data set"),
        (
            "data=frappe_x1 model=lr,aoanet",
            "model=aoanet: BARS prints AUC 0.9844, logloss 0.1424 of AOANet on frappe_x1, and "
            "ctrbench has no such model",
        ),
        ("data=frappe_x1 model=wide_deep", "ours of that form is model=lr_dnn"),
        ("data=avazu_x4 model=finalmlp", "batch norm in one of the two networks alone"),
        ("data=frappe_x1 model=depfm", "for frappe_x1; did you mean deepfm?"),
    ],
)
def test_mistakes(words: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        choose_recipes("bars", words.split())
    assert told in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("words", [[], ["data=planted"], ["data=frappe_x1,criteo"]])
def test_rows_without_recipes(words: list[str]) -> None:
    with pytest.raises(
        UserError, match=r"bars takes data=avazu_x1, .*, which BARS has recipes for"
    ):
        words_of(*words)


def test_a_recipe_that_does_not_exist() -> None:
    done = ctrbench("reproduce", "bars", "recipe=bars/frappe_x1/depfm")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "no such choice; did you mean bars/frappe_x1/deepfm?" in done.stderr
