"""Tables for a paper: booktabs, the best in bold, the second underlined, marks of significance."""

import re
from collections.abc import Callable, Sequence

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.markdown import NONE, cells
from ctrbench.report import tables
from ctrbench.report.figures.overview import chosen_rows
from ctrbench.report.group import TO_BEST, Section
from ctrbench.report.html import slug
from ctrbench.report.judged.comparisons import BETTER, SIGNIFICANT, reference
from ctrbench.report.judged.paired import SEEDS_AND_ROWS
from ctrbench.report.names import metric_title, model_title
from ctrbench.report.tuning import chosen_trials
from ctrbench.settings import nearest

ESCAPES = {  # of what means something to LaTeX
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
LATEX = re.compile("[" + re.escape("".join(ESCAPES)) + "]")
MARK = "\N{DAGGER}"
IN_MATHS = {"±": r"$\pm$", MARK: r"$^{\dagger}$", "<": "$<$", ">": "$>$"}
METRICS = {**BETTER, "gauc": 1, "excess_logloss": -1}  # the sign of what is better
DEFAULT = ("auc", "logloss", "gauc", "time")
BOLD, UNDERLINED = "textbf: --rwrap", "underline: --rwrap"
Column = tuple[str, Callable[[Section, pd.DataFrame], list[str]]]


def _metric(part: str, name: str) -> Column:
    def text(_: Section, rows: pd.DataFrame) -> list[str]:
        if f"{part}_{name}_mean" not in rows:
            return [NONE] * len(rows)
        means, spreads = (rows[f"{part}_{name}_{kind}"].astype(float) for kind in ("mean", "std"))
        return [
            mean + ("" if spread == NONE else f" ± {spread}")
            for mean, spread in zip(cells(means, "{:.4f}"), cells(spreads, "{:.4f}"), strict=True)
        ]

    title = metric_title(name)
    return (title if part == "test" else f"validation {title}", text)


COLUMNS: dict[str, Column] = {
    **{name: _metric("test", name) for name in METRICS},
    **{f"valid_{name}": _metric("valid", name) for name in BETTER},
    "time": (
        "time relative to LR",
        lambda _, rows: list(
            tables.seconds_text(rows, rows["seconds_per_epoch"] / rows["time_over_lr"])
        ),
    ),
    "epoch": (
        "time per epoch (s)",
        lambda _, rows: list(tables.seconds_text(rows, pd.Series(1.0, rows.index))),
    ),
    "best": ("time to best (s)", lambda _, rows: cells(rows[TO_BEST].astype(float), "{:.1f}")),
    "parameters": (
        "parameters",
        lambda _, rows: cells(rows["parameters"].astype(float), "{:,.0f}"),
    ),
    "seeds": ("seeds", lambda _, rows: list(rows["runs"].astype(str))),
    "trials": (
        "trials",
        lambda section, rows: cells(
            rows["model"].map(chosen_trials(section)).astype(float), "{:g}"
        ),
    ),
    "settings": ("settings", lambda _, rows: list(rows["settings"].replace("", NONE))),
}


def chosen_columns(columns: str | None) -> list[str]:
    """Return the columns that ``columns=A,B`` names.

    Raises:
        UserError: for a name that is not in ``COLUMNS``.
    """
    names = list(DEFAULT) if columns is None else [name.strip() for name in columns.split(",")]
    for name in names:
        if name not in COLUMNS:
            raise UserError(f"columns={columns}: {name} is no column; {nearest(name, COLUMNS)}")
        if names.count(name) > 1:
            raise UserError(f"columns={columns}: {name} stands in it twice; name it once")
    return names


def leaderboard_latex(section: Section, compared: pd.DataFrame, columns: Sequence[str]) -> str:
    """Return the leaderboard, each model in its chosen setting, the best AUC first.

    Args:
        compared: of :func:`ctrbench.report.judged.comparisons.comparisons`.
        columns: of ``COLUMNS``; those that the runs do not have are left out.
    """
    rows = chosen_rows(section)
    table = pd.DataFrame({"model": rows["model"].map(model_title)})
    styles = pd.DataFrame("", rows.index, ["model"])
    marked = False
    for name in columns:
        head, text = COLUMNS[name]
        table[head] = text(section, rows)
        if (table[head] == NONE).all():
            table = table.drop(columns=head)
            continue
        styles[head] = ""
        if name in METRICS:
            styles[head] = _best_two(rows[f"test_{name}_mean"] * METRICS[name])
        if name in BETTER and (different := _different(section, compared, name)):
            marked = True
            table[head] += rows["model"].map(lambda model, d=different: MARK if model in d else "")
    caption = _caption(section, rows, compared, marked=marked)
    return latex_table(table, caption, f"tab:{slug(section.title)}", styles)


def _best_two(goodness: pd.Series) -> list[str]:
    """Return the styles of a column: the best in bold, the second underlined, ties alike."""
    places = goodness.astype(float).rank(method="min", ascending=False)
    second = places[places > 1].min()
    return ["" if p != p else BOLD if p == 1 else UNDERLINED if p == second else "" for p in places]


def _different(section: Section, compared: pd.DataFrame, name: str) -> set[str]:
    """Return the models that differ significantly from the best on the validation rows."""
    if compared.empty:
        return set()
    pairs = compared[compared["against"] == reference(section)]
    return set(pairs.loc[pairs[f"{name}_p"] < SIGNIFICANT, "model"])


def _caption(section: Section, rows: pd.DataFrame, compared: pd.DataFrame, *, marked: bool) -> str:
    """Return what the cells and the marks mean."""
    test_rows, seeds = int(section.runs["dataset.rows.test"].iloc[0]), rows["runs"].max()
    text = f"{section.title}: test rows ({test_rows:,})"
    text += f", mean ± standard deviation over {seeds} seeds" if seeds > 1 else ", one seed"
    text += ". Best in bold, second underlined."
    if not marked:
        return text
    both = SEEDS_AND_ROWS in set(compared["test"])
    test = (
        "paired over seeds, with the noise of training and of the test rows (Obuchowski and "
        "Rockette, 1995)"
        if both
        else "at one seed, the noise of the test rows alone (for the AUC DeLong et al., 1988)"
    )
    best = model_title(reference(section))
    return (
        f"{text} {MARK}: differs from {best}, the best on the validation rows (p < "
        f"{SIGNIFICANT:.2f} after Holm's correction; {test})."
    )


def latex_table(
    table: pd.DataFrame, caption: str, label: str, styles: pd.DataFrame | None = None
) -> str:
    """Return a table of text as a LaTeX float by the package booktabs.

    Args:
        styles: of each cell, ``COMMAND: --rwrap``; empty for none.
    """
    table = table.map(lambda cell: " ".join(cell.split()) if isinstance(cell, str) else cell)
    styler = table.style.hide(axis="index").format(escape="latex")
    styler = styler.format_index(escape="latex", axis="columns")
    if styles is not None:
        styler = styler.apply(lambda _: styles.reindex(columns=table.columns), axis=None)
    numeric = [all(_is_number(cell) for cell in table[head]) for head in table]
    text = styler.to_latex(
        hrules=True,
        position="t",
        position_float="centering",
        column_format="".join("r" if is_number else "l" for is_number in numeric),
        caption=_escaped(caption),
        label=label,
    )
    for mark, command in IN_MATHS.items():
        text = text.replace(mark, command)
    return str(text)


def _is_number(cell: object) -> bool:
    return str(cell) == NONE or re.match(r"[+-]?[\d.,]+( |$|%|†)", str(cell)) is not None


def _escaped(text: str) -> str:
    return " ".join(LATEX.sub(lambda match: ESCAPES[match[0]], text).split())
