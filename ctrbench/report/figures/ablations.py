"""Any sweep as an ablation: figures of a section in which a model's settings differ in one option,
drawn as the paper draws its figures 7 to 11: AUC left, logloss right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ctrbench.errors import UserError
from ctrbench.report.figures.drawing import (
    GREY,
    SOFT,
    Drawing,
    canvas,
    entitle,
    finish,
    look,
    tell,
)
from ctrbench.report.group import FIGURES, Section, as_text, differing
from ctrbench.report.published.printed import published
from ctrbench.settings import nearest

GEOMETRIC = 4  # the least ratio of the largest to the smallest value of a logarithmic axis
FILLED = "Filled: the setting chosen on the validation rows."
KEEP = "model.dropout"  # drawn as the paper does: the probability of keeping


@dataclass(frozen=True)
class Sweep:
    """One model's rows that differ in one option alone, in the order of its values."""

    model: str
    key: str
    rows: pd.DataFrame

    @property
    def values(self) -> list[Any]:
        """Of the option: numbers, or text where one is none."""
        values = list(self.rows[self.key])
        if all(map(_is_number, values)):
            return [float(1 - value if self.key == KEEP else value) for value in values]
        return [as_text(value) for value in values]


def _is_number(value: Any) -> bool:
    """False for what is none (null) or a truth."""
    is_truth = isinstance(value, bool | np.bool_)
    return isinstance(value, int | float | np.number) and not is_truth and value == value


def sweeps(section: Section, x: str | None = None) -> dict[str, list[Sweep]]:
    """By option, the models' rows that differ in it; the other options are those of the model's
    chosen row.

    Args:
        x: the one option to take.

    Raises:
        UserError: if no model's rows differ in ``x``.
    """
    found: dict[str, list[Sweep]] = {}
    for model, own in section.groups.groupby("model", sort=False):
        keys = differing(own)
        chosen = own[own["chosen"]].iloc[0]
        for key in keys:
            rows = own
            for other in set(keys) - {key}:
                rows = rows[rows[other].map(as_text) == as_text(chosen[other])]
            if len(rows) > 1:
                found.setdefault(key, []).append(Sweep(str(model), key, _sorted(rows, key)))
    if x is not None and x not in found:
        hint = nearest(x, found) if found else "no option was swept"
        raise UserError(f"x={x}: no model's runs differ in it; {hint}")
    return {key: own for key, own in found.items() if x in (None, key)}


def is_swept(section: Section, x: str) -> bool:
    """Whether a model's runs differ in an option."""
    return x in sweeps(section)


