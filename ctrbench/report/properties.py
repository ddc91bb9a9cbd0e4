"""What the models declare of themselves, as the DeepFM paper's Table 1 compares them."""

from pathlib import Path

import pandas as pd

from ctrbench.files import write_atomic
from ctrbench.models.registry import properties_of
from ctrbench.report.html import render
from ctrbench.report.published.printed import published
from ctrbench.report.tables import latex, text_of

MARKS = {True: "yes", False: "no"}


def table1(models: list[str]) -> pd.DataFrame:
    """A row a model; the four columns of marks are the paper's, in its order."""
    declared = {name: properties_of(name) for name in models}
    rows = [
        {
            "model": name,
            "published": own.paper,
            "family": own.family,
            "no pre-training": MARKS[not own.pretraining],
            "high-order features": MARKS[own.high_order],
            "low-order features": MARKS[own.low_order],
            "no feature engineering": MARKS[not own.feature_engineering],
        }
        for name, own in declared.items()
    ]
    return pd.DataFrame(rows)


def beside_the_paper(shown: pd.DataFrame) -> str:
    """Which rows the paper has, and where ours differ from its."""
    printed = published("deepfm_table1").set_index("model")
    printed = printed.loc[[name for name in printed.index if name in set(shown["model"])]]
    if printed.empty:
        return "The paper's Table 1 has none of these models."
    ours = shown.set_index("model").loc[printed.index]
    marks = [name for name in ours.columns if name in printed.columns]
    differ = [
        f"{model}: {mark}, printed {printed.loc[model, mark]}"
        for model in printed.index
        for mark in marks
        if ours.loc[model, mark] != printed.loc[model, mark]
    ]
    said = f"otherwise: {'; '.join(differ)}" if differ else "as here"
    source = printed["source"].iloc[0]
    return f"The paper's Table 1 has {', '.join(printed.index)}, {said} ({source})."


def write_properties(models: list[str], folder: Path, title: str) -> str:
    """Write the table (``table.md``, ``.csv``, ``.tex``, ``index.html``) into a folder; returns its
    text."""
    shown = table1(models)
    note = beside_the_paper(shown)
    text, rows = f"# {title}\n\n{text_of(shown)}\n\n{note}\n", shown.to_dict("records")
    files = {
        "table.md": text,
        "table.csv": shown.to_csv(index=False),
        "table.tex": latex(shown, title),
        "index.html": render("table.html", title=title, rows=rows, note=note, drawings=[]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomic(folder / name, content)
    return f"{text}\nwritten to {folder}: {', '.join(files)}"
