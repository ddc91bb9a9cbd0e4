"""Properties of the models, as in Table 1 of the DeepFM paper."""

from pathlib import Path

import pandas as pd

from ctrbench.markdown import csv_of
from ctrbench.models.registry import properties_of
from ctrbench.report.html import render
from ctrbench.report.latex import latex_table
from ctrbench.report.names import list_titles, model_title
from ctrbench.report.output import write_folder
from ctrbench.report.published.printed import published
from ctrbench.report.tables import to_markdown

MARKS = {True: "yes", False: "no"}


def table1(models: list[str]) -> pd.DataFrame:
    """Return a row for each model; the four columns of marks are the paper's, in its order."""
    declared = {name: properties_of(name) for name in models}
    rows = [
        {
            "model": name,
            "published": properties.paper,
            "family": properties.family,
            "no pre-training": MARKS[not properties.pretraining],
            "high-order features": MARKS[properties.high_order],
            "low-order features": MARKS[properties.low_order],
            "no feature engineering": MARKS[not properties.feature_engineering],
        }
        for name, properties in declared.items()
    ]
    return pd.DataFrame(rows)


def compare_with_paper(table: pd.DataFrame) -> str:
    """Return as text which rows the paper has, and where ours differ from it."""
    printed = published("deepfm_table1").set_index("model")
    printed = printed.loc[[name for name in printed.index if name in set(table["model"])]]
    if printed.empty:
        return "The paper's Table 1 has none of these models."
    rows = table.set_index("model").loc[printed.index]
    marks = [name for name in rows.columns if name in printed.columns]
    differ = [
        f"{model_title(model)}: {mark}, printed {printed.loc[model, mark]}"
        for model in printed.index
        for mark in marks
        if rows.loc[model, mark] != printed.loc[model, mark]
    ]
    text = f"otherwise: {'; '.join(differ)}" if differ else "as here"
    source = printed["source"].iloc[0]
    return f"The paper's Table 1 has {list_titles(printed.index)}, {text} ({source})."


def write_properties(models: list[str], folder: Path, title: str, question: str = "") -> str:
    """Write the table (``table.md``, ``.csv``, ``.tex``, ``index.html``) into a folder; returns its
    text."""
    table = table1(models)
    note = compare_with_paper(table)
    titled = table.assign(model=table["model"].map(model_title))
    intro = f"{question}\n\n{note}" if question else note
    text, rows = f"# {title}\n\n{intro}\n\n{to_markdown(titled)}\n", titled.to_dict("records")
    files = {
        "table.md": text,
        "table.csv": csv_of(table),
        "table.tex": latex_table(titled, title, "tab:properties"),
        "index.html": render(
            "table.html", title=title, question=question, headline=note, rows=rows, drawings=[]
        ),
    }
    write_folder(folder, files)
    return f"{text}\nwritten to {folder}: {', '.join(files)}"
