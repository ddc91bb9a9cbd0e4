"""Who leads a section: its headline and its table of chosen settings."""

import pandas as pd

from ctrbench.markdown import NONE, Rows, cells
from ctrbench.report import tables
from ctrbench.report.figures.overview import chosen_rows
from ctrbench.report.group import BASELINE, TO_BEST, Section, epoch_seconds
from ctrbench.report.judged import comparisons
from ctrbench.report.judged.comparisons import NOT_DIFFERENT, UNTESTED
from ctrbench.report.names import list_titles, metric_title, model_title
from ctrbench.report.tuning import chosen_trials

MOST_NAMES = 5  # of one outcome in the headline; of more, their number
FIGURES = ("auc", "logloss", "gauc")


def headline(section: Section, compared: pd.DataFrame) -> str:
    """Return which model is best, and which others differ from it by more than noise."""
    rows = chosen_rows(section)
    name = comparisons.reference(section)
    best = rows[rows["model"] == name].iloc[0]
    rivals = compared[compared["against"] == name] if len(compared) else compared
    leads = (
        f"{model_title(name)}, test AUC {_auc_of(best)}, is the best on the validation rows of "
        f"{section.title}"
    )
    if len(rivals) and (rivals["auc_says"] == NOT_DIFFERENT).all():
        count = comparisons.seeds_text(rivals["seeds"].min())
        leads, rivals = f"No model can be told from the best {count}: {leads}", rivals[:0]
    sentences = [leads]
    if (first := rows.iloc[0])["model"] != name:
        sentences.append(
            f"the highest test AUC is that of {model_title(first['model'])}, {_auc_of(first)}"
        )
    for outcome, rows_of_outcome in rivals.groupby("auc_says") if len(rivals) else ():
        sentences += _rivals_text(
            str(outcome), rows_of_outcome, everyone=len(rows_of_outcome) == len(rivals)
        )
    ratio = best["time_over_lr"] * epoch_seconds(rows)[best.name] / best["seconds_per_epoch"]
    if ratio == ratio and best["model"] != BASELINE:
        sentences.append(f"{ratio:.3g} times LR's time an epoch")
    return "; ".join(sentences) + "."


def _rivals_text(outcome: str, rivals: pd.DataFrame, *, everyone: bool) -> list[str]:
    """Return the comparisons of one outcome as text; empty where the best is ahead of some."""
    names = list_titles(rivals["model"])
    if len(rivals) > MOST_NAMES:
        names = f"{len(rivals)} models"
    count = comparisons.seeds_text(rivals["seeds"].min())
    if outcome == "worse":
        return [f"better in AUC than all others {count}"] if everyone else []
    if outcome == "better":
        return [f"{names} {'are' if len(rivals) > 1 else 'is'} better in test AUC {count}"]
    if outcome == UNTESTED:
        return [f"untested against {names}"]
    return [f"{outcome} from {names} {count}"]


def _auc_of(row: pd.Series) -> str:
    deviation = row["test_auc_std"]
    spread = f" ± {deviation:.4f}" if deviation == deviation else ""
    return f"{row['test_auc_mean']:.4f}{spread}"


def leaders(section: Section) -> Rows:
    """Return a row for each model, in its chosen setting."""
    rows = chosen_rows(section)
    table = pd.DataFrame({"model": rows["model"].map(model_title)})
    for part, head in (("test", "test"), ("valid", "validation")):
        for figure in FIGURES:
            if f"{part}_{figure}_mean" in rows:
                table[f"{head} {metric_title(figure)}"] = tables.mean_and_deviation(
                    rows, f"{part}_{figure}"
                )
    table["seeds"] = rows["runs"].astype(str)
    table["trials"] = cells(rows["model"].map(chosen_trials(section)).astype(float), "{:g}")
    table["time relative to LR"] = tables.seconds_text(
        rows, rows["seconds_per_epoch"] / rows["time_over_lr"]
    )
    table["time to best (s)"] = cells(rows[TO_BEST].astype(float), "{:.2f}")
    table["parameters"] = cells(rows["parameters"].astype(float), "{:,.0f}")
    table["settings"] = rows["settings"].replace("", NONE)
    records: Rows = table.loc[:, (table != NONE).any()].to_dict("records")
    return records