def _sorted(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """By the values of an option, null first; as they are where those are words."""
    numeric = pd.to_numeric(rows[key], errors="coerce")
    if not (numeric.notna() | rows[key].isna()).all():
        return rows
    return rows.iloc[np.argsort(numeric.astype(float).fillna(-np.inf), kind="stable")]


def ablations(section: Section, x: str | None = None) -> list[Drawing]:
    """A drawing for each option in which models' runs differ, a row of panels for each model."""
    return [_ablation(key, own) for key, own in sweeps(section, x).items()]


def _ablation(key: str, own: list[Sweep]) -> Drawing:
    figure, axes = canvas(len(own), 2, (4.2, 1.8), sharex=True, sharey="col")
    ticks = list(dict.fromkeys(value for sweep in own for value in sweep.values))
    numeric = all(isinstance(value, float) for value in ticks)
    printed = _printed(key, numeric)
    levels = {name: (printed[name].min(), printed[name].max()) for name in FIGURES}
    for sweep, panels in zip(own, axes, strict=True):
        theirs = printed[printed["model"] == sweep.model]
        for name, panel in zip(FIGURES, panels, strict=True):
            _panel(panel, sweep, name, numeric)
            if len(theirs):
                _beside(panel, theirs, name, levels[name], numeric)
        entitle(panels[0], f"{sweep.model}: AUC")
        entitle(panels[1], "logloss")
    for panel in axes[-1]:
        panel.set_xlabel("keep probability (1 - dropout)" if key == KEEP else key)
    if numeric and is_logarithmic(ticks):
        axes[0][0].set_xscale("log")
    if numeric:
        axes[0][0].set_xticks(ticks, [f"{value:g}" for value in ticks], minor=False)
        axes[0][0].minorticks_off()
    if numeric and key == KEEP:
        axes[0][0].invert_xaxis()
    says = " ".join([*(_says(sweep) for sweep in own), FILLED, *_source(printed, own)])
    title = f"{_plain(key)}: AUC and logloss of the test rows"
    return finish(figure, f"ablation-{key}", title, says)


def _panel(panel: Axes, sweep: Sweep, name: str, numeric: bool) -> None:
    """Means with a band of one deviation; the setting chosen on the validation rows filled."""
    style = look(sweep.model)
    mean = sweep.rows[f"test_{name}_mean"].to_numpy(float)
    known = sweep.rows[f"test_{name}_std"].to_numpy(float)
    deviation = np.nan_to_num(known)
    values = sweep.values if numeric else [_value(value) for value in sweep.values]
    chosen = sweep.rows["chosen"].to_numpy(bool)
    if numeric:
        panel.fill_between(
            values, mean - deviation, mean + deviation, color=style["color"], alpha=0.2, lw=0
        )
        (points,) = panel.plot(values, mean, markerfacecolor="none", ms=4, lw=1.4, **style)
    else:
        style = style | {"linestyle": "none"}
        bars = panel.errorbar(values, mean, deviation, markerfacecolor="none", ms=5, **style)
        points = bars.lines[0]
    marked = [value for value, is_it in zip(values, chosen, strict=True) if is_it]
    (best,) = panel.plot(marked, mean[chosen], **style | {"linestyle": "none"}, ms=6)
    told = [
        f"{sweep.model}, {_value(value)}: {name} {own:.5f}"
        + (f" ± {spread:.5f}" if spread == spread else "")
        for value, own, spread in zip(values, mean, known, strict=True)
    ]
    tell(points, told)
    tell(best, [f"{said}; chosen" for said, is_it in zip(told, chosen, strict=True) if is_it])
    panel.ticklabel_format(axis="y", useOffset=False)


def _printed(key: str, numeric: bool) -> pd.DataFrame:
    """The paper's points of an option, in its order."""
    rows = published("deepfm_figures")
    rows = rows[rows["key"] == key].copy()
    if numeric:
        rows["value"] = rows["value"].astype(float)
    if key == KEEP:
        rows["value"] = 1 - rows["value"]
    return rows


def _beside(
    panel: Axes, theirs: pd.DataFrame, name: str, level: tuple[float, float], numeric: bool
) -> None:
    """What the paper printed, on its own data and so to its own level: the shape is compared."""
    twin = panel.twinx()
    line = "-" if numeric else "none"
    twin.plot(theirs["value"], theirs[name], color=GREY, linestyle=line, marker=".", lw=1, zorder=1)
    end = (theirs["value"].iloc[-1], theirs[name].iloc[-1])
    twin.annotate("paper", end, (0, 4), textcoords="offset points", color=SOFT, ha="right")
    margin = (level[1] - level[0]) / 10
    twin.set_ylim(level[0] - margin, level[1] + margin)
    twin.set_yticks([])
    twin.spines[:].set_visible(False)


def is_logarithmic(values: list[float]) -> bool:
    """Whether the steps between values are more equal as ratios than as differences."""
    known = np.sort(np.asarray(values, float))
    if known[0] <= 0 or known[-1] < GEOMETRIC * known[0]:
        return False
    steps, ratios = np.diff(known), np.diff(np.log(known))
    return bool(ratios.std() / ratios.mean() < steps.std() / steps.mean() or len(known) == 2)


def _says(sweep: Sweep) -> str:
    """What one model's panels show."""
    auc = sweep.rows["test_auc_mean"].astype(float)
    deviation = sweep.rows["test_auc_std"].astype(float).mean()
    named = "keep probability" if sweep.key == KEEP else _plain(sweep.key)
    of = dict(zip(sweep.rows.index, sweep.values, strict=True))
    best, chosen = of[auc.idxmax()], of[sweep.rows["chosen"].idxmax()]
    said = [_value(value) for value in (best, chosen)]
    spread = f", where seeds deviate by {deviation:.4f}" if deviation == deviation else ""
    return (
        f"{sweep.model}: the test AUC is highest at {named} {said[0]}; the validation rows chose "
        f"{said[1]}. It varies by {auc.max() - auc.min():.4f}{spread}."
    )


def _source(printed: pd.DataFrame, own: list[Sweep]) -> list[str]:
    theirs = printed[printed["model"].isin([sweep.model for sweep in own])]
    if theirs.empty:
        return []
    row = theirs.iloc[0]
    return [
        f"Grey: {row['place']} of {row['source']}, on its data set Company*, to its own level; "
        "what is compared is the shape."
    ]


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain(key: str) -> str:
    return key.rpartition(".")[2].replace("_", " ")


def heat_maps(section: Section) -> list[Drawing]:
    """For each model whose runs differ in two options, its test AUC over both."""
    drawings = []
    for model, own in section.groups.groupby("model", sort=False):
        keys = differing(own)
        sizes = [own[key].nunique(dropna=False) for key in keys]
        if len(keys) == 2 and min(sizes) > 1 and len(own) >= sum(sizes):  # more than a cross
            drawings.append(_heat_map(str(model), own, *keys))
    return drawings


def _heat_map(model: str, own: pd.DataFrame, across: str, down: str) -> Drawing:
    columns, index = (_sorted(own, key)[key].map(as_text).unique() for key in (across, down))
    named = own.assign(**{key: own[key].map(as_text) for key in (across, down)})
    grid = named.pivot(index=down, columns=across, values="test_auc_mean")
    grid = grid.reindex(index=index, columns=columns)
    figure, ((panel,),) = canvas(1, 1, (1.6 + 0.8 * len(grid.columns), 0.8 + 0.45 * len(grid)))
    cells = grid.to_numpy(float)
    panel.imshow(cells, cmap="cividis", aspect="auto")
    middle = (np.nanmin(cells) + np.nanmax(cells)) / 2
    for (i, j), value in np.ndenumerate(cells):
        if value == value:
            dark = "black" if value > middle else "white"
            panel.text(j, i, f"{value:.4f}", ha="center", va="center", color=dark)
    panel.set_xticks(range(len(grid.columns)), list(grid.columns))
    panel.set_yticks(range(len(grid)), list(grid.index))
    panel.set(xlabel=across, ylabel=down)
    entitle(panel, f"{model}: test AUC")
    best, chosen = own.loc[own["test_auc_mean"].idxmax()], own[own["chosen"]].iloc[0]
    says = (
        f"{model}: the test AUC is highest, {best['test_auc_mean']:.4f}, at {best['settings']}; "
        f"chosen on the validation rows was {chosen['settings']}."
    )
    return finish(figure, f"heat-{model}", f"{model} over {across} and {down}", says)
